"""RES-7: a guest gains nothing while parts are down."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable

import pytest

from conformance.breaking import BREAKING, Fragile
from conformance.checks.answers import accepted
from conformance.journeys import gathered
from fixtures.services.antivirus import NAME as ANTIVIRUS
from fixtures.services.identity import INFO, SYDENT
from scenarios import conversations, directory
from scenarios.devices import Device
from scenarios.people import Person
from scenarios.session import path
from scenarios.wire import Response, WireError

pytestmark = BREAKING


def _outage(fragile: Fragile, kind: str) -> contextlib.AbstractAsyncContextManager[None]:
    """Give an outage by its name; it is over at the end of its block."""
    cast = fragile.cast
    match kind:
        case "identity":
            fragile.needs(SYDENT, INFO)
            return fragile.gone(SYDENT, INFO)
        case "antivirus":
            fragile.needs(ANTIVIRUS)
            return fragile.paused(ANTIVIRUS)
        case "homeserver":
            fragile.needs(cast.home(1).name)
            return fragile.gone(cast.home(1).name)
        case "cut":
            return fragile.cut_off(cast.abroad.name)
        case _:
            fragile.needs("postgres")
            return fragile.read_only()


async def _gains_nothing(guest: Device, agent: Person, member: Device, forum: str, alias: str, room_id: str, term: str) -> None:
    """Have a guest try every door; what is not refused must be empty."""
    session, server = guest.session, agent.home.server_name

    async def shut(what: str, asked: Awaitable[Response]) -> None:
        try:
            answer = await asked
        except WireError:
            return
        assert answer.status >= 400, f"{what} should be refused while a part is down, but: {answer}"

    async def empty(what: str, key: str, asked: Awaitable[Response]) -> None:
        try:
            answer = await asked
        except WireError:
            return
        found = answer.json().get(key, []) if answer.status == 200 else []
        assert not found, f"{what} shows while a part is down: {found}"

    levels = {"users": {guest.user_id: 100}}
    await asyncio.gather(
        shut("a guest's direct conversation", conversations.ask_for_direct(session, agent.user_id)),
        shut("a guest's private room", conversations.ask_for_private(session, "salon", externals=True)),
        shut("a guest's public room", conversations.ask_for_public(session, "forum")),
        shut("a guest's join by identifier", conversations.ask_to_join(session, forum, server)),
        shut("a guest's join by alias", conversations.ask_to_join(session, alias, server)),
        shut("a guest's knock", conversations.ask_to_knock(session, forum, server)),
        shut("a guest's power over a room", conversations.set_state(session, room_id, "m.room.power_levels", levels)),
        shut("a guest's removal of a member", session.post(path("rooms", room_id, "kick"), {"user_id": member.user_id})),
        empty("a guest's search", "results", directory.search(session, term)),
        empty("a guest's list of public rooms", "chunk", session.send("POST", "/publicRooms", {}, params={"server": server})),
    )


@pytest.mark.rule("RES-7")
@pytest.mark.parametrize("outage", ["identity", "antivirus", "homeserver", "cut", "database"])
async def test_guest_gains_nothing_during_an_outage(fragile: Fragile, outage: str) -> None:
    """While a part is down a guest tries every door and finds it shut; nothing of it takes effect later either.

    Afterwards an agent walks through the same door, and the guest takes part again where they are invited.
    """
    cast = fragile.cast
    host, colleague = await cast.agents(0, 0)
    device, guest = await cast.device(host), await cast.device(await cast.guest())
    room_id = await gathered(device, guest, externals=True)
    name = cast.word("forum")
    alias = f"forum-{name[-8:]}"
    forum = await conversations.open_public(host.session, name, alias)
    term = colleague.identity.family_name.split()[-1]

    async with _outage(fragile, outage):
        await _gains_nothing(guest, host, device, forum, f"#{alias}:{host.home.server_name}", room_id, term)

    said = await guest.say(room_id, cast.word("toujours là"))
    await device.wait_to_read(room_id, said, deadline=60.0)
    accepted(await conversations.ask_to_join(colleague.session, forum), "an agent's join afterwards")
    assert await conversations.joined_rooms(guest.session) == [room_id], "the guest is in a room that they were refused"
    assert await conversations.membership(host.session, forum, guest.user_id) == "leave"
    await device.sync()
    invited = [room.room_id for room in device.rooms.values() if room.membership == "invite"]
    assert not invited, f"an agent is invited by a guest to {invited}"
