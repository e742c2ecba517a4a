"""The harness's own rate on somebody else's deployment: a token bucket, and waiting when the server says so."""

from __future__ import annotations

import time
from collections.abc import Callable

from scenarios.wire import Response

__all__ = ["PATIENCE", "Pace", "retry_after"]

PATIENCE = 120.0
"""For how many seconds a request is tried again while the server answers 429."""


class Pace:
    """At most `rate` requests a second, after a burst of one second's worth.

    Only arithmetic: one bucket serves all the transports of a process, under whichever event loop they run.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a full bucket."""
        self.rate, self._clock = rate, clock
        self._burst = max(1.0, rate) / rate
        self._due = clock() - self._burst

    def turn(self) -> float:
        """Take a place, and give the seconds to wait for it."""
        now = self._clock()
        self._due = max(self._due, now - self._burst) + 1 / self.rate
        return max(0.0, self._due - now)

    def hold(self, seconds: float) -> None:
        """Let nothing out for so long: one answer 429 speaks to all of this process's requests."""
        self._due = max(self._due, self._clock() + seconds)


def retry_after(response: Response) -> float:
    """Give the seconds that an answer 429 asks to wait: `retry_after_ms`, else the header, else one second."""
    content = response.json()
    told = content.get("retry_after_ms") if isinstance(content, dict) else None
    if isinstance(told, (int, float)) and not isinstance(told, bool) and told >= 0:
        return float(told) / 1000
    header = {name.lower(): value for name, value in response.headers.items()}.get("retry-after", "")
    return float(header) if header.isdecimal() else 1.0
