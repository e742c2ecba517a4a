"""Second 0 at every worker: by the monotonic clock, which machines do not share and nobody sets.

Two processes of one machine read the same clock. Between machines its difference is estimated from round trips: the answer
was given somewhere between asking and hearing it, so that the shortest trip bounds the error by half its length.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SAME", "Offset", "clock_id", "estimate"]


@dataclass(frozen=True)
class Offset:
    """By how much the clock here is ahead of the master's, give or take `bound`; seconds."""

    ahead: float
    bound: float

    def here(self, moment: float) -> float:
        """Give a moment of the master's clock by the one here."""
        return moment + self.ahead

    def there(self, moment: float) -> float:
        """Give a moment of the clock here by the master's."""
        return moment - self.ahead

    def within(self, later: Offset) -> float:
        """Give a bound that holds for all the time between two estimates: clocks of two machines run apart, evenly."""
        return max(self.bound, abs(later.ahead - self.ahead) + later.bound)


SAME = Offset(0.0, 0.0)


def clock_id() -> str:
    """Name the monotonic clock of this process: who reads the same name reads the same clock."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = Path("/proc/self/ns/time")
    return f"{boot} {namespace.readlink() if namespace.exists() else ''}"


def estimate(trips: Iterable[tuple[float, float, float]]) -> Offset:
    """Estimate the offset from round trips: asked and heard by the clock here, told by the master's between them."""
    asked, told, heard = min(trips, key=lambda trip: trip[2] - trip[0])
    return Offset((asked + heard) / 2 - told, (heard - asked) / 2)
