"""Judging an answer: a refusal is one only for its own reason."""

from __future__ import annotations

import json
from typing import Any

from scenarios.wire import Response

__all__ = ["accepted", "read", "refused"]


def accepted(response: Response, what: str) -> dict[str, Any]:
    """Hold that a request was taken; gives its JSON."""
    assert response.status == 200, f"{what} should be taken, but: {response}"
    content: dict[str, Any] = response.json()
    return content


def read(response: Response) -> str:
    """Give what an answer says, as its reader has it: in JSON an "é" may have gone as an escape, and a search would miss it."""
    return response.body.decode("utf-8", "replace") + "\n" + json.dumps(response.json(), ensure_ascii=False)


def refused(response: Response, what: str, *errcodes: str, status: int | tuple[int, ...] = 403) -> None:
    """Hold that a request was refused with one of these statuses and, where given, one of these errcodes."""
    statuses = (status,) if isinstance(status, int) else status
    assert response.status in statuses, f"{what} should be refused with {statuses}, but: {response}"
    reason = response.errcode or str(response.json().get("reason", ""))
    assert not errcodes or reason in errcodes, f"{what} should be refused for {' or '.join(errcodes)}, but: {response} {reason}"
