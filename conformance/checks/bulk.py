"""Whether reading in bulk is slowed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from scenarios.wire import Response

__all__ = ["slowed"]

_AT_ONCE = 20


async def slowed(asks: Sequence[Callable[[], Awaitable[Response]]], what: str) -> Response:
    """Hold that one who asks again and again, many at a time, is told to wait before all is read; gives that answer."""
    first = await asks[0]()
    assert first.status == 200, f"{what}: the first should be answered, but: {first}"
    for start in range(0, len(asks), _AT_ONCE):
        for answer in await asyncio.gather(*(ask() for ask in asks[start : start + _AT_ONCE])):
            if answer.status == 429:
                assert answer.errcode == "M_LIMIT_EXCEEDED", f"{what} is refused for another reason: {answer}"
                return answer
            assert answer.status == 200, f"{what} should be answered or slowed, but: {answer}"
    raise AssertionError(f"{what}: {len(asks)} requests of one account in a row, and none was told to wait (429)")
