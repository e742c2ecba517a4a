"""VIS: what others see ("Visibilité")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted
from conformance.checks.directory import finds, finds_only, no_longer_finds
from conformance.journeys import gathered
from scenarios import accounts, conversations, directory, files
from scenarios.devices import Device
from scenarios.people import Person
from scenarios.session import ok, path
from scenarios.wire import until

_PICTURE = b"\x89PNG\r\n\x1a\n" + b"picture" * 20


async def _dress(person: Person, name: str) -> str:
    """Give somebody a picture and this name; gives the picture's address."""
    picture = await files.upload(person.session, _PICTURE, "image/png")
    await directory.set_avatar(person.session, picture)
    await directory.set_name(person.session, name)
    return picture


@pytest.mark.rule("VIS-1")
@pytest.mark.parametrize(("searcher", "found"), [(0, 1), (1, 0), (0, 0)])
async def test_search_shows_name_organisation_and_picture(cast: Cast, searcher: int, found: int) -> None:
    """Who searches sees name, organisation and picture, and sees them change, or the picture go."""
    someone, shown = await cast.agents(searcher, found)
    tag = shown.identity.family_name.split()[-1]

    async def shows(name: str, picture: str | None) -> None:
        async def follows() -> bool | None:
            entry = (await directory.find(someone.session, tag)).get(shown.user_id, {})
            return True if (entry.get("display_name"), entry.get("avatar_url") or None) == (name, picture) else None

        missing = f"{name!r} with the picture {picture} in the search"
        await until(cast.transport, follows, deadline=15, missing=missing, pause=0.1)

    first = ok(await directory.profile(shown.session, shown.user_id))["displayname"]
    assert first.endswith("]"), f"the name {first!r} shows no organisation"
    await shows(first, None)
    picture = await files.upload(shown.session, _PICTURE, "image/png")
    await directory.set_avatar(shown.session, picture)
    await shows(first, picture)
    second = f"{shown.identity.full_name} [Culture]"
    await directory.set_name(shown.session, second)
    await shows(second, picture)
    await directory.set_avatar(shown.session, "")
    await shows(second, None)


@pytest.mark.rule("VIS-2")
@pytest.mark.parametrize("kind", ["private", "public"])
async def test_members_see_name_and_picture(cast: Cast, kind: str) -> None:
    """The other members of a room, of whichever homeserver, see name and picture, and see them change."""
    host, other, colleague = await cast.agents(0, 1, 1)
    picture = await _dress(other, f"{other.identity.full_name} [Finances]")
    shown, *viewers = await cast.devices([other, host, colleague])
    if kind == "private":
        room_id = await gathered(viewers[0], shown, *viewers[1:])
    else:
        room_id = await conversations.open_public(host.session, cast.word("forum"))
        for person in (other, colleague):
            ok(await conversations.ask_to_join(person.session, room_id, host.home.server_name))

    def member(viewer: Device) -> Mapping[str, Any]:
        return viewer.room(room_id).state.get(("m.room.member", other.user_id), {})

    async def is_seen(name: str) -> None:
        for viewer in viewers:
            await viewer.wait_for(f"the member's name {name!r}", lambda seen: member(seen).get("displayname") == name)
            told = member(viewer)
            assert told.get("avatar_url") == picture, f"for {viewer.user_id} the member event shows {told}"

    # A client is told of members as they speak: by then everybody has been.
    await shown.say(room_id, "bonjour")
    await is_seen(f"{other.identity.full_name} [Finances]")
    second = f"{other.identity.full_name} [Justice]"
    await directory.set_name(other.session, second)
    await is_seen(second)
    profile = accepted(await directory.profile(host.session, other.user_id), "a member's profile")
    assert (profile.get("displayname"), profile.get("avatar_url")) == (second, picture)


def _local_part(person: Person) -> str:
    return person.user_id[1:].split(":", 1)[0]


