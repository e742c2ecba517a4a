"""Room keys in a file: read by another device, and by matrix-nio's own reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from nio.crypto import Olm

from scenarios.exports import WrongPassphrase, export_file, import_file

from .conftest import People


async def test_file_carries_the_past_to_a_new_device(people: People, tmp_path: Path) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    event_id = await alice.say(room_id, "autrefois")
    await bob.wait_to_read(room_id, event_id)
    text = export_file(bob.machine.room_keys(), "phrase de passe", rounds=1000)
    assert import_file(text, "phrase de passe") == bob.machine.room_keys()

    new = await people.another(bob)
    await new.wait_for("the message", lambda seen: seen.message(room_id, event_id) is not None)
    with pytest.raises(WrongPassphrase):
        import_file(text, "une autre")
    new.machine.import_room_keys(import_file(text, "phrase de passe"))
    assert (await new.wait_to_read(room_id, event_id)).body == "autrefois"

    file = tmp_path / "keys.txt"
    file.write_text(text)
    (read,) = Olm.import_keys_static(str(file), "phrase de passe")
    assert read.id == bob.machine.room_keys()[0].session_id


@pytest.mark.parametrize("text", ["", "keys", "-----BEGIN MEGOLM SESSION DATA-----\n-----END MEGOLM SESSION DATA-----"])
def test_other_file_is_refused(text: str) -> None:
    with pytest.raises(WrongPassphrase):
        import_file(text, "phrase de passe")
