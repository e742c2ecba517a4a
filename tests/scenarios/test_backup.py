"""Key backup: the code opens it, nothing else does, and the server holds ciphertext."""

from __future__ import annotations

import pytest

from scenarios.backup import Backup, UntrustedBackup, WrongRecoveryCode, recovery_code, recovery_key
from scenarios.session import ok
from scenarios.trust import CrossSigning

from .conftest import PASSWORD, People

# The pair that matrix-js-sdk's tests hold: an independent implementation's spelling of a known key (RFC 7748, 6.1).
KEY = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
CODE = "EsTc LW2K PGiF wKEA 3As5 g5c4 BXwk qeeJ ZJV8 Q9fu gUMN UE4d"


def test_code_is_written_and_read_as_the_specification_says() -> None:
    assert recovery_code(KEY) == CODE
    assert recovery_key(CODE) == recovery_key(CODE.replace(" ", "")) == recovery_key(CODE.replace(" ", "\n")) == KEY


@pytest.mark.parametrize("harm", ["letter", "cut", "longer", "other alphabet", "empty", "accent"])
def test_misspelt_code_is_refused(harm: str) -> None:
    wrong = {
        "letter": CODE[:-1] + "A",
        "cut": CODE[:-2],
        "longer": CODE + "A",
        "other alphabet": CODE[:-1] + "0",
        "empty": "",
        "accent": CODE[:-1] + "é",
    }[harm]
    with pytest.raises(WrongRecoveryCode):
        recovery_key(wrong)


async def test_new_device_reads_the_past_by_the_code_alone(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    event_id = await alice.say(room_id, "autrefois")
    await bob.wait_to_read(room_id, event_id)
    backup, code = await Backup.create(bob.session, bob.machine)
    await backup.store(bob.machine.room_keys())

    new = await people.another(bob)
    await new.wait_for("the message", lambda seen: seen.message(room_id, event_id) is not None)
    found = await Backup.current(new.session)
    with pytest.raises(WrongRecoveryCode, match="another backup"):
        await found.restore(recovery_code(KEY))
    with pytest.raises(WrongRecoveryCode, match="does not open"):
        await found.open_with(KEY)
    message = new.message(room_id, event_id)
    assert message is not None and not message.readable
    keys = await found.restore(code)
    assert keys == bob.machine.room_keys()
    assert new.machine.import_room_keys(keys) == 1
    assert (await new.wait_to_read(room_id, event_id)).body == "autrefois"


async def test_server_holds_no_room_key_in_clear(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    await bob.wait_to_read(room_id, await alice.say(room_id, "secret"))
    backup, code = await Backup.create(bob.session, bob.machine)
    await backup.store(bob.machine.room_keys())
    held = await bob.session.get("/room_keys/keys", {"version": backup.version})
    (key,) = bob.machine.room_keys()
    assert ok(held)["rooms"][room_id]["sessions"][key.session_id]
    assert key.session_key.encode() not in held.body and code.replace(" ", "").encode() not in held.body


async def test_only_a_device_of_ones_own_that_one_signed_vouches_for_a_backup(people: People) -> None:
    bob = await people.person("bob")
    backup, _code = await Backup.create(bob.session, bob.machine)
    assert (await Backup.continued(bob.session, bob.machine)).version == backup.version

    new = await people.another(bob)
    await new.machine.query([bob.user_id])
    with pytest.raises(UntrustedBackup):
        await Backup.continued(new.session, new.machine)
    signing = await CrossSigning.create(bob.session, PASSWORD)
    await signing.verify(bob.session, bob.session.device_id)
    await new.machine.query([bob.user_id])
    assert (await Backup.continued(new.session, new.machine)).public_key == backup.public_key
