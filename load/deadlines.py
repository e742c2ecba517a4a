"""One watch for all of a process's exchanges: it looks a few times a second, and ends those whose time is over."""

from __future__ import annotations

import time
from typing import Protocol

import gevent

__all__ = ["Deadlines", "Waiting"]

_EVERY = 0.1


class Waiting(Protocol):
    """What waits until a moment of the monotonic clock."""

    deadline: float

    def expire(self) -> None:
        """End the wait."""


class Deadlines:
    """Those who wait; a timer of gevent's own for each would cost more than the exchange's own work."""

    def __init__(self) -> None:
        """Watch nobody yet."""
        self.waiting: set[Waiting] = set()
        self._watcher: gevent.Greenlet | None = None

    def watch(self) -> None:
        """See to it that somebody watches."""
        if self._watcher is None or self._watcher.dead:
            self._watcher = gevent.spawn(self._watch)

    def _watch(self) -> None:
        while True:
            gevent.sleep(_EVERY)
            now = time.monotonic()
            for each in [each for each in self.waiting if each.deadline < now]:
                self.waiting.discard(each)
                each.expire()
