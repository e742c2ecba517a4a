"""VIS: what those who are outside see ("Visibilité")."""

from __future__ import annotations

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, read, refused
from conformance.journeys import gathered
from scenarios import conversations, directory
from scenarios.devices import Device
from scenarios.people import Person
from scenarios.session import Session, ok, path


def _readers(device: Device, room_id: str, event_id: str) -> set[str]:
    return device.room(room_id).receipts.get(event_id, {}).get("m.read", set())


async def _outside_sees_nothing(session: Session, room_id: str, shown: Person, event_id: str, *, profile: bool) -> None:
    """Hold that a session outside a room is refused members, state, a message with receipts, and a member's sessions."""
    unknown = (401, 403, 404) if session.access_token is None else (403, 404)
    where = [("members",), ("joined_members",), ("state",), ("messages",), ("event", event_id), ("context", event_id)]
    for parts in [*where, ("state", "m.room.member", shown.user_id), ("initialSync",)]:
        answer = await session.get(path("rooms", room_id, *parts), {"dir": "b"})
        refused(answer, f"{parts[0]} of a room, for {session.who}", status=unknown)
        assert shown.identity.full_name not in read(answer), f"the refusal of {parts[0]} names a member"
    moment = {"ts": 1_000_000_000_000, "dir": "f"}
    answer = await session.get(path("rooms", room_id, "timestamp_to_event"), moment, "v1")
    refused(answer, f"what was said first in a room, for {session.who}", status=unknown)
    # Where somebody is logged in, from which addresses and by what programs.
    answer = await session.get(path("admin", "whois", shown.user_id))
    refused(answer, f"a person's sessions, for {session.who}", status=unknown)
    assert "sessions" not in read(answer), "the refusal tells a person's sessions"
    if profile:
        for part in ((), ("displayname",), ("avatar_url",)):
            for version in ("r0", "v3"):
                answer = await session.get(path("profile", shown.user_id, *part), version=version)
                refused(answer, f"a profile, for {session.who}", status=unknown)
                assert shown.identity.full_name not in read(answer), "the refusal of a profile tells the name"


@pytest.mark.rule("VIS-7")
@pytest.mark.parametrize("home", [0, 1])
@pytest.mark.parametrize("outsider", ["nobody", "stranger", "guest"])
async def test_outsiders_see_no_profile_member_or_receipt(cast: Cast, home: int, outsider: str) -> None:
    """Two agents talk, and one has read: outside nobody sees members, messages or receipts, and none but agents a profile."""
    people = await cast.agents(home, 1 - home)
    host, shown = await cast.devices(people)
    room_id = await gathered(host, shown)
    event_id = await host.say(room_id, "à lire")
    await shown.wait_to_read(room_id, event_id)
    ok(await shown.session.post(path("rooms", room_id, "receipt", "m.read", event_id), {}))
    await host.wait_for(
        "the receipt", lambda seen: shown.user_id in seen.room(room_id).receipts.get(event_id, {}).get("m.read", {})
    )

    for server in (*cast.homes, cast.abroad) if outsider == "nobody" else (None,):
        if server is not None:
            session = cast.anonymous(server)
        else:
            session = (await cast.guest()).session if outsider == "guest" else (await cast.agent(1 - home)).session
        await _outside_sees_nothing(session, room_id, people[1], event_id, profile=outsider != "stranger")
        if session.access_token:
            seen = (await session.get("/sync", {"full_state": "true"})).body.decode()
            assert room_id not in seen and shown.user_id not in seen, f"the sync of {session.who} tells of the room"

        await session.post(path("rooms", room_id, "receipt", "m.read", event_id), {})
    second = await host.say(room_id, "à lire aussi")
    await shown.wait_to_read(room_id, second)
    ok(await shown.session.post(path("rooms", room_id, "receipt", "m.read", second), {}))
    await host.wait_for("the second receipt", lambda seen: shown.user_id in _readers(seen, room_id, second))
    assert _readers(host, room_id, event_id) <= {shown.user_id, host.user_id}, "somebody outside is shown to have read"

    # Some close it to everybody; where it is open it tells people of their own.
    own = await shown.session.get(path("admin", "whois", shown.user_id))
    assert own.status in (200, 403, 404), f"a person's look at their own sessions is answered: {own}"
    since = accepted(
        await host.session.get(path("rooms", room_id, "timestamp_to_event"), {"ts": 0, "dir": "f"}, "v1"),
        "a member's question for what was said first",
    )
    assert since["event_id"], "a member is told nothing of what was said first"
    members = await conversations.members(host.session, room_id)
    assert members[shown.user_id]["displayname"], "a member should see the members"
    accepted(await directory.profile(host.session, shown.user_id), "a member's look at the profile")


@pytest.mark.rule("VIS-7")
@pytest.mark.guests
@pytest.mark.parametrize("outsider", ["nobody", "guest"])
async def test_outsiders_see_no_guest(cast: Cast, outsider: str) -> None:
    """A guest talks with an agent: another guest, and whoever has no account, see neither who they are nor what they read."""
    agent, person = await cast.agent(), await cast.guest()
    host, shown = await cast.devices([agent, person])
    room_id = await gathered(host, shown, externals=True)
    event_id = await host.say(room_id, "à lire")
    await shown.wait_to_read(room_id, event_id)
    for server in (*cast.homes, cast.abroad) if outsider == "nobody" else (None,):
        session = (await cast.guest()).session if server is None else cast.anonymous(server)
        await _outside_sees_nothing(session, room_id, person, event_id, profile=True)
    accepted(await directory.profile(host.session, shown.user_id), "a member's look at the guest's profile")
