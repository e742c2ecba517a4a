"""GST: every way in that a guest might try beside the usual one ("Communiquer avec Tchap")."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from typing import Any

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, read, refused
from conformance.checks.directory import finds, finds_only
from conformance.journeys import gathered, invited_guest, join, sees_out
from scenarios import accounts, conversations, directory
from scenarios.session import Session, ok, path
from scenarios.wire import Response, until

_VERSIONS = ("r0", "v1", "v3", "unstable")
# No such way at all is a refusal too.
_CLOSED = (403, 404, 405)


def _closed(answer: Response, what: str) -> None:
    refused(answer, what, "M_FORBIDDEN", "M_NOT_FOUND", "M_UNRECOGNIZED", "M_UNKNOWN", status=_CLOSED)
    assert "room_id" not in answer.json(), f"{what} was refused, and a room is told all the same"


@pytest.mark.rule("GST-5")
@pytest.mark.parametrize("home", [0, 1])
async def test_guest_searches_in_vain(cast: Cast, home: int) -> None:
    """A guest searches for an agent whom a colleague finds at that moment, and who is in their room: nobody, by no term."""
    host, colleague = await cast.agents(home, 1 - home)
    guest, _room = await invited_guest(cast, await cast.device(host))
    name = host.identity.family_name.split()[-1]
    await finds(colleague.session, name, host.user_id)

    for term in (name, name[:6], host.identity.full_name, host.identity.address, host.user_id, "interieur", "a"):
        for version in _VERSIONS:
            body = {"search_term": term, "limit": 50}
            answer = await guest.session.post("/user_directory/search", body, version)
            if answer.status == 200:
                assert answer.json().get("results") == [], f"a guest's search for {term!r} by {version} shows {answer.json()}"
            else:
                _closed(answer, f"a guest's search by {version}")
    assert host.user_id in await directory.find(colleague.session, name), "the colleague does not find the agent any more"


@pytest.mark.rule("GST-7")
@pytest.mark.parametrize("home", [0, 1])
async def test_guest_raises_no_power(cast: Cast, home: int) -> None:
    """A guest changes neither power levels nor what governs their room; the agent who administers it does."""
    people = await cast.agents(home, 1 - home)
    host, colleague = await cast.devices(people)
    guest = await cast.device(await cast.guest())
    room_id = await gathered(host, colleague, guest, externals=True)
    levels = ok(await conversations.read_state(host.session, room_id, "m.room.power_levels"))

    for level in (100, 50, 1):
        raised = {**levels, "users": {**levels["users"], guest.user_id: level}}
        answer = await conversations.set_state(guest.session, room_id, "m.room.power_levels", raised)
        refused(answer, f"a guest who raises themselves to {level}", "M_FORBIDDEN")
    default = {**levels, "users_default": 100}
    refused(await conversations.set_state(guest.session, room_id, "m.room.power_levels", default), "raising everybody")
    for kind, content in (
        ("m.room.join_rules", {"join_rule": "public"}),
        (conversations.ACCESS_RULES, {"rule": "unrestricted"}),
        ("m.room.history_visibility", {"history_visibility": "shared"}),
        ("m.room.server_acl", {"allow": ["*"]}),
        ("m.room.guest_access", {"guest_access": "can_join"}),
    ):
        refused(await conversations.set_state(guest.session, room_id, kind, content), f"a guest who sets {kind}")
    for act in ("kick", "ban"):
        answer = await guest.session.post(path("rooms", room_id, act), {"user_id": colleague.user_id})
        refused(answer, f"a guest who would {act} a member", "M_FORBIDDEN")
    now = ok(await conversations.read_state(host.session, room_id, "m.room.power_levels"))
    assert now == levels, f"the power levels became {now}"

    raised = {**levels, "users": {**levels["users"], colleague.user_id: 50}}
    accepted(await conversations.set_state(host.session, room_id, "m.room.power_levels", raised), "the administrator's change")


@pytest.mark.rule("GST-7")
@pytest.mark.parametrize("home", [0, 1])
async def test_guest_who_stays_alone_is_no_administrator(cast: Cast, home: int) -> None:
    """The agent who administers a room leaves a guest alone in it: the guest gets no power with that."""
    host = await cast.device(await cast.agent(home))
    guest, room_id = await invited_guest(cast, host)
    accepted(await conversations.set_state(host.session, room_id, "m.room.topic", {"topic": "avant"}), "the host's change")
    ok(await conversations.leave(host.session, room_id))
    await sees_out(guest, room_id, host.user_id)
    for kind, content in (("m.room.topic", {"topic": "à moi"}), ("m.room.join_rules", {"join_rule": "public"})):
        answer = await conversations.set_state(guest.session, room_id, kind, content)
        refused(answer, f"a guest who stays alone and sets {kind}", "M_FORBIDDEN")
    levels = ok(await conversations.read_state(guest.session, room_id, "m.room.power_levels"))
    power = levels.get("users", {}).get(guest.user_id, levels.get("users_default", 0))
    assert power == 0, f"the guest has the power {power}"


@pytest.mark.rule("GST-7")
async def test_guest_becomes_no_agent_by_name_address_or_server(cast: Cast) -> None:
    """A guest takes an agent's style of name, tries an agent's address, and knocks at the agents' servers: still a guest."""
    guest, agent, searcher = await cast.guest(), await cast.agent(), await cast.agent(1)
    tag = agent.identity.family_name.split()[-1]
    await directory.set_name(guest.session, f"Autre {tag} [Interieur]")
    await finds_only(searcher.session, tag, agent.user_id, guest.user_id)
    refused(await conversations.ask_for_private(guest.session, cast.word("salon")), "a room of a guest named like an agent")

    newcomer = cast.newcomer()
    asked = {"client_secret": secrets.token_urlsafe(16), "email": newcomer.identity.address, "send_attempt": 1}
    answer = await guest.session.post("/account/3pid/email/requestToken", asked)
    refused(answer, "a guest who would have an agent's address", status=(400, 403))
    for home in cast.homes:
        for identifier in (
            {"type": "m.id.user", "user": guest.user_id},
            {"type": "m.id.user", "user": guest.user_id.split(":")[0][1:]},
            {"type": "m.id.thirdparty", "medium": "email", "address": guest.identity.address},
        ):
            body = {"type": "m.login.password", "identifier": identifier, "password": guest.identity.password}
            answer = await cast.anonymous(home, guest.name).post("/login", body)
            refused(answer, f"a guest's login at {home.name}", "M_FORBIDDEN")
        elsewhere = Session(cast.transport, home.url, home.server_name, access_token=guest.session.access_token, who=guest.name)
        refused(await elsewhere.get("/account/whoami"), f"a guest's token at {home.name}", "M_UNKNOWN_TOKEN", status=401)
    accepted(await accounts.log_in(cast.transport, guest), "the guest's login at home")


