"""DEV: several devices ("Les avantages de Tchap", "Pour aller plus loin")."""

from __future__ import annotations

import pytest

from conformance.cast import Cast
from conformance.journeys import gathered
from scenarios.backup import Backup, WrongRecoveryCode, recovery_code
from scenarios.session import ok, path


@pytest.mark.rule("DEV-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_message_shows_on_every_device(cast: Cast, home: int) -> None:
    """What somebody sends from one device is readable on their other one, and on both of the other person's."""
    someone, other = await cast.agents(home, 1 - home)
    first, theirs = await cast.devices([someone, other])
    second, their_second = await cast.devices([someone, other])
    room_id = await gathered(first, theirs)
    for sender in (first, second, theirs, their_second):
        text = cast.word("de partout")
        event_id = await sender.say(room_id, text)
        for reader in (first, second, theirs, their_second):
            if reader is not sender:
                assert (await reader.wait_to_read(room_id, event_id)).body == text


@pytest.mark.rule("DEV-1")
@pytest.mark.guests
async def test_message_shows_on_every_device_of_a_guest(cast: Cast) -> None:
    """A guest, too, reads and writes on two devices at once, in the conversation they were invited to."""
    guest, host = await cast.guest(), await cast.device(await cast.agent())
    first, second = await cast.device(guest), await cast.device(guest)
    room_id = await gathered(host, first, externals=True)
    await second.wait_for("the conversation", lambda seen: seen.room(room_id).membership == "join")
    for sender in (host, first, second):
        text = cast.word("de partout")
        event_id = await sender.say(room_id, text)
        for reader in (host, first, second):
            if reader is not sender:
                assert (await reader.wait_to_read(room_id, event_id)).body == text


@pytest.mark.rule("DEV-2")
@pytest.mark.parametrize("home", [0, 1])
async def test_new_device_reads_the_past_by_recovery_code_alone(cast: Cast, home: int) -> None:
    """A new device sees old messages unreadable; a wrong code opens nothing; the recovery code opens them."""
    someone, other = await cast.agents(home, 1 - home)
    first, theirs = await cast.devices([someone, other])
    room_id = await gathered(first, theirs)
    text = cast.word("autrefois")
    event_id = await theirs.say(room_id, text)
    await first.wait_to_read(room_id, event_id)
    backup, code = await Backup.create(first.session, first.machine)
    await backup.store(first.machine.room_keys())

    new = await cast.device(someone)
    await new.wait_for("the old message", lambda seen: event_id in seen.room(room_id).events)
    message = new.message(room_id, event_id)
    assert message is not None and not message.readable, "a new device reads the past without any means"

    found = await Backup.current(new.session)
    wrong = bytes(32)
    with pytest.raises(WrongRecoveryCode):
        await found.restore(recovery_code(wrong))
    with pytest.raises(WrongRecoveryCode):
        await found.open_with(wrong)
    message = new.message(room_id, event_id)
    assert message is not None and not message.readable, "a wrong code opened something"

    new.machine.import_room_keys(await found.restore(code))
    assert (await new.wait_to_read(room_id, event_id)).body == text


@pytest.mark.rule("DEV-2")
async def test_key_backup_is_its_owners_alone(cast: Cast) -> None:
    """Nobody else reads, changes or throws away somebody's backup: another person's request finds none, the owner's does."""
    owner, other = await cast.agents(0, 0)
    first, theirs = await cast.devices([owner, other])
    room_id = await gathered(first, theirs)
    await theirs.wait_to_read(room_id, await first.say(room_id, "à garder"))
    backup, code = await Backup.create(first.session, first.machine)
    await backup.store(first.machine.room_keys())

    stored = await (await Backup.current(first.session)).restore(code)
    assert stored, "the owner's backup is empty"
    which = {"version": backup.version}
    keys = ok(await first.session.get("/room_keys/keys", which))
    version = path("room_keys", "version", backup.version)
    # Read it, put keys among its own, throw keys away, throw it away.
    for method, where, body in (
        ("GET", "/room_keys/keys", None),
        ("GET", path("room_keys", "keys", room_id), None),
        ("GET", version, None),
        ("PUT", "/room_keys/keys", keys),
        ("DELETE", "/room_keys/keys", None),
        ("DELETE", version, None),
    ):
        answer = await other.session.send(method, where, body, params=None if where == version else which)
        assert answer.status == 404, f"another's backup should not be found, but: {answer}"
    kept = await (await Backup.current(first.session)).restore(code)
    assert {key.session_id for key in kept} == {key.session_id for key in stored}, "somebody else changed the owner's backup"
