"""Whether a file is what was sent, and what a scan says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nio.exceptions import EncryptionError

from conformance.checks.answers import refused
from scenarios.files import decrypt_file
from scenarios.wire import Response

__all__ = ["not_called_clean", "opens_as", "told_infected"]


def opens_as(answer: Response, file: Mapping[str, Any], content: bytes, what: str) -> None:
    """Hold that an encrypted file was delivered, opens by its key, and holds what was sent."""
    assert answer.status == 200, f"{what} should be delivered, but: {answer}"
    try:
        opened = decrypt_file(answer.body, file)
    except (EncryptionError, ValueError) as error:
        raise AssertionError(f"{what}: the file does not open by the event's key: {error}") from None
    assert opened == content, f"{what}: the file opens, and is not what was sent"


def told_infected(scan: Response, what: str) -> None:
    """Hold that a scan says that a file is not clean; one that fails says nothing of it."""
    verdict = scan.json()
    told = verdict.get("clean") is False or verdict.get("reason") == "MCS_MEDIA_NOT_CLEAN"
    assert told, f"the scan of {what} says: {scan} {verdict}"


def not_called_clean(scan: Response, what: str, *reasons: str, status: int | tuple[int, ...] = (400, 403)) -> None:
    """Hold that a scan of what cannot be analysed says that it is not clean, or refuses to say with one of these statuses."""
    if scan.status == 200:
        assert scan.json().get("clean") is False, f"the scan of {what} says: {scan} {scan.json()}"
    else:
        refused(scan, f"the scan of {what}", *reasons, status=status)
