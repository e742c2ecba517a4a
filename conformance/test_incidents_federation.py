"""INC-2, INC-6, INC-11: homeservers that are not let in, or are in wrong hands. Sources: CVE-2023-43796, CVE-2024-52815."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.checks.media import FEDERATION
from conformance.federation import Peer, taken_over
from conformance.inside import called_by_others, listener_beside
from conformance.journeys import gathered, join
from scenarios import conversations, files
from scenarios.session import ok, path
from scenarios.wire import until


@pytest.mark.rule("INC-6")
@pytest.mark.parametrize("home", [0, 1])
async def test_devices_of_another_servers_people_are_not_given(cast: Cast, home: int) -> None:
    """A homeserver tells a third one the devices of its own people, and none that it remembers of another server's."""
    asker = taken_over(cast, cast.abroad)
    own, remote = await cast.devices(await cast.agents(home, 1 - home))
    await gathered(own, remote)
    asked, its_device = cast.home(home), remote.session.device_id
    known = ok(await own.session.post("/keys/query", {"device_keys": {remote.user_id: []}}))["device_keys"]
    assert its_device in known[remote.user_id], "the homeserver does not know the other server's person's device"

    federation = "/_matrix/federation/v1/user"
    told = ok(await asker.ask(asked, "GET", f"{federation}/devices{path(own.user_id)}"))
    assert own.session.device_id in {device["device_id"] for device in told["devices"]}, "its own people's devices are not told"
    answer = await asker.ask(asked, "GET", f"{federation}/devices{path(remote.user_id)}")
    assert answer.status in (400, 403, 404), f"a question for another server's person should be refused, but: {answer}"
    assert its_device.encode() not in answer.body, "refused, and yet the device is told"

    both: dict[str, Any] = {"device_keys": {own.user_id: [], remote.user_id: []}}
    answer = await asker.ask(asked, "POST", f"{federation}/keys/query", both)
    assert its_device.encode() not in answer.body, "the keys of another server's person are told from the cache"
    alone = await asker.ask(asked, "POST", f"{federation}/keys/query", {"device_keys": {own.user_id: []}})
    assert own.session.device_id in ok(alone)["device_keys"][own.user_id], "its own people's keys are not told"
    wanted = {remote.user_id: {its_device: "signed_curve25519"}}
    answer = await asker.ask(asked, "POST", f"{federation}/keys/claim", {"one_time_keys": wanted})
    assert its_device.encode() not in answer.body, "a one-time key of another server's person is given"


def _stripped(kind: Any, content: Any, key: Any = "", sender: Any = "@x:y") -> dict[str, Any]:
    return {"type": kind, "state_key": key, "sender": sender, "content": content}


# State of the room as an invitation carries it, and more that goes into its content.
_MALFORMED: dict[str, tuple[Any, dict[str, Any]]] = {
    "state that is no list": ({"m.room.name": "salon"}, {}),
    "state that is a text": ("salon", {}),
    "entries that are no events": ([1, None, "salon", [], True], {}),
    "events without anything": ([{}, {}], {}),
    "events without content": ([{"type": "m.room.name", "state_key": "", "sender": "@x:y"}], {}),
    "content that is no object": ([_stripped("m.room.name", "salon"), _stripped("m.room.topic", [1])], {}),
    "types and keys that are no text": ([_stripped(7, {}), _stripped({"a": 1}, {}), _stripped("m.room.name", {}, 9)], {}),
    "a creation that says nothing true": ([_stripped("m.room.create", {"type": [1], "room_version": {"x": 2}})], {}),
    "encryption that is a number": ([_stripped("m.room.encryption", {"algorithm": 3})], {}),
    "a name that is an object": ([_stripped("m.room.name", {"name": {"a": 1}})], {}),
    "a person's name that is a list": ([], {"displayname": [1, 2], "avatar_url": {"x": 1}}),
    "a reason without end": ([], {"reason": "x" * 40_000}),
    "a direct mark that is no mark": ([], {"is_direct": {"perhaps": []}}),
}


