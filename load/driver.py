"""Running an act to its end in one step: under gevent nothing suspends, the greenlet waits inside the transport."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["Suspended", "drive"]

T = TypeVar("T")


class Suspended(RuntimeError):
    """An act awaited something of asyncio: it can be a test, but not load."""


def drive(act: Coroutine[Any, Any, T]) -> T:
    """Run an act and give what it gives; raises what it raises, and `Suspended` where it gives way to an event loop."""
    try:
        waited_for = act.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    # Closed at once: left alone, it would run its `finally` whenever somebody collects garbage.
    act.close()
    raise Suspended(f"an act suspended on {waited_for!r}: it uses something of asyncio")