@pytest.mark.rule("GST-8")
@pytest.mark.parametrize("version", _VERSIONS)
async def test_limits_hold_in_every_version(cast: Cast, version: str) -> None:
    """Creating, joining, naming, listing and looking up rooms is refused to a guest in every version of the API."""
    host, guest, colleague = await cast.agent(), await cast.guest(), await cast.agent(1)
    alias = f"forum-{secrets.token_hex(4)}"
    name = cast.word("forum")
    room_id = await conversations.open_public(host.session, name, alias)
    full, server = f"#{alias}:{host.home.server_name}", host.home.server_name
    await conversations.wait_for_listed(colleague.session, name, room_id, server)
    _closed(await guest.session.post("/createRoom", {}, version), "a guest's room")
    for room in (room_id, full):
        way = path("join", room)
        answer = await guest.session.send("POST", way, {}, params={"server_name": server, "via": server}, version=version)
        _closed(answer, f"a guest's join of {room}")
        answer = await guest.session.send("POST", path("knock", room), {}, params={"via": server}, version=version)
        _closed(answer, f"a guest's knock at {room}")
    _closed(await guest.session.post(path("rooms", room_id, "join"), {}, version), "a guest's join by the room's path")
    _closed(await guest.session.get(path("directory", "room", full), version=version), "a guest who looks an alias up")
    for params in ({"server": server}, None):
        answer = await guest.session.get("/publicRooms", params, version)
        if answer.status == 200:
            assert answer.json().get("chunk") == [], f"a guest's list of rooms shows {answer.json()}"
        else:
            _closed(answer, "a guest's list of rooms")
    for way in ("room_summary", "im.nheko.summary/summary", "im.nheko.summary/rooms"):
        for room in (room_id, full):
            where = path(*way.split("/"), room) + ("/summary" if way.endswith("rooms") else "")
            answer = await guest.session.get(where, {"via": server}, version)
            _closed(answer, f"a guest's summary of {room}")
            assert name not in read(answer), "the refusal of a summary names the room"
    assert await conversations.joined_rooms(guest.session) == []
    accepted(await conversations.ask_to_join(colleague.session, full, server), "an agent's join by alias")
    accepted(await colleague.session.get(path("directory", "room", full)), "an agent who looks the alias up")


