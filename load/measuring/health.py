"""Whether the generator itself was well: a run by one that was out of breath judges nobody."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from load.measuring.histogram import Histogram
from load.profile import Bounds

__all__ = ["Ailment", "Condition", "HealthProbe", "diagnose"]


class HealthProbe:
    """Processor use and loop lag of this process; the master's absorbs those of the workers."""

    def __init__(self, worker: str = "0") -> None:
        """Begin to watch this process under a worker's name."""
        self.worker = worker
        self.lag = Histogram()
        self.series: list[tuple[str, float, float, float]] = []
        self._used, self._at = time.process_time(), time.monotonic()

    def sample(self, now: float, lag: float) -> None:
        """Enter how late the loop woke somebody, and how much of a core this process used since the last sample."""
        self.lag.record(max(0.0, lag))
        used = time.process_time()
        if now > self._at:
            self.series.append((self.worker, now, (used - self._used) / (now - self._at), lag))
            self._used, self._at = used, now

    def busiest(self, begin: float, end: float) -> float | None:
        """Give the mean share of a core of the worker that used most between two moments; None without a sample."""
        return max(self._shares(begin, end).values(), default=None)

    def share_of(self, worker: str, begin: float, end: float) -> float | None:
        """Give a worker's mean share of a core between two moments; None without a sample."""
        return self._shares(begin, end).get(worker)

    def _shares(self, begin: float, end: float) -> dict[str, float]:
        """Give each worker's mean share, each sample weighted by the time it stands for: a worker that is stuck takes few.

        A sample reaches back to the one before. The first reaches back to when the watch began, which is before second 0.
        """
        spent: dict[str, float] = {}
        watched: dict[str, float] = {}
        before: dict[str, float] = {}
        for worker, at, share, _ in self.series:
            lasted = min(at, end) - max(before.get(worker, begin), begin)
            before[worker] = at
            if lasted > 0:
                spent[worker] = spent.get(worker, 0.0) + share * lasted
                watched[worker] = watched.get(worker, 0.0) + lasted
        return {worker: spent[worker] / watched[worker] for worker in spent}

    def drain(self) -> dict[str, Any]:
        """Give everything since the last time."""
        content = {"lag": self.lag.packed(), "series": [list(each) for each in self.series]}
        self.lag, self.series = Histogram(), []
        return content

    def absorb(self, content: dict[str, Any]) -> None:
        """Add what a worker drained."""
        self.lag.merge(Histogram.unpacked(content["lag"]))
        self.series += [(worker, at, used, lag) for worker, at, used, lag in content["series"]]


@dataclass(frozen=True)
class Condition:
    """The generator's own figures of a run; None where there is none. Milliseconds are 99th percentiles."""

    processor: float | None
    loop_lag_ms: float | None
    slip_ms: float | None
    dropped: float | None
    lost_workers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ailment:
    """A bound of the generator's health that was passed.

    `flatters` says which way it bends the figures: arrivals that were dropped make a server look better than it is, so that
    its failures stand all the same; anything else may have made it look worse, and then nothing stands.
    """

    what: str
    flatters: bool = False


def diagnose(condition: Condition, bounds: Bounds) -> list[Ailment]:
    """Give what keeps a run from being believed; a figure that is missing does too."""
    found = []
    for what, value, bound, unit in (
        ("processor use of the busiest worker", condition.processor, bounds.processor, " of a core"),
        ("loop lag, percentile 99", condition.loop_lag_ms, bounds.loop_lag_ms, " ms"),
        ("schedule slip, percentile 99", condition.slip_ms, bounds.slip_ms, " ms"),
    ):
        if value is None:
            found.append(Ailment(f"{what} was not measured"))
        elif value > bound:
            found.append(Ailment(f"{what} was {value:.3g}{unit}, more than {bound:g}{unit}"))
    found += [Ailment(f"worker {name} was lost, and its share of the load with it") for name in condition.lost_workers]
    if condition.dropped is None:
        found.append(Ailment("no arrival fell into the measured window"))
    elif condition.dropped > bounds.dropped:
        share = f"{condition.dropped:.2%} of the arrivals were dropped, nobody being idle: more than {bounds.dropped:.2%}"
        found.append(Ailment(share, flatters=True))
    return found
