"""AV-5: while scanner or antivirus are gone no file passes ("Les fichiers sont analysés avant leur remise")."""

from __future__ import annotations

import asyncio

import pytest

from conformance.breaking import BREAKING, Fragile
from conformance.checks.answers import accepted, refused
from conformance.checks.contents import not_called_clean
from conformance.checks.media import direct_ways
from conformance.test_antivirus import clean, infected
from fixtures.services.antivirus import NAME as ANTIVIRUS
from fixtures.services.scanner import scanner_name
from scenarios import files
from scenarios.wire import Response, until

pytestmark = BREAKING

_DOWN = (502, 503, 504)


@pytest.mark.rule("AV-5")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("part", ["antivirus", "scanner"])
async def test_nothing_passes_while_the_analysis_is_down(fragile: Fragile, part: str) -> None:
    """A file delivered before, a new one and an infected one are refused, in clear and encrypted, until the part is back.

    Nor does a scan call any of them clean, or the file come by another address meanwhile; afterwards the clean ones are
    delivered, and the infected not.
    """
    cast = fragile.cast
    sender, reader = await cast.agents(0, 0)
    name = ANTIVIRUS if part == "antivirus" else scanner_name(reader.home.name)
    fragile.needs(name)
    content, bad = clean(), infected(cast)

    async def prepared(content: bytes) -> tuple[str, dict[str, object]]:
        file = await files.upload_encrypted(sender.session, content)
        return await files.upload(sender.session, content), await files.for_scanner(reader.session, file)

    async def fetched(uri: str, body: dict[str, object]) -> list[Response]:
        # Side by side, here and below: who asks for a part that is gone may be left waiting for seconds.
        both = await asyncio.gather(files.download(reader.session, uri), files.download_encrypted(reader.session, body))
        return list(both)

    async def told(uri: str, body: dict[str, object]) -> list[Response]:
        return list(await asyncio.gather(files.scan(reader.session, uri), files.scan_encrypted(reader.session, body)))

    async def passes(uri: str, body: dict[str, object]) -> bool | None:
        return True if {answer.status for answer in await fetched(uri, body)} == {200} else None

    known, later, hostile = await prepared(content), await prepared(clean()), await prepared(bad)
    for answer in await fetched(*known):
        assert answer.status == 200, f"before, a clean file should be delivered, but: {answer}"
    for answer in await told(*known):
        verdict = accepted(answer, "before, the scan of a clean file")
        assert verdict.get("clean") is True, f"before, a clean file should be called clean, but: {verdict}"
    async with fragile.gone(name):
        fresh = await files.upload(sender.session, clean())
        asked = {"a file delivered before": known, "a new file": later, "an infected file": hostile}
        given = await asyncio.gather(*(fetched(*each) for each in asked.values()))
        scans = await asyncio.gather(*(told(*each) for each in asked.values()))
        for what, answers, verdicts in zip(asked, given, scans, strict=True):
            for answer in answers:
                # clamdscan's failure is no verdict, and shows as "not clean" where the scanner itself still answers.
                refused(answer, f"{what} while the {part} is down", status=(403, *_DOWN))
                assert content not in answer.body and bad not in answer.body, f"{what} came with the refusal"
            for answer in verdicts:
                not_called_clean(answer, f"{what} while the {part} is down", status=(403, *_DOWN))
        refused(await files.download(reader.session, fresh), "a file sent meanwhile", status=(403, *_DOWN))
        for way in direct_ways(known[0]):
            answer = await reader.session.get(way)
            assert content not in answer.body, f"{way} delivers what the {part} should see first"
    missing = f"the delivery of clean files after the {part} is back"
    for uri, body in (known, later):
        await until(cast.transport, lambda uri=uri, body=body: passes(uri, body), deadline=30, missing=missing)  # type: ignore[misc]
    assert (await files.download(reader.session, fresh)).status == 200, "what was sent meanwhile should be delivered now"
    for answer in await fetched(*hostile):
        refused(answer, "an infected file afterwards", "MCS_MEDIA_NOT_CLEAN")
