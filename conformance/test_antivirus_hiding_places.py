"""AV-6: the places where a virus hides are searched ("Les fichiers sont analysés avant leur remise")."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.cast import Cast
from conformance.checks.answers import refused
from conformance.checks.contents import opens_as
from conformance.test_antivirus import clean, infected
from conformance.wrappings import WRAPPINGS, bomb, crowded, deep
from scenarios import files


@pytest.mark.rule("AV-6")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("place", list(WRAPPINGS))
async def test_infected_file_is_found_in_its_hiding_place(cast: Cast, place: str) -> None:
    """Hidden in this way an infected file is not delivered, in clear or encrypted; a clean one in the same place is."""
    sender, reader = await cast.agents(0, 1)
    wrap, name, kind = WRAPPINGS[place]
    bad, good = wrap(infected(cast)), wrap(clean())
    uri = await files.upload(sender.session, bad, kind, name)
    answer = await files.download(reader.session, uri)
    refused(answer, f"an infected file hidden as: {place}", "MCS_MEDIA_NOT_CLEAN", "MCS_MIME_TYPE_FORBIDDEN")
    assert bad[-16:] not in answer.body, "the refusal carries the file"
    file = await files.upload_encrypted(sender.session, bad)
    answer = await files.download_encrypted(reader.session, await files.for_scanner(reader.session, file))
    refused(answer, f"an infected encrypted file hidden as: {place}", "MCS_MEDIA_NOT_CLEAN", "MCS_MIME_TYPE_FORBIDDEN")

    file = await files.upload_encrypted(sender.session, good)
    answer = await files.download_encrypted(reader.session, await files.for_scanner(reader.session, file))
    opens_as(answer, file, good, "a clean encrypted file in the same place")
    if place == "wrong type":
        # A file whose type is a lie may be refused for that alone, clean or not.
        return
    answer = await files.download(reader.session, await files.upload(sender.session, good, kind, name))
    assert answer.status == 200, f"a clean file in the same place should be delivered, but: {answer}"
    assert answer.body == good


@pytest.mark.rule("AV-6")
@pytest.mark.needs("hostile")
async def test_archive_bomb_is_refused_and_the_scanner_lives(cast: Cast) -> None:
    """An archive that unpacks to more than can be searched is refused, with and without a virus, and files pass after it.

    The reference antivirus searches 100 MiB of a file; what another one cannot search whole it has to refuse too.
    """
    sender, reader = await cast.agents(0, 1)
    for content, encrypted in ((infected(cast), False), (clean(), True), (clean(), False)):
        packed = bomb(content)
        if encrypted:
            file = await files.upload_encrypted(sender.session, packed)
            answer = await files.download_encrypted(reader.session, await files.for_scanner(reader.session, file))
        else:
            answer = await files.download(reader.session, await files.upload(sender.session, packed, "application/zip"))
        refused(answer, "an archive that unpacks to more than 120 MiB", "MCS_MEDIA_NOT_CLEAN")
        assert packed[:64] not in answer.body, "the refusal carries the file"
        uri = await files.upload(sender.session, clean())
        answer = await files.download(reader.session, uri)
        assert answer.status == 200, f"afterwards a clean file should be delivered, but: {answer}"


@pytest.mark.rule("AV-6")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("wrap", [deep, crowded])
@pytest.mark.long
async def test_what_is_too_deep_or_too_many_to_search_is_refused(cast: Cast, wrap: Callable[[bytes], bytes]) -> None:
    """Archives deeper than are opened, or of more files than are looked at, are refused, encrypted and in clear.

    The deep one goes encrypted alone: in clear it would stay in the store, and the search for traces there (E2E-4) opens
    all that is packed.
    """
    sender, reader = await cast.agents(0, 1)
    packed = wrap(infected(cast))
    file = await files.upload_encrypted(sender.session, packed)
    answer = await files.download_encrypted(reader.session, await files.for_scanner(reader.session, file))
    refused(answer, f"an infected encrypted file in an archive that is {wrap.__name__}", "MCS_MEDIA_NOT_CLEAN")
    if wrap is not deep:
        answer = await files.download(reader.session, await files.upload(sender.session, packed, "application/zip"))
        refused(answer, f"an infected file in an archive that is {wrap.__name__}", "MCS_MEDIA_NOT_CLEAN")
        assert packed[:64] not in answer.body, "the refusal carries the file"
    answer = await files.download(reader.session, await files.upload(sender.session, clean()))
    assert answer.status == 200, f"afterwards a clean file should be delivered, but: {answer}"
