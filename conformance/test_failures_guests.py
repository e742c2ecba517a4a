"""RES-7: a guest gains nothing while parts are down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

import pytest

from conformance.breaking import BREAKING, Fragile
from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.checks.directory import finds
from conformance.journeys import gathered
from fixtures.deployment import Homeserver
from fixtures.services.antivirus import NAME as ANTIVIRUS
from fixtures.services.identity import INFO, SYDENT
from fixtures.services.mail import NAME as MAIL
from scenarios import conversations, directory
from scenarios.devices import Device
from scenarios.people import Person
from scenarios.session import Session, ok, path
from scenarios.wire import Response, WireError, until

pytestmark = BREAKING

# The outages that leave the guests' own homeserver whole, which is there to refuse; and those in which it reaches the door too.
_SPARES_GUESTS = ("identity", "mail", "antivirus", "homeserver", "cut")
_SPARES_THE_DOOR = ("identity", "mail", "antivirus", "homeserver")


def _outage(fragile: Fragile, kind: str) -> contextlib.AbstractAsyncContextManager[None]:
    """Give an outage by its name; it is over at the end of its block."""
    cast = fragile.cast
    match kind:
        case "identity":
            fragile.needs(SYDENT, INFO)
            return fragile.gone(SYDENT, INFO)
        case "mail":
            fragile.needs(MAIL)
            return fragile.gone(MAIL)
        case "antivirus":
            fragile.needs(ANTIVIRUS)
            return fragile.paused(ANTIVIRUS)
        case "homeserver":
            fragile.needs(cast.home(0).name)
            return fragile.gone(cast.home(0).name)
        case "cut":
            return fragile.cut_off(cast.abroad.name)
        case _:
            fragile.needs("postgres")
            return fragile.read_only()


@dataclass(frozen=True)
class _Forum:
    """A public room of a host's, which a colleague of another homeserver is in, and has named and listed there too."""

    room_id: str
    name: str
    host: Person
    colleague: Person

    def alias(self, home: Homeserver) -> str:
        """Give the room's alias at one of the two homeservers."""
        return f"#forum-{self.name[-8:]}:{home.server_name}"


async def _opened(cast: Cast, host: Person, colleague: Person) -> _Forum:
    """Have a public room be opened, joined from elsewhere, and named and listed at both homeservers."""
    name = cast.word("forum")
    room_id = await conversations.open_public(host.session, name, f"forum-{name[-8:]}")
    forum = _Forum(room_id, name, host, colleague)
    accepted(await conversations.ask_to_join(colleague.session, forum.alias(host.home)), "an agent's join by alias")
    # Who lists a room at another homeserver has to be somebody in it.
    levels = ok(await conversations.read_state(host.session, room_id, "m.room.power_levels"))
    users = {**levels.get("users", {}), colleague.user_id: 50}
    ok(await conversations.set_state(host.session, room_id, "m.room.power_levels", {**levels, "users": users}))
    session, named, listed = (
        colleague.session,
        path("directory", "room", forum.alias(colleague.home)),
        path("directory", "list", "room", room_id),
    )
    ok(await session.put(named, {"room_id": room_id}))

    async def may_list() -> bool | None:
        return True if (await session.put(listed, {"visibility": "public"})).status == 200 else None

    await until(session.transport, may_list, deadline=15.0, missing="the colleague's right to list the room", pause=0.2)
    return forum


async def _search_list(session: Session, term: str, server: str) -> Response:
    return await session.send("POST", "/publicRooms", {"filter": {"generic_search_term": term}}, params={"server": server})


