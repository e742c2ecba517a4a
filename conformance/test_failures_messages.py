"""RES-1, RES-2: what was acknowledged is kept when a homeserver or its database is killed."""

from __future__ import annotations

import pytest

from conformance.breaking import BREAKING, Fragile
from conformance.journeys import gathered
from conformance.outcome import untestable
from conformance.storm import Speaker, kept, read_by, speakers, storm
from scenarios.backup import Backup
from scenarios.devices import Device
from scenarios.session import ok, path

pytestmark = BREAKING

_LETTERS = 12


async def _under_load(fragile: Fragile, *services: str) -> tuple[list[Speaker], Device]:
    """Kill parts while four devices of two agents and a guest speak, and bring them back while they try again.

    What somebody had kept before, a pin and a backup of their keys, is there afterwards. Gives the speakers, and a device that
    was offline all the time.
    """
    cast = fragile.cast
    near, far, guest = *await cast.agents(0, 1), await cast.guest()
    devices = await cast.devices([near, far, guest])
    second, offline = await cast.devices([near, far])
    room_id = await gathered(*devices, externals=True)
    await second.wait_for("the room", lambda seen: seen.room(room_id).membership == "join")
    await offline.wait_for("the room", lambda seen: seen.room(room_id).membership == "join")
    pins = path("user", near.user_id, "rooms", room_id, "tags")
    ok(await near.session.put(f"{pins}/m.favourite", {"order": 0.5}))
    assert "m.favourite" in ok(await near.session.get(pins))["tags"], "the conversation is not pinned"
    speaking = speakers(cast, room_id, [*devices, second])
    for each in speaking:
        await each.prepare(cast, _LETTERS)
    backup, code = await Backup.create(devices[0].session, devices[0].machine)
    await backup.store(keys := devices[0].machine.room_keys())
    stored = {key.session_id for key in keys}
    assert stored and {key.session_id for key in await backup.restore(code)} == stored, "the keys are not in the backup"

    async with storm(speaking) as underway:
        await fragile.kill(*services)
        assert underway.unsent, "everything was sent before anything was killed"
        await fragile.start(*services)
    # Who speaks tries again; who reads afterwards does so once, and would be told 500 of a connection that the outage broke.
    await fragile.settled()
    assert "m.favourite" in ok(await near.session.get(pins))["tags"], "the pin was acknowledged, and is lost"
    there = {key.session_id for key in await (await Backup.current(near.session)).restore(code)}
    assert there == stored, f"{len(stored - there)} of {len(stored)} keys were acknowledged by the backup, and are lost"
    return speaking, offline


@pytest.mark.rule("RES-1", "RES-8")
async def test_acknowledged_messages_survive_a_killed_homeserver(fragile: Fragile) -> None:
    """A homeserver is killed while agents and a guest speak: what was acknowledged is there, once, in order, and readable.

    So it is for a device that was offline all the time.
    """
    killed = fragile.cast.home(0).name
    fragile.needs(killed)
    speaking, offline = await _under_load(fragile, killed)
    await kept(fragile.cast, speaking)
    await read_by([*(each.device for each in speaking), offline], speaking)


@pytest.mark.rule("RES-2", "RES-8")
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "with-the-homeserver"])
async def test_acknowledged_messages_survive_a_killed_database(fragile: Fragile, alone: bool) -> None:
    """The database is killed while people speak, alone or with the homeserver: nothing acknowledged is lost or doubled."""
    fragile.needs("postgres")
    if not await fragile.is_durable():
        raise untestable("a database that keeps what it acknowledged (fsync is off)")
    killed = ["postgres"] if alone else ["postgres", fragile.cast.home(0).name]
    speaking, offline = await _under_load(fragile, *killed)
    await kept(fragile.cast, speaking)
    await read_by([*(each.device for each in speaking), offline], speaking)
