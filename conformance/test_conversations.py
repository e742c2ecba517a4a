"""CNV: conversations ("Communiquer avec Tchap"): their three kinds, leaving them, and files in them."""

from __future__ import annotations

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.checks.contents import opens_as
from conformance.journeys import gathered, join, sees_out
from scenarios import conversations, files
from scenarios.session import ok, path
from scenarios.wire import until

# What a front in its first state takes is one million bytes, and what people send is more.
_LARGE = 3_000_000


@pytest.mark.rule("CNV-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_conversation_between_two(cast: Cast, home: int) -> None:
    """Two people talk; a third cannot be brought in, by either of them, though a private room takes the same third."""
    someone, other, third = await cast.agents(home, 1 - home, home)
    mine, theirs = await cast.devices([someone, other])
    room_id = await conversations.open_direct(someone.session, other.user_id)
    await join(theirs, room_id)
    assert (await theirs.wait_to_read(room_id, await mine.say(room_id, "bonjour"))).body == "bonjour"
    assert (await mine.wait_to_read(room_id, await theirs.say(room_id, "bonsoir"))).body == "bonsoir"

    for inviter in (someone, other):
        answer = await conversations.invite(inviter.session, room_id, third.user_id)
        refused(answer, "inviting a third into a conversation between two", "M_FORBIDDEN")
    answer = await conversations.ask_to_join(third.session, room_id, someone.home.server_name)
    refused(answer, "a third's join", "M_FORBIDDEN")
    present = [
        user
        for user, member in (await conversations.members(someone.session, room_id)).items()
        if member["membership"] in ("join", "invite")
    ]
    assert sorted(present) == sorted([someone.user_id, other.user_id])
    room = await conversations.open_private(someone.session, "à plusieurs")
    accepted(await conversations.invite(someone.session, room, third.user_id), "inviting the same third into a private room")


@pytest.mark.rule("CNV-2")
@pytest.mark.parametrize("home", [0, 1])
async def test_private_room_is_entered_by_invitation(cast: Cast, home: int) -> None:
    """A stranger cannot join a private room that an invited colleague joins, on either homeserver."""
    host, invited, near, far = await cast.agents(home, 1 - home, home, 1 - home)
    device = await cast.device(invited)
    room_id = await conversations.open_private(host.session, cast.word("bureau"), [invited.user_id])
    for stranger in (near, far):
        answer = await conversations.ask_to_join(stranger.session, room_id, host.home.server_name)
        refused(answer, "a stranger's join", "M_FORBIDDEN")
        answer = await conversations.ask_to_knock(stranger.session, room_id, host.home.server_name)
        refused(answer, "a stranger's knock", "M_FORBIDDEN")
        assert room_id not in await conversations.joined_rooms(stranger.session)
    await join(device, room_id)


@pytest.mark.rule("CNV-2")
@pytest.mark.parametrize("home", [0, 1])
async def test_private_room_is_listed_nowhere(cast: Cast, home: int) -> None:
    """A search of the lists finds the public room of a name, and not the private one of the same name."""
    host, near, far = await cast.agents(home, home, 1 - home)
    name = cast.word("bureau")
    private = await conversations.open_private(host.session, name)
    public = await conversations.open_public(host.session, name)
    for searcher, server in ((near, ""), (far, host.home.server_name)):
        found = await conversations.wait_for_listed(searcher.session, name, public, server)
        listed = [room["room_id"] for room in found]
        assert listed == [public], f"the list shows {listed}, the private room is {private}"
    answer = await host.session.put(path("directory", "list", "room", private), {"visibility": "public"})
    refused(answer, "listing a private room", status=(400, 403))
    answer = await host.session.put(path("directory", "list", "room", public), {"visibility": "public"})
    accepted(answer, "listing a public room")


@pytest.mark.rule("CNV-2")
@pytest.mark.parametrize("home", [0, 1])
async def test_room_for_the_invited_is_not_made_to_be_listed(cast: Cast, home: int) -> None:
    """Rooms that are entered by invitation are asked for with a place in the list: refused, or not in it; a public one is."""
    host, near, far = await cast.agents(home, home, 1 - home)
    name = cast.word("bureau")
    by_invitation = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "invite"}}
    for options in (
        {"preset": "private_chat"},
        {"preset": "trusted_private_chat"},
        {"preset": "public_chat", "initial_state": [by_invitation]},
        {"initial_state": [by_invitation]},
    ):
        answer = await conversations.ask_for_room(host.session, name=name, visibility="public", **options)
        if answer.status != 200:
            refused(answer, f"a room in the list with {options}", status=(400, 403))
    public = await conversations.open_public(host.session, name)
    for searcher, server in ((near, ""), (far, host.home.server_name)):
        found = await conversations.wait_for_listed(searcher.session, name, public, server)
        listed = {room["room_id"]: room.get("join_rule") for room in found}
        assert set(listed) == {public}, f"beside the public room {public} the list shows {listed}"


