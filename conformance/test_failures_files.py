"""RES-5, RES-6: files while scanner or antivirus hang, and while the disk is full."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable

import pytest

from conformance.breaking import BREAKING, Fragile
from conformance.cast import Cast
from conformance.checks.answers import refused
from conformance.checks.contents import not_called_clean
from conformance.checks.stored import kept_files
from conformance.outcome import untestable
from fixtures.services.antivirus import NAME as ANTIVIRUS
from fixtures.services.scanner import scanner_name
from scenarios import files
from scenarios.people import Person
from scenarios.wire import Response, TimedOut, until

pytestmark = [BREAKING, pytest.mark.needs("hostile")]

_BOUND = 60.0
"""How long, in seconds, a client may be left without an answer."""


def _content(cast: Cast, *, infected: bool = False) -> bytes:
    if infected and not cast.deployment.infected:
        raise untestable("a file known as infected ([infected] in the deployment's TOML)")
    mark = bytes.fromhex(next(iter(cast.deployment.infected.values()))) if infected else b"Un fichier sain."
    return mark + b"\n" + secrets.token_hex(16).encode()


class _Shared:
    """A file that was shared: encrypted or not, infected or not."""

    def __init__(self, content: bytes, uri: str, file: dict[str, object] | None, body: dict[str, object] | None) -> None:
        self.content, self.uri, self.file, self.body = content, uri, file, body

    async def fetch(self, reader: Person) -> Response:
        if self.body is not None:
            return await files.download_encrypted(reader.session, self.body)
        return await files.download(reader.session, self.uri)

    async def scan(self, reader: Person) -> Response:
        if self.body is not None:
            return await files.scan_encrypted(reader.session, self.body)
        return await files.scan(reader.session, self.uri)

    def opened(self, answer: Response) -> bytes:
        return files.decrypt_file(answer.body, self.file) if self.file is not None else answer.body


async def _share(cast: Cast, sender: Person, reader: Person, *, encrypted: bool, infected: bool) -> _Shared:
    """Share a file; the body for the reader's scanner is made while it can still be asked for its key."""
    content = _content(cast, infected=infected)
    if not encrypted:
        return _Shared(content, await files.upload(sender.session, content), None, None)
    file = await files.upload_encrypted(sender.session, content)
    return _Shared(content, str(file["url"]), file, await files.for_scanner(reader.session, file))


async def _in_time(asked: Awaitable[Response], what: str) -> Response:
    try:
        return await asyncio.wait_for(asked, _BOUND)
    except (TimedOut, TimeoutError):
        raise AssertionError(f"{what} got no answer within {_BOUND:g} s") from None


async def _not_delivered(shared: _Shared, reader: Person, what: str) -> None:
    """Hold that a file is refused in bounded time, that no scan calls it clean, and that nothing of it comes."""
    answer, told = await asyncio.gather(
        _in_time(shared.fetch(reader), f"{reader.name} who asked for {what}"),
        _in_time(shared.scan(reader), f"{reader.name} who asked for a scan of {what}"),
    )
    refused(answer, f"{what}, for {reader.name}", status=(403, 500, 502, 503, 504))
    assert shared.content not in answer.body, f"{what} came with the refusal"
    not_called_clean(told, f"{what}, for {reader.name},", status=(403, 500, 502, 503, 504))


async def _delivered(shared: _Shared, reader: Person, deadline: float = 60.0) -> None:
    """Hold that a clean file is delivered, once its way is open again."""
    seen: list[Response] = []

    async def probe() -> Response | None:
        seen.append(await shared.fetch(reader))
        return seen[-1] if seen[-1].status == 200 else None

    missing = f"the delivery of a clean file to {reader.name}"
    answer = await until(
        reader.session.transport, probe, deadline=deadline, missing=missing, pause=0.25, seen=lambda: str(seen[-1])
    )
    assert shared.opened(answer) == shared.content, "the file that is delivered is another"


@pytest.mark.rule("RES-5")
async def test_nothing_passes_a_scanner_or_antivirus_that_hangs(fragile: Fragile) -> None:
    """One homeserver's scanner hangs, and the antivirus behind the other's: files are refused in bounded time.

    Clean and infected ones, encrypted and not. Once both go on the clean ones are delivered, and the infected ones never.
    """
    cast = fragile.cast
    sender, behind_scanner, behind_antivirus = await cast.agents(0, 0, 1)
    hanging = (scanner_name(behind_scanner.home.name), ANTIVIRUS)
    fragile.needs(*hanging)
    readers = (behind_scanner, behind_antivirus)
    kinds = [(encrypted, infected) for encrypted in (False, True) for infected in (False, True)]
    shared = [
        (await _share(cast, sender, reader, encrypted=encrypted, infected=infected), reader, encrypted, infected)
        for reader in readers
        for encrypted, infected in kinds
    ]
    for reader in readers:
        await _delivered(await _share(cast, sender, reader, encrypted=False, infected=False), reader)

    async with fragile.paused(*hanging):
        await asyncio.gather(
            *(
                _not_delivered(file, reader, f"{'an infected' if infected else 'a clean'} {'encrypted ' * encrypted}file")
                for file, reader, encrypted, infected in shared
            )
        )
    for file, reader, _encrypted, infected in shared:
        if not infected:
            await _delivered(file, reader)
    for file, reader, _encrypted, infected in shared:
        if infected:
            refused(await file.fetch(reader), f"an infected file, for {reader.name}, afterwards", "MCS_MEDIA_NOT_CLEAN")


@pytest.mark.rule("RES-6")
async def test_full_disk_refuses_files_whole(fragile: Fragile) -> None:
    """With the homeserver's disk full an upload is refused, and leaves no part of the file; with room again it succeeds.

    Files that were there before stay whole. With the scanner's disk full, what cannot be scanned is not delivered.
    """
    cast = fragile.cast
    sender, reader = await cast.agents(0, 1)
    home = sender.home
    fragile.needs(home.name, scanner_name(home.name))
    before = await _share(cast, sender, sender, encrypted=True, infected=False)
    await _delivered(before, sender)
    kept, content = kept_files(cast.deployment, home), _content(cast)

    async with fragile.full(home.name):
        where = "/_matrix/media/v3/upload"
        answer = await _in_time(sender.session.send("POST", where, content, content_type="text/plain"), "an upload")
        refused(answer, "an upload to a full disk", status=(500, 502, 503, 507))
        assert "content_uri" not in answer.json(), f"a refused upload has an address: {answer}"
    parts = sorted(str(path) for path in kept_files(cast.deployment, home) - kept)
    assert not parts, f"the refused upload left {parts}"
    after = _Shared(content, await files.upload(sender.session, content), None, None)
    await _delivered(after, reader)
    await _delivered(before, sender)

    unscanned = await _share(cast, sender, sender, encrypted=False, infected=False)
    marked = await _share(cast, sender, sender, encrypted=False, infected=True)
    async with fragile.full(scanner_name(home.name)):
        await _not_delivered(unscanned, sender, "a clean file that cannot be scanned")
        await _not_delivered(marked, sender, "an infected file that cannot be scanned")
    await _delivered(unscanned, sender)
    refused(await marked.fetch(sender), "the infected file, once there is room again", "MCS_MEDIA_NOT_CLEAN")
