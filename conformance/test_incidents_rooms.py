"""INC: incidents in which rooms told of themselves to outsiders; each rule names its advisory."""

from __future__ import annotations

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, read, refused
from conformance.checks.directory import finds, finds_only, no_longer_finds
from conformance.journeys import gathered
from scenarios import conversations, directory
from scenarios.session import ok, path


@pytest.mark.rule("INC-3")
@pytest.mark.parametrize("home", [0, 1])
@pytest.mark.parametrize("history", ["shared", "invited"])
async def test_members_are_not_told_to_who_knows_the_room(cast: Cast, home: int, history: str) -> None:
    """Somebody on a member's homeserver knows the room's id: they are refused its members, now and as of any moment."""
    people = await cast.agents(home, 1 - home)
    host, member = await cast.devices(people)
    room_id = await gathered(host, member)
    content = {"history_visibility": history}
    ok(await conversations.set_state(host.session, room_id, "m.room.history_visibility", content))
    event_id = await host.say(room_id, "entre nous")
    await member.wait_to_read(room_id, event_id)
    near, far = await cast.agents(home, 1 - home)

    for stranger, insider in ((near, host), (far, member)):
        now = ok(await insider.session.get("/sync", {"timeout": 0}))["next_batch"]
        own = ok(await stranger.session.get("/sync", {"timeout": 0}))["next_batch"]
        asks: list[dict[str, str]] = [
            {},
            {"at": own},
            {"at": now},
            {"membership": "join"},
            {"not_membership": "leave", "at": now},
        ]
        for params in asks:
            answer = await stranger.session.get(path("rooms", room_id, "members"), params)
            refused(answer, f"the members by {sorted(params)}, for {stranger.name}", "M_FORBIDDEN")
            assert member.user_id not in read(answer)
        for part in (("joined_members",), ("state",), ("context", event_id), ("state", "m.room.member", member.user_id)):
            answer = await stranger.session.get(path("rooms", room_id, *part))
            refused(answer, f"{part[0]} for {stranger.name}", "M_FORBIDDEN", "M_NOT_FOUND", status=(403, 404))
    told = accepted(await member.session.get(path("rooms", room_id, "members"), {"at": now}), "the members, for a member")
    assert host.user_id in {event["state_key"] for event in told["chunk"]}


@pytest.mark.rule("INC-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_private_room_brings_nobody_into_the_directory(cast: Cast, home: int) -> None:
    """Somebody on the red list shares a private room with a colleague; a third person who knows the colleague finds nobody."""
    hidden, colleague, third, namesake = await cast.agents(home, 0, 1, home)
    tag = hidden.identity.family_name.split()[-1]
    await directory.set_name(namesake.session, f"Autre {tag} [Interieur]")
    devices = await cast.devices([colleague, hidden, third])
    await gathered(devices[0], devices[1])
    await gathered(devices[0], devices[2])
    await finds(third.session, tag, hidden.user_id)
    await directory.set_red_list(hidden.session)
    await no_longer_finds(third.session, tag, hidden.user_id)
    for term in (tag, hidden.identity.full_name, tag[:6], hidden.user_id):
        assert hidden.user_id not in await directory.find(third.session, term), f"a search for {term!r} shows them"
    await finds_only(third.session, tag, namesake.user_id, hidden.user_id)


@pytest.mark.rule("INC-4")
@pytest.mark.parametrize("home", [0, 1])
async def test_name_and_topic_stay_inside(cast: Cast, home: int) -> None:
    """A stranger who knows a private room's id asks for name and topic in every way there is, the old groups too: nothing."""
    people = await cast.agents(home, 1 - home)
    host, member = await cast.devices(people)
    secret, topic = cast.word("cabinet"), cast.word("sujet")
    room_id = await gathered(host, member, name=secret)
    ok(await conversations.set_state(host.session, room_id, "m.room.topic", {"topic": topic}))
    await member.wait_for(
        "the topic", lambda seen: seen.room(room_id).state.get(("m.room.topic", ""), {}).get("topic") == topic
    )
    near, far = await cast.agents(home, 1 - home)
    guest = await cast.guest()
    via = {"via": people[0].home.server_name, "server_name": people[0].home.server_name}

    ways = [
        ("v1", path("room_summary", room_id)),
        ("unstable", path("im.nheko.summary", "rooms", room_id, "summary")),
        ("unstable", path("im.nheko.summary", "summary", room_id)),
        ("v1", path("rooms", room_id, "hierarchy")),
        ("v3", path("rooms", room_id, "state")),
        ("v3", path("rooms", room_id, "state", "m.room.name")),
        ("v3", path("rooms", room_id, "state", "m.room.topic")),
        ("r0", path("rooms", room_id, "initialSync")),
        ("r0", path("groups", "+groupe:exemple", "rooms")),
        ("r0", path("groups", "+groupe:exemple", "summary")),
        ("unstable", path("groups", "+groupe:exemple", "rooms")),
        ("unstable", path("org.matrix.msc2946", "rooms", room_id, "spaces")),
    ]
    for outsider in (near, far, guest):
        for version, way in ways:
            answer = await outsider.session.get(way, via, version)
            refused(answer, f"{way.split('/')[1]} of a private room, for {outsider.name}", status=(403, 404, 405))
            told = read(answer)
            assert secret not in told and topic not in told, f"the refusal of {way} tells name or topic"
        group = await outsider.session.send("POST", "/create_group", {"localpart": "groupe"}, version="r0")
        refused(group, f"a group of {outsider.name}", status=(403, 404, 405))
    for server, opens in (("", member), (people[0].home.server_name, host)):
        public = await conversations.open_public(opens.session, f"{secret} ouvert")
        listed = await conversations.wait_for_listed(far.session, secret, public, server)
        assert [room["room_id"] for room in listed] == [public], f"the list shows {listed}, the private room is {room_id}"

    named = accepted(await conversations.read_state(member.session, room_id, "m.room.name"), "the name, for a member")
    assert named["name"] == secret
    summary = accepted(await member.session.get(ways[0][1], via, "v1"), "the summary, for a member")
    assert summary.get("topic") == topic, f"the member's summary is {summary}"
