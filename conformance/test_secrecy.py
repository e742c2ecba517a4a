"""E2E: secrecy of what is exchanged ("Confidentialité et sécurité des échanges")."""

from __future__ import annotations

from typing import Any

import pytest
from nio.exceptions import EncryptionError

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.checks.contents import opens_as
from conformance.checks.encryption import is_encrypted, is_encrypted_or_refused, is_not_encrypted
from conformance.journeys import gathered, identity_server, join
from scenarios import conversations, files
from scenarios.conversations import MEGOLM
from scenarios.invitations import identity_token
from scenarios.session import ok, path

_INVITE_ONLY = [{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "invite"}}]

# Every way in which a client may ask for something that is not a public room, without a word of encryption.
_WAYS: dict[str, dict[str, Any]] = {
    "nothing said": {},
    "private": {"preset": "private_chat"},
    "trusted": {"preset": "trusted_private_chat"},
    "direct": {"preset": "trusted_private_chat", "is_direct": True},
    "direct without preset": {"is_direct": True},
    "private visibility": {"visibility": "private"},
    "public preset, invite only": {"preset": "public_chat", "initial_state": _INVITE_ONLY},
    "open to externals": {
        "initial_state": [
            {"type": conversations.ACCESS_RULES, "state_key": "", "content": {"rule": "unrestricted"}},
        ]
    },
    # Nothing keeps a client from talking in one.
    "space": {"preset": "private_chat", "creation_content": {"type": "m.space"}},
}


@pytest.mark.rule("E2E-1")
@pytest.mark.parametrize("home", [0, 1])
@pytest.mark.parametrize("way", list(_WAYS))
async def test_conversation_is_encrypted_without_being_asked(cast: Cast, home: int, way: str) -> None:
    """A client that never speaks of encryption gets an encrypted conversation, seen so by both of its people."""
    someone, other = await cast.agents(home, 1 - home)
    device = await cast.device(other)
    answer = await conversations.ask_for_room(someone.session, invite=[other.user_id], **_WAYS[way])
    room_id = accepted(answer, f"a room asked for as: {way}")["room_id"]
    await is_encrypted(someone.session, room_id)
    await join(device, room_id)
    await is_encrypted(other.session, room_id)
    assert device.room(room_id).encrypted, "the invited person's device was not told"


@pytest.mark.rule("E2E-1")
@pytest.mark.addresses
@pytest.mark.parametrize("home", [0, 1])
async def test_conversation_begun_by_an_address_is_encrypted(cast: Cast, home: int) -> None:
    """Who begins a conversation with an address instead of an account, or a room, gets an encrypted one all the same."""
    someone, invited = await cast.agent(home), cast.newcomer(home)
    server = identity_server(cast)
    for way in ("direct", "private"):
        asked = {"medium": "email", "id_server": server.id_server, "address": invited.identity.address}
        asked["id_access_token"] = await identity_token(someone.session, server)
        answer = await conversations.ask_for_room(someone.session, invite_3pid=[asked], **_WAYS[way])
        room_id = accepted(answer, f"a room with an address, asked for as: {way}")["room_id"]
        await is_encrypted(someone.session, room_id)


@pytest.mark.rule("E2E-1")
async def test_older_api_version_makes_no_exception(cast: Cast) -> None:
    """A conversation made by the older path of the API is encrypted too, on either homeserver."""
    for someone in await cast.agents(0, 1):
        answer = await someone.session.post("/createRoom", {"preset": "private_chat"}, version="r0")
        await is_encrypted(someone.session, accepted(answer, "a room by r0")["room_id"])