@pytest.mark.rule("CNV-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_public_room_is_found_and_joined(cast: Cast, home: int) -> None:
    """Agents of both homeservers find a public room by its name, join it, and read what is said there."""
    host, near, far = await cast.agents(home, home, 1 - home)
    name = cast.word("forum")
    room_id = await conversations.open_public(host.session, name)
    speaker = await cast.device(host)
    text = await speaker.say(room_id, "bienvenue à tous")
    for searcher, server in ((near, ""), (far, host.home.server_name)):
        listed = await conversations.wait_for_listed(searcher.session, name, room_id, server)
        assert [room["room_id"] for room in listed] == [room_id], f"the list shows {listed}"
        accepted(await conversations.ask_to_join(searcher.session, room_id, host.home.server_name), "an agent's join")
        device = await cast.device(searcher)
        await device.wait_for("itself in the room", lambda seen: seen.room(room_id).membership == "join")
        later = await speaker.say(room_id, f"bonjour {searcher.identity.given_name}")
        assert (await device.wait_to_read(room_id, later)).body.startswith("bonjour")
    history = ok(await far.session.get(path("rooms", room_id, "messages"), {"dir": "b", "limit": 50}))["chunk"]
    assert text in [event["event_id"] for event in history], "what was said before is not there for newcomers"


@pytest.mark.rule("CNV-7")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_who_leaves_gets_nothing_more_and_is_seen_to_leave(cast: Cast, home: int) -> None:
    """Members see somebody leave, as do their own devices; what is said afterwards reaches who stayed, and not who left."""
    host, stayer = await cast.devices(await cast.agents(max(home, 0), 1 - max(home, 0)))
    who = await cast.guest() if home < 0 else await cast.agent(1 - home)
    leaver, tablet = await cast.devices([who, who])
    room_id = await gathered(host, leaver, stayer, externals=home < 0)
    await leaver.wait_to_read(room_id, await host.say(room_id, "avant"))
    await tablet.wait_for("the conversation", lambda seen: seen.room(room_id).membership == "join")

    ok(await conversations.leave(leaver.session, room_id))
    for member in (host, stayer):
        await sees_out(member, room_id, leaver.user_id)
    for device in (leaver, tablet):
        await device.wait_for("the conversation as left", lambda seen: seen.room(room_id).membership == "leave")
    after = await host.say(room_id, "après")
    await stayer.wait_to_read(room_id, after)
    await leaver.sync()
    assert after not in leaver.room(room_id).events, "who left still gets what is said"
    answer = await leaver.session.get(path("rooms", room_id, "event", after))
    refused(answer, "reading what was said after leaving", status=(403, 404))
    answer = await leaver.session.get(path("rooms", room_id, "messages"), {"dir": "b", "limit": 20})
    told = [event["event_id"] for event in answer.json().get("chunk", [])]
    assert after not in told, "the history shows who left what was said afterwards"


@pytest.mark.rule("CNV-7")
@pytest.mark.parametrize("heir", ["moderator", "member"])
async def test_last_administrator_does_not_orphan_the_room(cast: Cast, heir: str) -> None:
    """When the only administrator leaves, another agent can do what administrators do, and the guest cannot."""
    host, agent, other = await cast.devices(await cast.agents(0, 1, 0))
    guest = await cast.device(await cast.guest())
    room_id = await gathered(host, agent, other, guest, externals=True)
    levels = dict(ok(await conversations.read_state(host.session, room_id, "m.room.power_levels")))
    if heir == "moderator":
        levels["users"] = {**levels["users"], agent.user_id: 50}
        ok(await conversations.set_state(host.session, room_id, "m.room.power_levels", levels))
    await agent.sync()
    answer = await conversations.set_state(agent.session, room_id, "m.room.topic", {"topic": "trop tôt"})
    refused(answer, "a change by who is no administrator yet", "M_FORBIDDEN")

    ok(await conversations.leave(host.session, room_id))

    async def rules() -> bool | None:
        answer = await conversations.set_state(agent.session, room_id, "m.room.topic", {"topic": "la suite"})
        return True if answer.status == 200 else None

    await until(cast.transport, rules, deadline=10, missing="a room in which the agent who stayed is administrator", pause=0.2)
    answer = await conversations.set_state(guest.session, room_id, "m.room.topic", {"topic": "à moi"})
    refused(answer, "a guest's change after the administrator left", "M_FORBIDDEN")


@pytest.mark.rule("CNV-8")
@pytest.mark.parametrize("home", [0, 1])
async def test_file_reaches_members_as_it_was_sent(cast: Cast, home: int) -> None:
    """Members of both homeservers get a file with the bytes, the name and the type that were sent."""
    sender, near, far = await cast.devices(await cast.agents(home, home, 1 - home))
    room_id = await gathered(sender, near, far)
    content = ("Procès-verbal\n" + cast.word()).encode() + bytes(range(256)) * 40
    event_id = await files.share_encrypted(sender, room_id, content, "procès-verbal n° 3.pdf", "application/pdf")
    for member in (near, far):
        message = await member.wait_to_read(room_id, event_id)
        assert message.content.get("filename") == "procès-verbal n° 3.pdf", f"the event says {message.content}"
        assert message.content.get("info", {}).get("mimetype") == "application/pdf", f"the event says {message.content}"
        body = await files.for_scanner(member.session, message.content["file"])
        answer = await files.download_encrypted(member.session, body)
        opens_as(answer, message.content["file"], content, "the file")


@pytest.mark.rule("CNV-8")
@pytest.mark.parametrize("home", [0, 1])
async def test_large_file_reaches_members(cast: Cast, home: int) -> None:
    """A file of some millions of bytes, as people send every day, goes up and reaches a member of either homeserver."""
    sender, near, far = await cast.devices(await cast.agents(home, home, 1 - home))
    room_id = await gathered(sender, near, far)
    content = (cast.word("plan").encode() + bytes(range(256))) * (_LARGE // 256)
    event_id = await files.share_encrypted(sender, room_id, content, "plan.pdf", "application/pdf")
    for member in (near, far):
        message = await member.wait_to_read(room_id, event_id)
        answer = await files.download_encrypted(
            member.session, await files.for_scanner(member.session, message.content["file"])
        )
        opens_as(answer, message.content["file"], content, "a large file")


@pytest.mark.rule("CNV-8")
async def test_file_of_a_public_room_reaches_members(cast: Cast) -> None:
    """In a public room, where nothing is encrypted, a file comes with its bytes, name and type too."""
    host, other = await cast.agents(0, 1)
    sender, receiver = await cast.devices([host, other])
    room_id = await conversations.open_public(host.session, cast.word("forum"))
    ok(await conversations.ask_to_join(other.session, room_id, host.home.server_name))
    content = cast.word("tract").encode()
    uri = await files.upload(host.session, content, "text/plain", "tract.txt")
    body = {"msgtype": "m.file", "body": "tract.txt", "url": uri, "info": {"size": len(content), "mimetype": "text/plain"}}
    message = await receiver.wait_to_read(room_id, await sender.send(room_id, "m.room.message", body))
    answer = await files.download(other.session, message.content["url"])
    assert answer.status == 200, f"the file should be delivered, but: {answer}"
    assert (answer.body, message.body) == (content, "tract.txt")
    assert answer.headers.get("content-type", "").startswith("text/plain"), f"it comes as {answer.headers}"
