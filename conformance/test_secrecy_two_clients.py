"""E2E-11: two independent clients understand each other ("Confidentialité et sécurité des échanges").

The one is this suite's, on matrix-nio and vodozemac; the other (`conformance/independent`) was written from the
specifications on the primitives of `cryptography`. That two clients in the field do so too, as Tchap's own of different
generations, is not told by it: what is told is that the deployment carries what the specification says, for both.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from conformance.cast import Cast
from conformance.checks.contents import opens_as
from conformance.independent.client import SecondClient, close_file, open_file
from scenarios import conversations, files
from scenarios.devices import Device


async def _pair(cast: Cast, home: int) -> tuple[Device, SecondClient, str]:
    first_person, second_person = await cast.agents(home, 1 - home)
    first = await cast.device(first_person)
    second = await SecondClient(second_person.session).start()
    room_id = await conversations.open_private(first.session, cast.word("salon"), [second.user_id])
    await second.join(room_id)

    def came(device: Device) -> bool:
        member = device.room(room_id).state.get(("m.room.member", second.user_id), {})
        return member.get("membership") == "join"

    await first.wait_for("the other client in the conversation", came)
    return first, second, room_id


async def _read(client: SecondClient, room_id: str, event_id: str) -> dict[str, Any]:
    """Have the second client read a message; that it does not open is a failure, not an error."""
    try:
        return await client.read(room_id, event_id)
    except (ValueError, InvalidSignature) as error:
        raise AssertionError(f"the first client's message does not open in the second: {error}") from None


@pytest.mark.rule("E2E-11")
@pytest.mark.parametrize("home", [0, 1])
async def test_messages_of_either_client_open_in_the_other(cast: Cast, home: int) -> None:
    """Several messages each way, over two homeservers, are read by the other implementation as they were written."""
    first, second, room_id = await _pair(cast, home)
    for number in range(3):
        text = cast.word(f"de la première, {number}")
        event = await _read(second, room_id, await first.say(room_id, text))
        assert event["content"]["body"] == text, "the second client reads something else"
        text = cast.word(f"de la seconde, {number}")
        event_id = await second.send(room_id, [first.user_id], {"msgtype": "m.text", "body": text})
        assert (await first.wait_to_read(room_id, event_id)).body == text, "the first client reads something else"


@pytest.mark.rule("E2E-11")
@pytest.mark.parametrize("home", [0, 1])
async def test_files_of_either_client_open_in_the_other(cast: Cast, home: int) -> None:
    """A file sent by either comes through the scanner and opens in the other implementation with the same bytes."""
    first, second, room_id = await _pair(cast, home)
    content = cast.word("pièce").encode() * 500
    event_id = await files.share_encrypted(first, room_id, content, "note.txt", "text/plain")
    file = (await _read(second, room_id, event_id))["content"]["file"]
    answer = await files.download_encrypted(second.session, {"file": file})
    assert answer.status == 200, f"the file should be delivered to the second client, but: {answer}"
    try:
        opened = open_file(answer.body, file)
    except ValueError as error:
        raise AssertionError(f"the first client's file does not open in the second: {error}") from None
    assert opened == content, "the first client's file opens in the second as something else"

    content = cast.word("réponse").encode() * 500
    ciphertext, keys = close_file(content)
    file = {**keys, "url": await files.upload(second.session, ciphertext)}
    body = {"msgtype": "m.file", "body": "réponse.txt", "filename": "réponse.txt", "file": file}
    event_id = await second.send(room_id, [first.user_id], body)
    told = (await first.wait_to_read(room_id, event_id)).content["file"]
    answer = await files.download_encrypted(first.session, await files.for_scanner(first.session, told))
    opens_as(answer, told, content, "the second client's file")