@pytest.mark.rule("E2E-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_half_open_room_is_encrypted_or_not_made(cast: Cast, home: int) -> None:
    """A room to knock at, or for the members of another one, is not a public one: it is encrypted, or there is none."""
    someone = await cast.agent(home)
    around = await conversations.open_private(someone.session, cast.word("bureau"))
    await is_encrypted(someone.session, around)
    for rule in ("knock", "restricted", "knock_restricted"):
        content = {"join_rule": rule, "allow": [{"type": "m.room_membership", "room_id": around}]}
        state = [{"type": "m.room.join_rules", "state_key": "", "content": content}]
        for preset in ("private_chat", "public_chat"):
            answer = await conversations.ask_for_room(someone.session, preset=preset, initial_state=state)
            await is_encrypted_or_refused(someone.session, answer, f"a room of the join rule {rule}, by the preset {preset}")


@pytest.mark.rule("E2E-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_public_room_is_not_encrypted_and_stays_so(cast: Cast, home: int) -> None:
    """A public room is readable by whoever joins; its administrator cannot turn encryption on, neither then nor later."""
    host, other = await cast.agents(home, 1 - home)
    room_id = await conversations.open_public(host.session, cast.word("forum"))
    await is_not_encrypted(host.session, room_id)
    answer = await conversations.set_state(host.session, room_id, "m.room.encryption", {"algorithm": MEGOLM})
    refused(answer, "encrypting a public room", "M_FORBIDDEN")
    await is_not_encrypted(host.session, room_id)
    ok(await conversations.ask_to_join(other.session, room_id, host.home.server_name))
    await is_not_encrypted(other.session, room_id)
    changed = await conversations.set_state(host.session, room_id, "m.room.topic", {"topic": "un autre sujet"})
    accepted(changed, "another change by the same administrator")
    encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}
    for public in ({"preset": "public_chat"}, {"visibility": "public"}):
        asked = {**public, "name": cast.word("forum"), "initial_state": [encryption]}
        answer = await conversations.ask_for_room(host.session, **asked)
        if answer.status == 200:
            await is_not_encrypted(host.session, answer.json()["room_id"])
        else:
            refused(answer, f"a public room that asks for encryption, by {public}", status=(400, 403))


@pytest.mark.rule("E2E-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_neither_kind_turns_into_the_other(cast: Cast, home: int) -> None:
    """A public room cannot become private in silence, nor a private one public; what people see does not change."""
    host = await cast.agent(home)
    public = await conversations.open_public(host.session, cast.word("forum"))
    private = await conversations.open_private(host.session, cast.word("bureau"))
    for room_id, rule in ((public, "invite"), (private, "public")):
        before = ok(await conversations.read_state(host.session, room_id, "m.room.join_rules"))
        answer = await conversations.set_state(host.session, room_id, "m.room.join_rules", {"join_rule": rule})
        refused(answer, f"changing the join rule to {rule}", "M_FORBIDDEN")
        after = ok(await conversations.read_state(host.session, room_id, "m.room.join_rules"))
        assert after == before, f"refused, and yet the join rules changed to {after}"
        topic = await conversations.set_state(host.session, room_id, "m.room.topic", {"topic": "sujet"})
        accepted(topic, "another change by the same administrator")
    answer = await host.session.put(path("directory", "list", "room", private), {"visibility": "public"})
    refused(answer, "listing a private room", status=(400, 403))


@pytest.mark.rule("E2E-10")
@pytest.mark.parametrize("home", [0, 1])
async def test_file_is_ciphertext_on_the_server(cast: Cast, home: int) -> None:
    """What the server hands out for a shared file is not the file; the key is in the encrypted event alone."""
    sender, receiver = await cast.devices(await cast.agents(home, 1 - home))
    room_id = await gathered(sender, receiver)
    content = (cast.word("pièce jointe") * 50).encode()
    name = cast.word("nom") + ".odt"
    event_id = await files.share_encrypted(sender, room_id, content, name, "application/vnd.oasis.opendocument.text")
    message = await receiver.wait_to_read(room_id, event_id)
    file = message.content["file"]

    raw = await files.download(receiver.session, file["url"])
    assert raw.status == 200, f"the file as the server has it should be delivered, but: {raw}"
    assert content[:40] not in raw.body and raw.body != content, "the server holds the file in clear"
    assert files.decrypt_file(raw.body, file) == content, "the ciphertext does not open by the event's key"

    event = ok(await receiver.session.get(path("rooms", room_id, "event", event_id)))
    assert event["type"] == "m.room.encrypted"
    told = str(event)
    for secret in (file["key"]["k"], file["iv"], file["url"], name):
        assert secret not in told, "the event shows the server what only its readers may know"


@pytest.mark.rule("E2E-10")
async def test_file_that_was_altered_does_not_open(cast: Cast) -> None:
    """Whoever holds a shared file's ciphertext changes a bit of it, cuts it, adds to it or puts another there: it is noticed.

    Who keeps this is the client, here that of this suite; as it was sent the file opens.
    """
    sender, receiver = await cast.devices(await cast.agents(0, 0))
    room_id = await gathered(sender, receiver)
    content, other = (cast.word("virement de cent euros") * 20).encode(), cast.word("autre chose").encode()
    event_id = await files.share_encrypted(sender, room_id, content, "ordre.txt", "text/plain")
    file = (await receiver.wait_to_read(room_id, event_id)).content["file"]
    answer = await files.download(receiver.session, file["url"])
    opens_as(answer, file, content, "the file as it was sent")
    kept, (another, _key) = answer.body, files.encrypt_file(other)
    altered = {
        "with another bit": bytes([kept[0] ^ 1]) + kept[1:],
        "cut short": kept[:-1],
        "with more behind it": kept + b"0",
        "replaced by another": bytes(another),
        "emptied": b"",
    }
    for how, ciphertext in altered.items():
        try:
            opened = files.decrypt_file(ciphertext, file)
        except EncryptionError:
            continue
        raise AssertionError(f"a file {how} opens as if it were the one that was sent: {opened[:40]!r}")
