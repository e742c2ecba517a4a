"""RES-3, RES-8: a homeserver that is cut off from the others, and what everybody has once the cut is healed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable

import pytest

from conformance.breaking import BREAKING, Fragile
from conformance.checks.answers import accepted
from conformance.journeys import gathered
from conformance.storm import kept, read_by, speakers
from scenarios import conversations
from scenarios.devices import Device
from scenarios.session import path
from scenarios.wire import until

pytestmark = BREAKING

_LETTERS = 5


@pytest.mark.rule("RES-3", "RES-8")
@pytest.mark.parametrize("home", [1, 0], ids=["one-that-was-invited", "the-rooms-own"])
async def test_both_sides_of_a_cut_agree_afterwards(fragile: Fragile, home: int) -> None:
    """Cut off, a homeserver serves its own people, who hear nothing of the others; afterwards everybody has everything.

    So have devices that were offline all the time, and everything is readable, though a new key came in the middle.
    """
    cast = fragile.cast
    inside, colleague, outside, guest = *await cast.agents(home, home, 1 - home), await cast.guest()
    devices = await cast.devices([inside, colleague, outside, guest])
    offline = await cast.devices([inside, outside])
    host, near, far, abroad = devices if home == 0 else (devices[2], devices[0], devices[1], devices[3])
    room_id = await gathered(host, near, far, abroad, externals=True)
    for device in (*devices, *offline):
        await device.wait_for("the room", lambda seen: seen.room(room_id).membership == "join")
        # Everybody has spoken with everybody before, as in any conversation that goes on.
        event_id = await device.say(room_id, cast.word("bonjour"))
        for other in devices:
            if other is not device:
                await other.wait_to_read(room_id, event_id)
    speaking = speakers(cast, room_id, devices)

    async with fragile.cut_off(cast.home(home).name):
        # Somebody on each side has a new device: messages have a new key from here on.
        for person in (inside, outside):
            await cast.device(person)
        for each in speaking:
            await each.prepare(cast, _LETTERS)
        await asyncio.gather(*(each.send_all(each.letters[:-1]) for each in speaking))
        said_inside, said_by_colleague, said_outside, said_abroad = (each.acknowledged[-1] for each in speaking)
        # On either side what is said there arrives; what was said before on the other side does not.
        await devices[1].wait_to_read(room_id, said_inside.event_id)
        await devices[0].wait_to_read(room_id, said_by_colleague.event_id)
        await devices[2].wait_to_read(room_id, said_abroad.event_id)
        await devices[3].wait_to_read(room_id, said_outside.event_id)
        for reader, unheard in ((devices[0], said_outside), (devices[2], said_inside), (devices[3], said_inside)):
            there = reader.message(room_id, unheard.event_id)
            assert there is None, f"the cut is none: {reader.session.who} sees what was said on the other side"
        # A conversation that begins there, between its own people, works as on any day.
        own = await gathered(devices[0], devices[1])
        text = cast.word("entre nous")
        assert (await devices[1].wait_to_read(own, await devices[0].say(own, text))).body == text

    await asyncio.gather(*(each.send_all(each.letters[-1:]) for each in speaking))
    await kept(cast, speaking)
    await read_by([*devices, *offline], speaking)
    state = [await conversations.members(each.session, room_id) for each in (devices[0], devices[2])]
    joined = [{user for user, content in members.items() if content["membership"] == "join"} for members in state]
    assert joined[0] == joined[1], f"the two sides disagree on who is in the room: {joined}"


@pytest.mark.rule("RES-3")
async def test_what_was_done_on_both_sides_of_a_cut_holds_on_both(fragile: Fragile) -> None:
    """One side renames the room and the other removes a member while they are cut off: afterwards both have both.

    Who was invited across the cut hears of it afterwards, unless that was refused: then nothing is left of it, and it is taken.
    """
    cast = fragile.cast
    host, deputy, leaving = await cast.devices(await cast.agents(0, 1, 0))
    room_id = await gathered(host, deputy, leaving)
    levels = (await conversations.read_state(host.session, room_id, "m.room.power_levels")).json()
    levels["users"][deputy.user_id] = 100
    answer = await conversations.set_state(host.session, room_id, "m.room.power_levels", levels)
    assert answer.status == 200, f"the deputy should be made one, but: {answer}"

    def is_deputy(seen: Device) -> bool:
        users = seen.room(room_id).state.get(("m.room.power_levels", ""), {}).get("users", {})
        return bool(users.get(deputy.user_id) == 100)

    async def told(device: Device) -> tuple[str, str]:
        """Give the member's membership and the room's name, as the device's homeserver tells them."""
        answer = await conversations.read_state(device.session, room_id, "m.room.name")
        return await conversations.membership(device.session, room_id, leaving.user_id), str(answer.json().get("name"))

    await deputy.wait_for("itself as deputy", is_deputy)
    name = cast.word("nouveau nom")
    async with fragile.cut_off(cast.home(1).name):
        answer = await conversations.set_state(host.session, room_id, "m.room.name", {"name": name})
        assert answer.status == 200, f"the host should rename the room during the cut, but: {answer}"
        answer = await deputy.session.post(path("rooms", room_id, "kick"), {"user_id": leaving.user_id})
        assert answer.status == 200, f"the deputy should remove a member during the cut, but: {answer}"
        assert await conversations.membership(host.session, room_id, leaving.user_id) == "join", "the cut is none"
        elsewhere = await conversations.open_private(host.session, cast.word("ailleurs"))
        invited = await conversations.invite(host.session, elsewhere, deputy.user_id)

    said = [await device.say(room_id, cast.word("de retour")) for device in (host, deputy)]
    # What the other side said afterwards comes with all that was done there: then a homeserver knows of both.
    for device, event_id in zip((deputy, host), said, strict=True):
        comes = functools.partial(_has, room_id, event_id)
        await device.wait_for("what the other side said afterwards", comes, deadline=120.0)
    # Asked for, not read from a sync: Synapse does not tell there what a resolution of forked state came to (MSC4222).
    for device in (host, deputy):
        await _agreed(device, functools.partial(told, device), ("leave", name))
    if invited.status != 200:
        stands = await conversations.membership(host.session, elsewhere, deputy.user_id)
        assert stands == "leave", f"an invitation that was refused during the cut stands: {invited}"
        accepted(await conversations.invite(host.session, elsewhere, deputy.user_id), "the same invitation afterwards")
    await deputy.wait_for("the invitation that was acknowledged", lambda seen: seen.room(elsewhere).membership == "invite")


def _has(room_id: str, event_id: str, device: Device) -> bool:
    return event_id in device.room(room_id).events


async def _agreed(device: Device, told: Callable[[], Awaitable[tuple[str, str]]], wanted: tuple[str, str]) -> None:
    seen = ("", "")

    async def agrees() -> bool | None:
        nonlocal seen
        seen = await told()
        return True if seen == wanted else None

    who = device.session.who
    missing = f"the new name, and the member gone, at the homeserver of {who}"
    await until(device.session.transport, agrees, deadline=10.0, missing=missing, seen=lambda: f"it tells {seen}", pause=0.3)