@pytest.mark.rule("GST-8", "GST-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_leaving_the_token_out_tells_no_more(cast: Cast, home: int) -> None:
    """A guest asks each homeserver about a public room without a token, or with a wrong one: told nothing; an agent is."""
    host, colleague, guest = await cast.agent(home), await cast.agent(1 - home), await cast.guest()
    name, server = cast.word("forum"), host.home.server_name
    alias = f"forum-{secrets.token_hex(4)}"
    room_id = await conversations.open_public(host.session, name, alias)
    full = f"#{alias}:{server}"
    await conversations.wait_for_listed(colleague.session, name, room_id, server)
    summaries = [path("room_summary", room) for room in (room_id, full)]
    summaries += [path("im.nheko.summary", "summary", room_id), path("im.nheko.summary", "rooms", room_id, "summary")]
    asks = [("v3", path("directory", "room", full)), ("r0", path("directory", "room", full)), ("v3", "/publicRooms")]
    asks += [(version, way) for way in summaries for version in ("v1", "unstable")]

    for asked in (*cast.homes, cast.abroad):
        nobody = cast.anonymous(asked, "a guest who leaves their token out")
        tokens = [None, "syt_of_nobody"] + ([guest.session.access_token] if asked in cast.homes else [])
        for token in tokens:
            for version, way in asks:
                answer = await replace(nobody, access_token=token).get(way, {"via": server}, version)
                what = (
                    f"{way.split('/')[1]} at {asked.name} {'without a token' if token is None else 'by a token of elsewhere'}"
                )
                refused(answer, what, status=(401, *_CLOSED))
                assert name not in read(answer) and "room_id" not in answer.json(), f"{what} is refused and told"
    accepted(await colleague.session.get(path("directory", "room", full)), "an agent who looks the alias up")
    told = accepted(await host.session.get(summaries[0], {"via": server}, "v1"), "an agent who asks for the summary")
    assert told["name"] == name


@pytest.mark.rule("GST-8")
@pytest.mark.parametrize("home", [0, 1])
async def test_space_opens_no_room_to_a_guest(cast: Cast, home: int) -> None:
    """A guest is in a space; its public room, and the one that its members may join, open to the agent in it alone."""
    people = await cast.agents(home, 1 - home)
    host, colleague = await cast.devices(people)
    guest = await cast.device(await cast.guest())
    kind = {"creation_content": {"type": "m.space"}, "invite": [colleague.user_id, guest.user_id]}
    rule = {"type": conversations.ACCESS_RULES, "state_key": "", "content": {"rule": "unrestricted"}}
    answer = await conversations.ask_for_room(host.session, preset="private_chat", name="espace", initial_state=[rule], **kind)
    space = str(ok(answer)["room_id"])
    for device in (colleague, guest):
        await join(device, space)
    forum = await conversations.open_public(host.session, name := cast.word("forum"))
    allowed = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
    state = [{"type": "m.room.join_rules", "state_key": "", "content": allowed}]
    inner = await conversations.ask_for_room(host.session, preset="private_chat", name="dedans", initial_state=state)
    server = people[0].home.server_name
    for room_id in (forum, str(ok(inner)["room_id"])):
        child: dict[str, Any] = {"via": [server]}
        accepted(await conversations.set_state(host.session, space, "m.space.child", child, room_id), "a room in the space")
        answer = await conversations.ask_to_join(guest.session, room_id, server)
        refused(answer, "a guest's join of a room of their space", "M_FORBIDDEN")
        accepted(await conversations.ask_to_join(colleague.session, room_id, server), "an agent's join of the same room")
    assert await conversations.joined_rooms(guest.session) == [space]

    # Until the space's rooms have come to the guest's homeserver it has none to show.
    await guest.wait_for("the rooms of the space", lambda seen: ("m.space.child", forum) in seen.room(space).state)
    listed = path("rooms", space, "hierarchy")

    async def is_shown() -> bool | None:
        # A homeserver learns a moment after the fact what it shows of rooms.
        shown = accepted(await colleague.session.get(listed, version="v1"), "the rooms of the space, for an agent")["rooms"]
        return True if name in [room.get("name") for room in shown] else None

    await until(cast.transport, is_shown, deadline=20.0, missing="the public room among those of the space, for an agent")
    told = await guest.session.get(listed, version="v1")
    if told.status != 200:
        _closed(told, "the rooms of the space, for a guest")
    assert name not in read(told), f"a guest is shown the public room of their space: {told.json()}"


@pytest.mark.rule("GST-8")
@pytest.mark.parametrize("home", [0, 1])
async def test_rooms_of_others_stay_shut(cast: Cast, home: int) -> None:
    """A guest who knows a room's id reads nothing of it, upgrades nothing, and no administrator's door opens to them."""
    host, guest = await cast.agent(home), await cast.guest()
    room_id = await conversations.open_public(host.session, cast.word("forum"))
    sent = ok(
        await host.session.put(path("rooms", room_id, "send", "m.room.message", "1"), {"msgtype": "m.text", "body": "ici"})
    )
    room = ("rooms", room_id)
    parts = ("state", "members", "joined_members", "messages", "initialSync", "aliases", "threads")
    about = ("event", "context", "relations")
    reading = [[part] for part in parts] + [[part, str(sent["event_id"])] for part in about]
    for way in reading:
        _closed(await guest.session.get(path(*room, *way), {"dir": "b"}), f"a guest who reads {way[0]}")
    _closed(await guest.session.get(path(*room, "hierarchy"), version="v1"), "a guest who reads the hierarchy")
    _closed(await guest.session.post(path(*room, "upgrade"), {"new_version": "11"}), "a guest who upgrades the room")
    answer = await guest.session.get("/events", {"room_id": room_id, "timeout": 0})
    assert answer.status in _CLOSED or answer.json().get("chunk") == [], f"a guest peeks by /events: {answer.json()}"
    for params in ({"full_state": "true"}, {"filter": json.dumps({"room": {"include_leave": True, "rooms": [room_id]}})}):
        seen = ok(await guest.session.get("/sync", params)).get("rooms", {})
        assert room_id not in json.dumps(seen), f"a guest's sync by {params} shows the room"
    admin = ("v1/users", "v2/users", "v1/rooms", f"v1/join/{room_id}", f"v1/rooms/{room_id}/make_room_admin", "v1/register")
    for door in admin:
        for person in (guest, host):
            for method in ("GET", "POST"):
                answer = await person.session.send(method, f"/_synapse/admin/{door}", None if method == "GET" else b"{}")
                _closed(answer, f"{person.name} at the administrators' {door}")
    content = accepted(await host.session.get(path("rooms", room_id, "event", sent["event_id"])), "a member who reads")
    assert content["content"]["body"] == "ici"


@pytest.mark.rule("GST-8")
@pytest.mark.parametrize("home", [0, 1])
async def test_knocking_is_for_agents(cast: Cast, home: int) -> None:
    """At a room at which one may knock a guest's knock is refused and unheard; an agent's is heard."""
    host, colleague = await cast.agents(home, 1 - home)
    guest = await cast.guest()
    room_id = await conversations.open_to_knocks(host.session, "antichambre")
    for server in (host.home.server_name, colleague.home.server_name):
        _closed(await conversations.ask_to_knock(guest.session, room_id, server), "a guest's knock")
    accepted(await conversations.ask_to_knock(colleague.session, room_id, host.home.server_name), "an agent's knock")
    assert await conversations.membership(host.session, room_id, colleague.user_id) == "knock"
    assert await conversations.membership(host.session, room_id, guest.user_id) == "leave"
