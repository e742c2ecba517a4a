"""GST: what a guest may not do, and what they may ("Communiquer avec Tchap")."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.checks.contents import opens_as
from conformance.checks.directory import finds_only
from conformance.journeys import gathered, identity_server, invited_guest, join, sees_out
from scenarios import conversations, directory, files
from scenarios.devices import Device
from scenarios.invitations import identity_token
from scenarios.session import ok, path


@pytest.mark.rule("GST-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_guest_starts_no_direct_conversation(cast: Cast, home: int) -> None:
    """A guest asks for a conversation with an agent: refused, and the agent hears nothing; another agent succeeds."""
    guest, agent, colleague = await cast.guest(), await cast.agent(home), await cast.agent(1 - home)
    device = await cast.device(agent)

    refused(await conversations.ask_for_direct(guest.session, agent.user_id), "a guest's direct conversation")
    room_id = await conversations.open_direct(colleague.session, agent.user_id)
    await device.wait_for("the colleague's invitation", lambda seen: seen.room(room_id).membership == "invite")
    invited = [room.room_id for room in device.rooms.values() if room.membership == "invite"]
    assert invited == [room_id], f"beside the colleague's, the agent has invitations to {invited}"
    assert await conversations.joined_rooms(guest.session) == []


@pytest.mark.rule("GST-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_guest_starts_no_conversation_by_an_address(cast: Cast, home: int) -> None:
    """A guest names an address instead of an account: refused, and no mail goes out; an agent starts the conversation."""
    guest, agent = await cast.guest(), await cast.agent(home)
    server, invited, witness = identity_server(cast), cast.newcomer(1 - home), cast.newcomer(1 - home)
    for options in ({"is_direct": True, "preset": "trusted_private_chat"}, {"preset": "private_chat"}):
        asked = {"medium": "email", "id_server": server.id_server, "address": invited.identity.address}
        asked["id_access_token"] = await identity_token(guest.session, server)
        answer = await conversations.ask_for_room(guest.session, **options, invite_3pid=[asked])
        refused(answer, "a guest's conversation with an address", "M_FORBIDDEN")
    assert await conversations.joined_rooms(guest.session) == []

    asked = {"medium": "email", "id_server": server.id_server, "address": witness.identity.address}
    asked["id_access_token"] = await identity_token(agent.session, server)
    answer = await conversations.ask_for_room(agent.session, preset="private_chat", invite_3pid=[asked])
    accepted(answer, "an agent's conversation with an address")
    await cast.mailbox.expect_none(invited.identity.address, witness=witness.identity.address)


_KINDS: dict[str, dict[str, Any]] = {
    "private": {"preset": "private_chat"},
    "public": {"preset": "public_chat", "visibility": "public"},
    "space": {"preset": "private_chat", "creation_content": {"type": "m.space"}},
    "plain": {},
}


@pytest.mark.rule("GST-2")
@pytest.mark.parametrize("kind", list(_KINDS))
async def test_guest_creates_no_room(cast: Cast, kind: str) -> None:
    """A guest asks for a room of each kind, twice and by the older API: refused, and they are in none; an agent gets it."""
    guest, agent = await cast.guest(), await cast.agent()
    options = {**_KINDS[kind], "name": cast.word("salon")}

    refused(await conversations.ask_for_room(guest.session, **options), f"a guest's {kind} room")
    refused(await conversations.ask_for_room(guest.session, **options), f"a guest's {kind} room, asked for again,")
    refused(await guest.session.post("/createRoom", options, version="r0"), f"a guest's {kind} room by r0")
    assert await conversations.joined_rooms(guest.session) == []
    answer = accepted(await conversations.ask_for_room(agent.session, **options), f"an agent's {kind} room")
    assert answer["room_id"] in await conversations.joined_rooms(agent.session)


@pytest.mark.rule("GST-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_guest_reaches_no_public_room(cast: Cast, home: int) -> None:
    """A guest tries every door of a public room which an agent of another homeserver just walks into."""
    host, colleague, guest = await cast.agent(home), await cast.agent(1 - home), await cast.guest()
    name = cast.word("forum")
    alias = f"forum-{name[-8:]}"
    room_id = await conversations.open_public(host.session, name, alias)
    full_alias = f"#{alias}:{host.home.server_name}"
    servers = (host.home.server_name, colleague.home.server_name)
    accepted(await conversations.ask_to_join(colleague.session, full_alias), "an agent's join by alias")

    for server in servers:
        for room in (room_id, full_alias):
            answer = await conversations.ask_to_join(guest.session, room, server)
            refused(answer, f"a guest's join of {room} by way of {server}", "M_FORBIDDEN", "M_NOT_FOUND", status=(403, 404))
        answer = await conversations.ask_to_knock(guest.session, room_id, server)
        refused(answer, f"a guest's knock by way of {server}", "M_FORBIDDEN", "M_NOT_FOUND", status=(403, 404))
    assert await conversations.membership(host.session, room_id, guest.user_id) == "leave"
    assert await conversations.joined_rooms(guest.session) == []


@pytest.mark.rule("GST-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_guest_sees_no_list_of_public_rooms(cast: Cast, home: int) -> None:
    """The list in which an agent of another homeserver sees a public room shows it to no guest."""
    host, colleague, guest = await cast.agent(home), await cast.agent(1 - home), await cast.guest()
    name = cast.word("forum")
    room_id = await conversations.open_public(host.session, name)
    server = host.home.server_name
    found = await conversations.wait_for_listed(colleague.session, name, room_id, server)
    listed = [room["room_id"] for room in found]
    assert listed == [room_id], f"an agent's search of the list finds {listed}"

    for where in ("", server):
        answer = await guest.session.send(
            "POST",
            "/publicRooms",
            {"filter": {"generic_search_term": name}},
            params={"server": where} if where else None,
        )
        if answer.status == 200:
            assert answer.json()["chunk"] == [], f"a guest's list of {where or 'their own server'} shows {answer.json()}"
        else:
            refused(answer, "a guest's list of public rooms")


@pytest.mark.rule("GST-4", "DIR-2")
@pytest.mark.parametrize("home", [0, 1])
async def test_guest_is_not_in_the_directory(cast: Cast, home: int) -> None:
    """Searches which find an agent of the guest's name do not find the guest, not even for who shares a room with them."""
    searcher = await cast.agent(home)
    host = await cast.device(searcher)
    guest_device, _room = await invited_guest(cast, host)
    guest = next(person for person in cast.recorder.people if person.role == "guest")
    namesake = await cast.agent(1 - home)
    await directory.set_name(namesake.session, f"{guest.identity.full_name} [Finances]")

    word = guest.identity.family_name.split()[-1]
    for term in (word, guest.identity.full_name, word[:6]):
        await finds_only(searcher.session, term, namesake.user_id, guest_device.user_id)
    # The index is up to date by now; these terms need not be in anybody's name.
    for term in (guest.identity.address, guest.identity.address.split("@")[0], guest.user_id):
        assert guest.user_id not in await directory.find(searcher.session, term), f"a search for {term!r} shows the guest"