@pytest.mark.rule("INC-11")
@pytest.mark.needs("hostile")
async def test_malformed_invitation_does_not_break_the_sync(cast: Cast) -> None:
    """A homeserver in wrong hands sends malformed invitations: the invited person syncs on, and a sound one arrives and opens.

    A sound invitation that is made by the same means is taken, so that it is the shape that matters.
    """
    person, host = await cast.devices(await cast.agents(0, 1))
    peer = taken_over(cast, cast.home(1))
    create = _stripped("m.room.create", {"room_version": "11", "creator": host.user_id}, sender=host.user_id)

    async def send(room_id: str, room_state: Any, more: dict[str, Any]) -> int:
        return (await peer.invite(cast.home(0), room_id, host.user_id, person.user_id, room_state, more)).status

    def room() -> str:
        return f"!{secrets.token_hex(9)}:{cast.home(1).server_name}"

    sound = room()
    assert await send(sound, [create], {}) == 200, "a sound invitation by these means is not taken"
    await person.wait_for("the sound invitation", lambda seen: seen.room(sound).membership == "invite")
    for number, (shape, (state, more)) in enumerate(_MALFORMED.items()):
        for room_state in (state, [create, *state] if isinstance(state, list) else state):
            # Whether and how it is refused is between the servers; a server that fails at it has refused it too.
            await send(room(), room_state, more)
        # The same question without `since` might be answered from memory, as before the invitation.
        answer = await person.session.get("/sync", {"timeout": number})
        assert answer.status == 200, f"after an invitation with {shape} the whole sync fails: {answer}"
        assert sound in answer.json().get("rooms", {}).get("invite", {}), f"an invitation with {shape} hides the sound one"

    await person.sync()
    room_id = await conversations.open_private(host.session, cast.word("salon"), [person.user_id])
    await join(person, room_id)

    async def everybody_came() -> bool | None:
        await host.sync()
        found = await conversations.membership(host.session, room_id, person.user_id)
        return True if found == "join" else None

    await until(cast.transport, everybody_came, deadline=20, missing="the invited person in the conversation", pause=0.1)
    said = await host.say(room_id, text := cast.word("bienvenue"))
    assert (await person.wait_to_read(room_id, said)).body == text


@pytest.mark.rule("INC-2")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_homeserver_that_is_not_let_in_is_not_even_asked(cast: Cast, home: int) -> None:
    """A homeserver of nobody's asks for a file, and people ask for what is said to be there: no homeserver turns to it.

    One of the federation is asked for somebody's devices meanwhile. Told where the harness can listen beside a homeserver.
    """
    person = await cast.guest() if home < 0 else await cast.agent(home)
    other, session = await cast.device(await cast.agent(1 - max(home, 0))), person.session
    async with listener_beside(cast, person.home.name) as listener:
        stranger = Peer(f"127.0.0.1:{listener.port}", "ed25519:a_vigie", Ed25519PrivateKey.generate(), cast.transport)
        answer = await stranger.ask(person.home, "GET", f"{FEDERATION[0]}/download/{secrets.token_hex(12)}")
        refused(answer, "a file for a homeserver that nobody let in", status=(401, 403))
        someone, room_id = f"@quelqu-un:{stranger.name}", f"!salon:{stranger.name}"
        for answer in (
            await session.get(path("profile", someone)),
            await session.get("/publicRooms", {"server": stranger.name}),
            await session.get(path("directory", "room", f"#salon:{stranger.name}")),
            await conversations.ask_to_join(session, room_id, stranger.name),
            await files.download(session, f"mxc://{stranger.name}/{secrets.token_hex(12)}"),
            await session.post("/createRoom", {"preset": "private_chat", "invite": [someone]}),
        ):
            told = answer.status == 200 and answer.json().get("chunk") != []
            assert not told, f"what is said to be at a homeserver that nobody let in is answered: {answer}"
        asked: dict[str, Any] = {"device_keys": {someone: [], other.user_id: []}}
        known = accepted(await session.post("/keys/query", asked), "a question for devices")["device_keys"]
        assert other.session.device_id in known.get(other.user_id, {}), "the federation's own are not asked either"
        assert not known.get(someone), f"devices of a homeserver that nobody let in are told: {known[someone]}"
        calls = await called_by_others(cast, listener)
        assert not calls, f"{person.home.name} called a homeserver that nobody let in {calls} times"
