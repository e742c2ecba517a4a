"""E2E-2, E2E-7: encryption that stays, and readers who come and go ("Confidentialité et sécurité des échanges")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.checks.encryption import is_encrypted, is_encrypted_or_refused
from conformance.journeys import gathered, join, sees_out
from conformance.tampering import Tampering, client_lied_to, events_in, to_device_in
from scenarios import conversations
from scenarios.conversations import MEGOLM
from scenarios.devices import Device
from scenarios.keys import Undecryptable
from scenarios.session import ok, path

_ENCRYPTION = "m.room.encryption"
_WEAKER: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no algorithm": {"algorithm": None},
    "an empty algorithm": {"algorithm": ""},
    "an unknown algorithm": {"algorithm": "m.none"},
    "an older algorithm": {"algorithm": "m.olm.v1.curve25519-aes-sha2"},
    "a list": {"algorithm": [MEGOLM]},
}


@pytest.mark.rule("E2E-2")
@pytest.mark.parametrize("home", [0, 1])
async def test_administrator_cannot_turn_encryption_off(cast: Cast, home: int) -> None:
    """Neither administrator of a room, on either homeserver, empties, weakens or redacts its encryption; both rename it."""
    host, other = await cast.devices(await cast.agents(home, 1 - home))
    room_id = await gathered(host, other)
    levels = ok(await conversations.read_state(host.session, room_id, "m.room.power_levels"))
    levels["users"][other.user_id] = 100
    ok(await conversations.set_state(host.session, room_id, "m.room.power_levels", levels))
    key = ("m.room.power_levels", "")
    await other.wait_for("its new power level", lambda seen: other.user_id in seen.room(room_id).state[key]["users"])
    where = path("rooms", room_id, "state", _ENCRYPTION)
    events = ok(await host.session.get(path("rooms", room_id, "messages"), {"dir": "b", "limit": 100}))["chunk"]
    event_id = next(event["event_id"] for event in events if event["type"] == _ENCRYPTION)
    for administrator in (host, other):
        for name, content in _WEAKER.items():
            for version in ("v3", "r0"):
                answer = await administrator.session.put(where, content, version=version)
                refused(answer, f"encryption by {name}, by {administrator.session.who}", status=(400, 403))
        answer = await administrator.session.put(path("rooms", room_id, "redact", event_id, "vigie"), {})
        refused(answer, f"redacting the encryption, by {administrator.session.who}")
        renamed = await conversations.set_state(administrator.session, room_id, "m.room.name", {"name": cast.word("nom")})
        accepted(renamed, f"another change by {administrator.session.who}")
    for member in (host, other):
        await is_encrypted(member.session, room_id)
        said = await member.say(room_id, "Toujours entre nous.")
        event = ok(await member.session.get(path("rooms", room_id, "event", said)))
        assert event["type"] == "m.room.encrypted", "a client writes in clear"


@pytest.mark.rule("E2E-2")
async def test_conversation_is_not_created_with_something_weaker(cast: Cast) -> None:
    """Who asks for a private room with another encryption, or an empty one, gets none, or a room encrypted as every other."""
    agent = await cast.agent()
    good = {"type": _ENCRYPTION, "state_key": "", "content": {"algorithm": MEGOLM}}
    for name, content in _WEAKER.items():
        event = {"type": _ENCRYPTION, "state_key": "", "content": content}
        for state in ([event], [good, event], [event, good]):
            answer = await conversations.ask_for_room(agent.session, preset="private_chat", initial_state=state)
            await is_encrypted_or_refused(agent.session, answer, f"a room encrypted by {name}")
    # What is said under another state key is said of something else, and takes the place of nothing.
    public = {"type": "m.room.join_rules", "content": {"join_rule": "public"}}
    for aside in ({**good, "state_key": "ailleurs"}, {**public, "state_key": "ailleurs"}):
        answer = await conversations.ask_for_room(agent.session, preset="private_chat", initial_state=[aside])
        await is_encrypted_or_refused(agent.session, answer, f"a room that says {aside['type']} of something else")
    answer = await conversations.ask_for_room(agent.session, preset="private_chat", initial_state=[good])
    await is_encrypted(agent.session, accepted(answer, "a room that asks for Megolm")["room_id"])


@pytest.mark.rule("E2E-2")
@pytest.mark.parametrize("home", [0, 1])
async def test_upgrade_keeps_the_encryption(cast: Cast, home: int) -> None:
    """A room that is upgraded is encrypted afterwards as before, or is not upgraded at all."""
    agent = await cast.agent(home)
    room_id = await conversations.open_private(agent.session, cast.word("salon"))
    await is_encrypted(agent.session, room_id)
    answer = await agent.session.post(path("rooms", room_id, "upgrade"), {"new_version": "11"})
    if answer.status == 200:
        await is_encrypted(agent.session, answer.json()["replacement_room"])
    else:
        refused(answer, "an upgrade")
        await is_encrypted(agent.session, room_id)


@pytest.mark.rule("E2E-2")
async def test_client_goes_on_encrypting_whatever_the_server_says(cast: Cast) -> None:
    """A server that shows a client another encryption gets ciphertext from it all the same; the other person reads it.

    Who keeps this is the client, here that of this suite.
    """
    lies = Tampering(cast.transport)
    writer = await client_lied_to(cast, await cast.agent(0), lies)
    reader = await cast.device(await cast.agent(1))
    room_id = await gathered(writer, reader)
    told: dict[str, Any] = {}

    def weaken(answer: dict[str, Any]) -> None:
        room = answer.setdefault("rooms", {}).setdefault("join", {}).setdefault(room_id, {})
        events = room.setdefault("timeline", {}).setdefault("events", events_in(answer, room_id))
        lie = {"type": _ENCRYPTION, "state_key": "", "sender": reader.user_id, "content": dict(told)}
        events.append({**lie, "event_id": f"$lie{len(lies.syncs)}", "origin_server_ts": 1})

    lies.in_answers("/sync", weaken)
    for name, content in _WEAKER.items():
        told.clear()
        told.update(content)
        text = cast.word("entre nous")
        event_id = await writer.say(room_id, text)
        assert all(text not in str(body) for _, body in lies.sent), f"told of encryption by {name}, the client wrote in clear"
        assert (await reader.wait_to_read(room_id, event_id)).body == text


async def _kicked(host: Device, gone: Device, room_id: str) -> None:
    ok(await host.session.post(path("rooms", room_id, "kick"), {"user_id": gone.user_id}))


async def _banned(host: Device, gone: Device, room_id: str) -> None:
    ok(await host.session.post(path("rooms", room_id, "ban"), {"user_id": gone.user_id}))


async def _left(host: Device, gone: Device, room_id: str) -> None:
    ok(await conversations.leave(gone.session, room_id))


_GOING = {"removed": _kicked, "banned": _banned, "left": _left}


@pytest.mark.rule("E2E-7")
@pytest.mark.parametrize(("way", "home"), [("removed", 0), ("banned", 1), ("left", 1), ("removed", -1)])
async def test_who_is_gone_reads_nothing_that_follows(cast: Cast, home: int, way: str) -> None:
    """Somebody who is gone has all the traffic, and opens nothing said after; who stayed reads it, and both read before."""
    heard = Tampering(cast.transport)
    host = await cast.device(await cast.agent(0))
    stays = await client_lied_to(cast, await cast.agent(1), heard)
    gone = await cast.device(await cast.guest() if home < 0 else await cast.agent(home))
    room_id = await gathered(host, stays, gone, externals=home < 0)
    before = await host.say(room_id, cast.word("avant"))
    for reader in (stays, gone):
        await reader.wait_to_read(room_id, before)

    await _GOING[way](host, gone, room_id)
    for member in (host, stays):
        await sees_out(member, room_id, gone.user_id, "ban")
    for writer, reader in ((host, stays), (stays, host)):
        after = await writer.say(room_id, cast.word("après"))
        await reader.wait_to_read(room_id, after)
        await gone.sync()
        assert after not in gone.room(room_id).events, "the server still delivers to somebody who is gone"
        gone.machine.overhear(to_device_in(heard.syncs))
        opened = gone.machine.decrypt(room_id, reader.room(room_id).events[after])
        assert isinstance(opened, Undecryptable), f"somebody who {way} opens what was said after"
    opened = gone.machine.decrypt(room_id, gone.room(room_id).events[before])
    assert not isinstance(opened, Undecryptable), f"what was said before does not open any more: {opened}"


@pytest.mark.rule("E2E-7")
@pytest.mark.parametrize("home", [0, 1])
async def test_who_is_disinvited_reads_nothing_that_follows(cast: Cast, home: int) -> None:
    """Somebody's invitation is withdrawn before they came: they come in no more, and with all the traffic open nothing after.

    While they were invited they were given the key of what was said, which opens.
    """
    heard = Tampering(cast.transport)
    host, asked = await cast.device(await cast.agent(0)), await cast.device(await cast.agent(home))
    stays = await client_lied_to(cast, await cast.agent(1), heard)
    room_id = await gathered(host, stays)
    ok(await conversations.invite(host.session, room_id, asked.user_id))
    await asked.wait_for("the invitation", lambda seen: seen.room(room_id).membership == "invite")
    before = await host.say(room_id, cast.word("tant qu’on est attendu"))
    await stays.wait_to_read(room_id, before)

    def opens(event: Mapping[str, Any]) -> bool:
        return not isinstance(asked.machine.decrypt(room_id, event), Undecryptable)

    said = stays.room(room_id).events[before]
    await asked.wait_for("the key of what was said while they were invited", lambda _seen: opens(said))
    await _kicked(host, asked, room_id)
    for member in (host, stays):
        await sees_out(member, room_id, asked.user_id)
    answer = await conversations.ask_to_join(asked.session, room_id, host.session.server_name)
    refused(answer, "coming in by an invitation that was withdrawn", "M_FORBIDDEN")
    for writer, reader in ((host, stays), (stays, host)):
        after = await writer.say(room_id, cast.word("après"))
        await reader.wait_to_read(room_id, after)
        await asked.sync()
        assert after not in asked.room(room_id).events, "the server delivers to somebody who was disinvited"
        asked.machine.overhear(to_device_in(heard.syncs))
        assert not opens(reader.room(room_id).events[after]), "somebody who was disinvited opens what was said after"


@pytest.mark.rule("E2E-7")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_newcomer_reads_from_the_invitation_on(cast: Cast, home: int) -> None:
    """Somebody new reads what was said since their invitation, and nothing from before it, even with all the traffic."""
    heard = Tampering(cast.transport)
    host = await cast.device(await cast.agent(0))
    new = await cast.device(await cast.guest() if home < 0 else await cast.agent(home))
    stays = await client_lied_to(cast, await cast.agent(1), heard)
    room_id = await gathered(host, stays, externals=home < 0)
    before = await host.say(room_id, cast.word("avant"))
    await stays.wait_to_read(room_id, before)
    ok(await conversations.invite(host.session, room_id, new.user_id))
    await new.wait_for("the invitation", lambda seen: seen.room(room_id).membership == "invite")
    between = await host.say(room_id, text := cast.word("depuis l’invitation"))
    await join(new, room_id)
    after = await host.say(room_id, cast.word("après"))
    await new.wait_to_read(room_id, after)

    # A homeserver that comes into the room with them has nothing of it until they look back.
    answer = ok(await new.session.get(path("rooms", room_id, "messages"), {"dir": "b", "limit": 100}))
    found = {event["event_id"]: event for event in answer["chunk"]}
    assert between in found, "the history shows a newcomer nothing"
    opened = new.machine.decrypt(room_id, found[between])
    assert not isinstance(opened, Undecryptable), f"a newcomer does not open what was said since their invitation: {opened}"
    assert opened["content"]["body"] == text
    assert before not in found, "the server gives a newcomer what was said before the invitation"
    new.machine.overhear(to_device_in(heard.syncs))
    opened = new.machine.decrypt(room_id, stays.room(room_id).events[before])
    assert isinstance(opened, Undecryptable), "a newcomer opens what was said before the invitation"
