"""RES-6: the database takes no writes, or its disk is full."""

from __future__ import annotations

import secrets
from contextlib import AbstractAsyncContextManager

import pytest

from conformance.breaking import BREAKING, Fragile
from conformance.checks.answers import accepted, refused
from conformance.checks.stored import kept_files
from conformance.journeys import gathered
from conformance.storm import kept, speakers
from fixtures.services.postgres import NAME as DATABASE
from scenarios import accounts, conversations, files
from scenarios.session import path

pytestmark = BREAKING

_REFUSED = (500, 502, 503, 504, 507)


async def _does_nothing_by_halves(fragile: Fragile, without_writes: AbstractAsyncContextManager[None]) -> None:
    """Hold that messages, rooms, invitations, logins, uploads, keys and removals of devices are refused without writes.

    They leave nothing. Afterwards the same requests succeed, and the message that was refused is there once, and so is the key.
    """
    cast = fragile.cast
    near, far, third = await cast.agents(0, 1, 0)
    devices = await cast.devices([near, far])
    lost = accounts.admit(third, accepted(await accounts.log_in(cast.transport, third), "one more login"), cast.transport)
    room_id = await gathered(*devices)
    speaking = speakers(cast, room_id, devices)
    for each in speaking:
        await each.prepare(cast, 2)
        await each.send(each.letters[0])
    letter = speaking[0].letters[1]
    where = path("rooms", room_id, "send", "m.room.encrypted", letter.transaction)
    name, rooms = cast.word("salon"), set(await conversations.joined_rooms(near.session))
    media = kept_files(cast.deployment, near.home)
    keys = f"/sendToDevice/fr.exemple.cle/{secrets.token_hex(8)}"
    waiting = {"messages": {third.user_id: {lost.device_id: {"marque": name}}}}

    async with without_writes:
        refused(await near.session.put(where, letter.body), "a message", status=_REFUSED)
        refused(await conversations.ask_for_private(near.session, name), "a new room", status=_REFUSED)
        refused(await conversations.invite(near.session, room_id, third.user_id), "an invitation", status=_REFUSED)
        refused(await accounts.log_in(cast.transport, third), "a login", status=_REFUSED)
        refused(await accounts.log_out(lost), "removing a device", status=_REFUSED)
        refused(await near.session.put(keys, waiting), "a key for somebody's device", status=_REFUSED)
        where_to = "/_matrix/media/v3/upload"
        answer = await near.session.send("POST", where_to, b"Une note", content_type="text/plain")
        refused(answer, "an upload", status=_REFUSED)
        assert "content_uri" not in answer.json(), f"a refused upload has an address: {answer}"
    await fragile.settled()

    parts = sorted(str(path) for path in kept_files(cast.deployment, near.home) - media)
    assert not parts, f"the refused upload left {parts}"
    assert set(await conversations.joined_rooms(near.session)) == rooms, "the refused room is there"
    assert await conversations.membership(near.session, room_id, third.user_id) == "leave", "the refused invitation stands"
    accepted(await near.session.put(keys, waiting), "the same key afterwards")
    came = accepted(await lost.get("/sync"), "a sync of the device whose removal was refused")
    marks = [event["content"].get("marque") for event in came.get("to_device", {}).get("events", [])]
    assert marks == [name], f"the key that was refused at first should be there once, but: {marks}"
    accepted(await accounts.log_out(lost), "removing the same device afterwards")
    refused(await lost.get("/sync"), "a sync of the device that was removed", "M_UNKNOWN_TOKEN", status=401)
    for each in speaking:
        await each.send(each.letters[1])
    await kept(cast, speaking)
    accepted(await conversations.ask_for_private(near.session, name), "the same room afterwards")
    accepted(await conversations.invite(near.session, room_id, third.user_id), "the same invitation afterwards")
    accepted(await accounts.log_in(cast.transport, third), "the same login afterwards")
    uri = await files.upload(near.session, b"Une note", "text/plain")
    assert (await files.download(near.session, uri)).status == 200, "the same upload afterwards should be delivered"


@pytest.mark.rule("RES-6")
async def test_read_only_database_does_nothing_by_halves(fragile: Fragile) -> None:
    """While the database takes no writes what people ask for is refused whole, and succeeds afterwards."""
    fragile.needs(DATABASE)
    await _does_nothing_by_halves(fragile, fragile.read_only())


@pytest.mark.rule("RES-6")
async def test_full_disk_of_the_database_does_nothing_by_halves(fragile: Fragile) -> None:
    """While the database's disk takes nothing what people ask for is refused whole, and succeeds once there is room again.

    PostgreSQL ends where it cannot write what it is about to acknowledge; it is started again with room.
    """
    fragile.needs(DATABASE)
    await _does_nothing_by_halves(fragile, fragile.full(DATABASE))