@pytest.mark.rule("VIS-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_red_list_takes_out_of_every_search(cast: Cast, home: int) -> None:
    """Found from both homeservers, somebody goes on the red list and is found from none; a namesake still is."""
    hidden, namesake, near, far = await cast.agents(home, home, 0, 1)
    tag = hidden.identity.family_name.split()[-1]
    await directory.set_name(namesake.session, f"Autre {tag} [Interieur]")
    for searcher in (near, far):
        await finds(searcher.session, tag, hidden.user_id)
        await finds(searcher.session, tag, namesake.user_id)

    await directory.set_red_list(hidden.session)
    for searcher in (near, far):
        await no_longer_finds(searcher.session, tag, hidden.user_id)
        for term in (tag, hidden.identity.full_name, tag[:6], hidden.user_id, hidden.identity.address, _local_part(hidden)):
            for version in ("v3", "r0"):
                answer = await directory.search(searcher.session, term, version=version)
                if version == "r0" and answer.status == 404:
                    # Where the old way is gone it shows nobody.
                    continue
                found = {entry["user_id"] for entry in ok(answer)["results"]}
                assert hidden.user_id not in found, f"a search for {term!r} by {version} shows them"
        await finds_only(searcher.session, tag, namesake.user_id, hidden.user_id)


@pytest.mark.rule("VIS-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_red_list_holds_whatever_else_changes(cast: Cast, home: int) -> None:
    """Somebody of the red list changes name, picture and password, and joins a public room: they stay out of the search."""
    hidden, namesake, near, far = await cast.agents(home, home, 0, 1)
    tag = hidden.identity.family_name.split()[-1]
    room_id = await conversations.open_public(namesake.session, cast.word("forum"))
    for searcher in (near, far):
        await finds(searcher.session, tag, hidden.user_id)
    await directory.set_red_list(hidden.session)
    for searcher in (near, far):
        await no_longer_finds(searcher.session, tag, hidden.user_id)

    await _dress(hidden, f"{hidden.identity.full_name} [Justice]")
    ok(await conversations.ask_to_join(hidden.session, room_id))
    ok(await accounts.change_password(hidden.session, hidden.identity.password, "Tout-Neuf-31415!"))
    # Whoever is found by a name that was given after is in an index that has come as far.
    await directory.set_name(namesake.session, f"Autre {tag} [Justice]")
    for searcher in (near, far):
        await finds_only(searcher.session, tag, namesake.user_id, hidden.user_id)
        for term in (hidden.identity.full_name, f"{tag} justice", hidden.user_id):
            assert hidden.user_id not in await directory.find(searcher.session, term), f"a search for {term!r} shows them"


@pytest.mark.rule("VIS-3")
async def test_red_list_hides_from_contacts_too(cast: Cast) -> None:
    """Sharing a room does not put somebody of the red list back into a search."""
    hidden, contact = await cast.agents(1, 0)
    tag = hidden.identity.family_name.split()[-1]
    viewer, shown = await cast.devices([contact, hidden])
    await gathered(viewer, shown)
    await finds(contact.session, tag, hidden.user_id)
    await directory.set_red_list(hidden.session)
    await no_longer_finds(contact.session, tag, hidden.user_id)


@pytest.mark.rule("VIS-4")
@pytest.mark.parametrize("home", [0, 1])
async def test_red_list_leaves_visible_in_rooms_and_can_be_left(cast: Cast, home: int) -> None:
    """On the red list somebody is still seen by the members of their rooms; off it, found again."""
    hidden, member, searcher = await cast.agents(home, 1 - home, 1 - home)
    tag = hidden.identity.family_name.split()[-1]
    viewer, shown = await cast.devices([member, hidden])
    room_id = await gathered(viewer, shown)
    await finds(searcher.session, tag, hidden.user_id)
    await directory.set_red_list(hidden.session)
    await no_longer_finds(searcher.session, tag, hidden.user_id)

    content = (await conversations.members(member.session, room_id))[hidden.user_id]
    assert content["membership"] == "join" and tag in content.get("displayname", ""), f"the member event is {content}"
    message = await viewer.wait_to_read(room_id, await shown.say(room_id, "je suis toujours là"))
    assert message.sender == hidden.user_id

    await directory.leave_red_list(hidden.session)
    await finds(searcher.session, tag, hidden.user_id)
    await finds(member.session, tag, hidden.user_id)


@pytest.mark.rule("VIS-5")
@pytest.mark.parametrize("newcomer_home", [0, 1])
@pytest.mark.parametrize("kind", ["private", "public"])
async def test_members_are_told_of_a_newcomer(cast: Cast, newcomer_home: int, kind: str) -> None:
    """Two members of two homeservers see somebody join, as it happens."""
    host, other, newcomer = await cast.agents(0, 1, newcomer_home)
    devices = await cast.devices([host, other])
    if kind == "private":
        room_id = await gathered(*devices)
        ok(await conversations.invite(host.session, room_id, newcomer.user_id))
    else:
        room_id = await conversations.open_public(host.session, cast.word("forum"))
        ok(await conversations.ask_to_join(other.session, room_id, host.home.server_name))

    def joined() -> list[bool]:
        key = ("m.room.member", newcomer.user_id)
        return [device.room(room_id).state.get(key, {}).get("membership") == "join" for device in devices]

    for device in devices:
        await device.sync()
    assert joined() == [False, False], "nobody joined yet"
    device = await cast.device(newcomer)
    if kind == "private":
        await device.wait_for("the invitation", lambda seen: seen.room(room_id).membership == "invite")
    ok(await conversations.ask_to_join(newcomer.session, room_id, host.home.server_name))
    for number, member in enumerate(devices):
        await member.wait_for(f"{newcomer.name} joining", lambda _seen, number=number: joined()[number])  # type: ignore[misc]


@pytest.mark.rule("VIS-6")
async def test_members_are_told_of_a_reader(cast: Cast) -> None:
    """The read receipt of one member reaches the others, on their homeserver and on the reader's.

    So does one that comes with the mark of how far they have read, as clients send it.
    """
    writer, reader, third = await cast.devices(await cast.agents(0, 1, 1))
    room_id = await gathered(writer, reader, third)
    for way in ("a receipt", "a mark of how far they have read"):
        event_id = await writer.say(room_id, "à lire")
        await reader.wait_to_read(room_id, event_id)
        if way == "a receipt":
            ok(await reader.session.post(path("rooms", room_id, "receipt", "m.read", event_id), {}))
        else:
            mark = {"m.fully_read": event_id, "m.read": event_id}
            ok(await reader.session.post(path("rooms", room_id, "read_markers"), mark))

        def has_read(seen: Device, event_id: str = event_id) -> bool:
            return reader.user_id in seen.room(room_id).receipts.get(event_id, {}).get("m.read", set())

        for member in (writer, third):
            await member.wait_for(f"the receipt of {reader.user_id} by {way}", has_read)


@pytest.mark.rule("VIS-6")
@pytest.mark.parametrize("way", ["receipt", "mark"])
async def test_private_receipt_reaches_its_sender_alone(cast: Cast, way: str) -> None:
    """A private receipt shows on the reader's other device, and when later public ones have come, on nobody else's.

    So it does where it comes with the mark of how far they have read. The later ones are of other people first: a homeserver
    tells of each person the latest public receipt alone, so the reader's own would hide a private one about to be told.
    """
    people = await cast.agents(0, 1, 1)
    writer, reader, third = await cast.devices(people)
    second = await cast.device(people[1])
    room_id = await gathered(writer, reader, third)
    first_event, second_event = await writer.say(room_id, "premier"), await writer.say(room_id, "second")
    await reader.wait_to_read(room_id, second_event)
    await third.wait_to_read(room_id, second_event)

    async def tells(device: Device, *told: Device) -> None:
        ok(await device.session.post(path("rooms", room_id, "receipt", "m.read", second_event), {}))
        for member in told:
            await member.wait_for(
                f"the public receipt of {device.user_id}",
                lambda seen: device.user_id in seen.room(room_id).receipts.get(second_event, {}).get("m.read", set()),
            )

    def knows_nothing(device: Device, *event_ids: str) -> None:
        for event_id in event_ids:
            told = device.room(room_id).receipts.get(event_id, {})
            assert not any(reader.user_id in users for users in told.values()), f"{device.user_id} was told of {told}"

    if way == "receipt":
        ok(await reader.session.post(path("rooms", room_id, "receipt", "m.read.private", first_event), {}))
    else:
        mark = {"m.fully_read": first_event, "m.read.private": first_event}
        ok(await reader.session.post(path("rooms", room_id, "read_markers"), mark))
    await second.wait_for(
        "the private receipt on the reader's own device",
        lambda seen: reader.user_id in seen.room(room_id).receipts.get(first_event, {}).get("m.read.private", set()),
    )
    await tells(third, writer)
    knows_nothing(writer, first_event, second_event)
    await tells(writer, third)
    knows_nothing(third, first_event, second_event)
    await tells(reader, writer, third)
    knows_nothing(writer, first_event)
    knows_nothing(third, first_event)
