"""Whether a file is what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nio.exceptions import EncryptionError

from scenarios.files import decrypt_file
from scenarios.wire import Response

__all__ = ["opens_as"]


def opens_as(answer: Response, file: Mapping[str, Any], content: bytes, what: str) -> None:
    """Hold that an encrypted file was delivered, opens by its key, and holds what was sent."""
    assert answer.status == 200, f"{what} should be delivered, but: {answer}"
    try:
        opened = decrypt_file(answer.body, file)
    except (EncryptionError, ValueError) as error:
        raise AssertionError(f"{what}: the file does not open by the event's key: {error}") from None
    assert opened == content, f"{what}: the file opens, and is not what was sent"
