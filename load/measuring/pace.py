"""How fast this machine is just now: the same small piece of work again and again, by processor time.

A virtual machine may be slowed down without a word, and then every server on it is. What one search or run found is held
against another's only where the machine was the same.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable

__all__ = ["change", "fixed_work_ms"]

_PIECES = 3
_STEPS = 20_000


def fixed_work_ms() -> float:
    """Give how many milliseconds of processor time the piece of work takes: the middle one of three.

    By this thread's processor time, so that what else runs here does not count: only how fast the processor is, and what the
    machine under this one took away without saying so.
    """
    return statistics.median(_piece() for _ in range(_PIECES))


def change(figures: Iterable[float | None]) -> float | None:
    """Give how many times as long as at its quickest the piece of work took at its slowest; None with nothing to compare."""
    known = [each for each in figures if each]
    return max(known) / min(known) if len(known) > 1 else None


def _piece() -> float:
    begin = time.thread_time()
    state = 0
    for step in range(_STEPS):
        state = (state * 31 + step) & 0xFFFFFFFF
    return (time.thread_time() - begin) * 1000
