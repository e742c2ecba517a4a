"""GST: the guests' homeserver in wrong hands reads no more of the agents' than guests may ("Communiquer avec Tchap")."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, read, refused
from conformance.federation import taken_over
from scenarios import conversations, directory
from scenarios.session import ok, path

_ROOMS = "/_matrix/federation/v1/publicRooms"
_HIERARCHY = "/_matrix/federation/v1/hierarchy"


@pytest.mark.needs("hostile")
@pytest.mark.rule("GST-8", "VIS-7")
@pytest.mark.parametrize("home", [0, 1])
async def test_guests_homeserver_lists_no_rooms_and_reads_no_profiles(cast: Cast, home: int) -> None:
    """The guests' homeserver asks for public rooms, an alias, a summary and a profile: refused, and that of agents is told.

    It is refused as well where it puts an agents' homeserver's name before its own.
    """
    agent = await cast.agent(home)
    name = cast.word("forum")
    alias = f"forum-{secrets.token_hex(4)}"
    room_id = await conversations.open_public(agent.session, name, alias)
    full = quote(f"#{alias}:{agent.home.server_name}")
    leads, summary = f"/_matrix/federation/v1/query/directory?room_alias={full}", f"{_HIERARCHY}/{quote(room_id)}"
    shown = ok(await directory.profile(agent.session, agent.user_id))["displayname"]
    profile = f"/_matrix/federation/v1/query/profile?user_id={quote(agent.user_id)}"
    search = {"filter": {"generic_search_term": name}, "limit": 10}
    # A homeserver lists a room a moment after it was made: from here on it is there to be told.
    await conversations.wait_for_listed(agent.session, name, room_id)
    guests, colleagues = taken_over(cast, cast.abroad), taken_over(cast, cast.home(1 - home))

    reading = [("GET", where, None) for where in (_ROOMS, profile, leads, summary)]
    for method, where, body in (("POST", _ROOMS, search), *reading):
        for claiming in ("", colleagues.name):
            answer = await guests.ask(agent.home, method, where, body, claiming)
            what = f"{method} {where.split('?')[0]} of the guests' homeserver" + (" in another's name" if claiming else "")
            refused(answer, what, status=(400, 401, 403, 404) if claiming else (401, 403, 404))
            told = read(answer)
            assert room_id not in told and name not in told and shown not in told, "the refusal tells what it refuses"
    listed = accepted(await colleagues.ask(agent.home, "POST", _ROOMS, search), "the list, for a homeserver of agents")
    assert room_id in {room["room_id"] for room in listed["chunk"]}
    known = accepted(await colleagues.ask(agent.home, "GET", profile), "the profile, for a homeserver of agents")
    assert known["displayname"] == shown
    led = accepted(await colleagues.ask(agent.home, "GET", leads), "the alias, for a homeserver of agents")
    assert led["room_id"] == room_id
    summed = accepted(await colleagues.ask(agent.home, "GET", summary), "the summary, for a homeserver of agents")
    assert summed["room"]["name"] == name


@pytest.mark.needs("hostile")
@pytest.mark.rule("GST-8", "GST-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_guests_homeserver_brings_nobody_into_a_public_room(cast: Cast, home: int) -> None:
    """The guests' homeserver has a guest join a public room and tells the agents' so: refused; one of agents does just that."""
    host, colleague, guest = await cast.agent(home), await cast.agent(1 - home), await cast.guest()
    room_id = await conversations.open_public(host.session, cast.word("forum"))
    guests, colleagues = taken_over(cast, cast.abroad), taken_over(cast, cast.home(1 - home))
    answer = await guests.join(host.home, room_id, guest.user_id)
    refused(answer, "a join that the guests' homeserver makes", status=(403, 404))
    assert await conversations.membership(host.session, room_id, guest.user_id) == "leave"
    accepted(await colleagues.join(host.home, room_id, colleague.user_id), "a join that a homeserver of agents makes")
    assert await conversations.membership(host.session, room_id, colleague.user_id) == "join"


@pytest.mark.needs("hostile")
@pytest.mark.rule("GST-8", "GST-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_guests_homeserver_invites_no_agent(cast: Cast, home: int) -> None:
    """The guests' homeserver invites an agent in a guest's name: refused, and they hear nothing; by one of agents they do."""
    agent, colleague, guest = await cast.agent(home), await cast.agent(1 - home), await cast.guest()
    device = await cast.device(agent)
    rooms = []
    for peer, sender in ((taken_over(cast, cast.abroad), guest), (taken_over(cast, cast.home(1 - home)), colleague)):
        rooms.append(f"!{secrets.token_hex(9)}:{peer.name}")
        create = {"type": "m.room.create", "state_key": "", "sender": sender.user_id, "content": {"room_version": "11"}}
        answer = await peer.invite(agent.home, rooms[-1], sender.user_id, agent.user_id, [create], {})
        if sender is guest:
            refused(answer, "an invitation that the guests' homeserver makes", "M_FORBIDDEN")
    accepted(answer, "an invitation that a homeserver of agents makes")
    await device.wait_for("the colleague's invitation", lambda seen: seen.room(rooms[1]).membership == "invite")
    invited = [room.room_id for room in device.rooms.values() if room.membership == "invite"]
    assert invited == [rooms[1]], f"beside the colleague's, the agent has invitations to {invited}"


@pytest.mark.needs("hostile")
@pytest.mark.rule("GST-8")
@pytest.mark.parametrize("home", [0, 1])
async def test_guests_homeserver_has_nobody_knock(cast: Cast, home: int) -> None:
    """The guests' homeserver has a guest knock at a room at which one may: refused, unheard; one of agents does just that."""
    host, colleague, guest = await cast.agent(home), await cast.agent(1 - home), await cast.guest()
    room_id = await conversations.open_to_knocks(host.session, "antichambre")
    guests, colleagues = taken_over(cast, cast.abroad), taken_over(cast, cast.home(1 - home))
    answer = await guests.knock(host.home, room_id, guest.user_id)
    refused(answer, "a knock that the guests' homeserver makes", status=(403, 404))
    assert await conversations.membership(host.session, room_id, guest.user_id) == "leave"
    accepted(await colleagues.knock(host.home, room_id, colleague.user_id), "a knock that a homeserver of agents makes")
    assert await conversations.membership(host.session, room_id, colleague.user_id) == "knock"