@pytest.mark.rule("GST-6")
@pytest.mark.parametrize("home", [0, 1])
async def test_guest_takes_part_where_invited(cast: Cast, home: int) -> None:
    """In a room they are invited to a guest reads, writes, shares a file, is seen to have read, and leaves when they like."""
    host = await cast.device(await cast.agent(home))
    guest, room_id = await invited_guest(cast, host)

    question = await host.say(room_id, "vous nous lisez ?")
    assert (await guest.wait_to_read(room_id, question)).body == "vous nous lisez ?"
    ok(await guest.session.post(path("rooms", room_id, "receipt", "m.read", question), {}))
    await host.wait_for(
        "the guest's read receipt",
        lambda seen: guest.user_id in seen.room(room_id).receipts.get(question, {}).get("m.read", set()),
    )
    assert (await host.wait_to_read(room_id, await guest.say(room_id, "oui"))).body == "oui"

    content = cast.word("contenu").encode()
    shared = await files.share_encrypted(guest, room_id, content, "compte-rendu.txt", "text/plain")
    received = await host.wait_to_read(room_id, shared)
    answer = await files.download_encrypted(host.session, await files.for_scanner(host.session, received.content["file"]))
    opens_as(answer, received.content["file"], content, "the guest's file")

    accepted(await conversations.leave(guest.session, room_id), "a guest's leave")
    await sees_out(host, room_id, guest.user_id)


@pytest.mark.rule("GST-6")
@pytest.mark.parametrize("home", [0, 1])
async def test_guest_is_told_what_every_member_is(cast: Cast, home: int) -> None:
    """A guest is shown a member's name and picture, and told who joins and who has read."""
    person, newcomer = await cast.agents(home, 1 - home)
    await directory.set_avatar(person.session, await files.upload(person.session, cast.word("portrait").encode(), "image/png"))
    shown = ok(await directory.profile(person.session, person.user_id))
    host, theirs = await cast.devices([person, newcomer])
    guest, room_id = await invited_guest(cast, host)
    await guest.wait_to_read(room_id, await host.say(room_id, "bonjour"))
    member = guest.room(room_id).state.get(("m.room.member", person.user_id), {})
    told = {name: member.get(name) for name in ("displayname", "avatar_url")}
    assert told == {name: shown[name] for name in told}, f"for the guest the member event shows {member}"

    def came(seen: Device) -> bool:
        return seen.room(room_id).state.get(("m.room.member", newcomer.user_id), {}).get("membership") == "join"

    ok(await conversations.invite(person.session, room_id, newcomer.user_id))
    await join(theirs, room_id)
    for device in (host, guest):
        await device.wait_for(f"{newcomer.name} joining", came)
    event_id = await host.say(room_id, "à lire")
    await theirs.wait_to_read(room_id, event_id)
    ok(await newcomer.session.post(path("rooms", room_id, "receipt", "m.read", event_id), {}))
    await guest.wait_for(
        f"the receipt of {newcomer.user_id}",
        lambda seen: newcomer.user_id in seen.room(room_id).receipts.get(event_id, {}).get("m.read", set()),
    )


@pytest.mark.rule("GST-6")
async def test_guest_reads_files_of_agents(cast: Cast) -> None:
    """A file that an agent shares opens on the guest's device."""
    host = await cast.device(await cast.agent())
    guest = await cast.device(await cast.guest())
    room_id = await gathered(host, guest, externals=True)
    content = cast.word("annexe").encode()
    event_id = await files.share_encrypted(host, room_id, content, "annexe.txt", "text/plain")
    message = await guest.wait_to_read(room_id, event_id)
    answer = await files.download_encrypted(guest.session, await files.for_scanner(guest.session, message.content["file"]))
    opens_as(answer, message.content["file"], content, "an agent's file, for the guest,")