async def _gains_nothing(
    guest: Device, forum: _Forum, door: Homeserver, member: Device, room_id: str, terms: Sequence[str], outage: str
) -> None:
    """Have a guest try every door; what is not refused must be empty.

    A guest's own homeserver that is whole must answer, and refuse for the right reason; of another, silence will do too.
    A room that is `hidden` from guests may be unknown to them as well.
    """
    session, server = guest.session, door.server_name
    whole, door_is_whole = outage in _SPARES_GUESTS, outage in _SPARES_THE_DOOR

    async def shut(what: str, asked: Awaitable[Response], *, hidden: bool = False, answered: bool = whole) -> None:
        try:
            answer = await asked
        except WireError as error:
            assert not answered, f"{what} while a part is down should be refused, but: {error}"
            return
        if answered and hidden:
            refused(answer, f"{what} while a part is down", "M_FORBIDDEN", "M_NOT_FOUND", status=(403, 404))
        elif answered:
            refused(answer, f"{what} while a part is down", "M_FORBIDDEN")
        assert answer.status >= 400, f"{what} while a part is down should be refused, but: {answer}"

    async def empty(what: str, key: str, asked: Awaitable[Response]) -> None:
        try:
            answer = await asked
        except WireError as error:
            assert not whole, f"{what} should be answered while a part is down, but: {error}"
            return
        assert not whole or answer.status in (200, 403), f"{what} should be empty or refused, but: {answer}"
        found = answer.json().get(key, []) if answer.status == 200 else []
        assert not found, f"{what} shows while a part is down: {found}"

    levels = {"users": {guest.user_id: 100}}
    by_alias = conversations.ask_to_join(session, forum.alias(door), server)
    await asyncio.gather(
        shut("a guest's direct conversation", conversations.ask_for_direct(session, forum.host.user_id)),
        shut("a guest's private room", conversations.ask_for_private(session, "salon", externals=True)),
        shut("a guest's public room", conversations.ask_for_public(session, "forum")),
        shut("a guest's join by identifier", conversations.ask_to_join(session, forum.room_id, server), hidden=True),
        shut("a guest's join by alias", by_alias, hidden=True, answered=door_is_whole),
        shut("a guest's knock", conversations.ask_to_knock(session, forum.room_id, server), hidden=True),
        shut("a guest's power over a room", conversations.set_state(session, room_id, "m.room.power_levels", levels)),
        shut("a guest's removal of a member", session.post(path("rooms", room_id, "kick"), {"user_id": member.user_id})),
        *(empty(f"a guest's search for {term!r}", "results", directory.search(session, term)) for term in terms),
        empty("a guest's list of public rooms", "chunk", _search_list(session, forum.name, server)),
    )


@pytest.mark.rule("RES-7")
@pytest.mark.parametrize("outage", ["identity", "mail", "antivirus", "homeserver", "cut", "database"])
async def test_guest_gains_nothing_during_an_outage(fragile: Fragile, outage: str) -> None:
    """While a part is down a guest tries every door and finds it shut; nothing of it takes effect later either.

    Agents see beforehand what the guest looks for: the room in the list, its host and a colleague in the directory. Afterwards
    they walk through the same door, and the guest takes part again where they are invited. Where the host's homeserver is
    gone the door is the colleague's: a neighbour of theirs walks through it while the guest may not.
    """
    cast = fragile.cast
    host, colleague, neighbour, visitor = await cast.agents(0, 1, 1, 0)
    device, guest = await cast.device(host), await cast.device(await cast.guest())
    room_id = await gathered(device, guest, externals=True)
    forum = await _opened(cast, host, colleague)
    door = colleague.home if outage == "homeserver" else host.home
    terms = [person.identity.family_name.split()[-1] for person in (host, colleague)]
    for term, person, searcher in zip(terms, (host, colleague), (neighbour, visitor), strict=True):
        await finds(searcher.session, term, person.user_id)
    for searcher in (neighbour, visitor):
        await conversations.wait_for_listed(searcher.session, forum.name, forum.room_id, door.server_name)

    async with _outage(fragile, outage):
        await _gains_nothing(guest, forum, door, device, room_id, terms, outage)
        if outage == "homeserver":
            await conversations.wait_for_listed(neighbour.session, forum.name, forum.room_id, door.server_name)
            answer = await conversations.ask_to_join(neighbour.session, forum.alias(door), door.server_name)
            accepted(answer, "an agent's join by the same door meanwhile")

    said = await guest.say(room_id, cast.word("toujours là"))
    await device.wait_to_read(room_id, said, deadline=60.0)
    answer = await conversations.ask_to_join(visitor.session, forum.alias(door), door.server_name)
    accepted(answer, "an agent's join by the same door afterwards")
    await conversations.wait_for_listed(visitor.session, forum.name, forum.room_id, door.server_name)
    assert await conversations.joined_rooms(guest.session) == [room_id], "the guest is in a room that they were refused"
    for person in (host, colleague):
        assert await conversations.membership(person.session, forum.room_id, guest.user_id) == "leave"
    await device.sync()
    invited = [room.room_id for room in device.rooms.values() if room.membership == "invite"]
    assert not invited, f"an agent is invited by a guest to {invited}"