@pytest.mark.needs("hostile")
@pytest.mark.rule("GST-8", "VIS-7")
@pytest.mark.parametrize("home", [0, 1])
async def test_guests_homeserver_reads_no_room_of_others(cast: Cast, home: int) -> None:
    """The guests' homeserver asks for what is in a public room of agents, in every way there is: told nothing; one in it is."""
    host, colleague = await cast.agent(home), await cast.agent(1 - home)
    room_id = await conversations.open_public(host.session, cast.word("forum"))
    accepted(await conversations.ask_to_join(colleague.session, room_id, host.home.server_name), "an agent's join")
    text = cast.word("entre agents")
    message = {"msgtype": "m.text", "body": text}
    sent = ok(await host.session.put(path("rooms", room_id, "send", "m.room.message", "1"), message))["event_id"]
    room, event = quote(room_id, safe=""), quote(sent, safe="")
    ways: list[tuple[str, str, dict[str, Any] | None]] = [
        ("GET", f"event/{event}", None),
        ("GET", f"state/{room}?event_id={event}", None),
        ("GET", f"state_ids/{room}?event_id={event}", None),
        ("GET", f"event_auth/{room}/{event}", None),
        ("GET", f"backfill/{room}?v={event}&limit=10", None),
        ("POST", f"get_missing_events/{room}", {"earliest_events": [], "latest_events": [sent], "limit": 10}),
        ("GET", f"timestamp_to_event/{room}?ts=0&dir=f", None),
    ]
    guests, colleagues = taken_over(cast, cast.abroad), taken_over(cast, cast.home(1 - home))
    for method, where, body in ways:
        answer = await guests.ask(host.home, method, f"/_matrix/federation/v1/{where}", body)
        what = f"{where.split('/')[0]} of the guests' homeserver"
        refused(answer, what, status=(401, 403, 404))
        told = read(answer)
        assert text not in told and host.user_id not in told, f"{what} is refused and told"
        answer = await colleagues.ask(host.home, method, f"/_matrix/federation/v1/{where}", body)
        accepted(answer, f"{where.split('/')[0]} of a homeserver that is in the room")
