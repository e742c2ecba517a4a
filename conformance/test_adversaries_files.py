"""AV-6: hiding places of an infected file, looked for by an adversary."""

from __future__ import annotations

import pytest

from conformance.adversaries.driving import Adversary
from conformance.adversaries.hiding import KNOWN, Hidden, hidden
from conformance.cast import Cast
from conformance.checks.answers import refused
from conformance.outcome import untestable
from scenarios import files
from scenarios.people import Person
from scenarios.wire import Response

# As large as a deployment delivers by default: a hundred mebibytes, less what homeservers wrap a file in (docs/parts.md).
_LARGEST = 100 * 2**20 - 2**10


async def _delivered(sender: Person, reader: Person, content: bytes, shape: Hidden) -> tuple[Response, bytes]:
    """Send a file and ask for it; gives the answer, and the file as its reader gets it."""
    if not shape.encrypted:
        uri = await files.upload(sender.session, content, shape.kind or "application/octet-stream", shape.name)
        answer = await files.download(reader.session, uri)
        return answer, answer.body
    file = await files.upload_encrypted(sender.session, content)
    answer = await files.download_encrypted(reader.session, await files.for_scanner(reader.session, file))
    return answer, files.decrypt_file(answer.body, file) if answer.status == 200 else answer.body


def _marks(cast: Cast) -> list[bytes]:
    if not cast.deployment.infected:
        raise untestable("a file known as infected ([infected] in the deployment's TOML)")
    return [bytes.fromhex(mark) for mark in cast.deployment.infected.values()]


@pytest.mark.rule("AV-6")
@pytest.mark.long
def test_no_hiding_place_gets_an_infected_file_through(adversary: Adversary) -> None:
    """However an infected file is wrapped, named and padded, it is not delivered; a clean one in the same place is."""
    cast = adversary.cast
    marks = _marks(cast)
    sender, reader = adversary.run(cast.agents(0, 1))

    async def attempt(shape: Hidden) -> None:
        mark = marks[shape.which % len(marks)]
        answer, body = await _delivered(sender, reader, shape.around(mark), shape)
        refused(answer, "the infected file", "MCS_MEDIA_NOT_CLEAN")
        assert mark not in body, "the infected file came with its refusal"
        content = shape.around(cast.word("sain").encode())
        answer, body = await _delivered(sender, reader, content, shape)
        if shape.is_opened:
            assert answer.status == 200, f"a clean file in the same place should be delivered, but: {answer}"
            assert body == content, "a clean file in the same place came altered"

    large = [Hidden(before=_LARGEST, noise=noise) for noise in (True, False)] if not adversary.size.in_passing else []
    adversary.hunt(hidden(), attempt, examples=40, known=[*KNOWN, *large])
