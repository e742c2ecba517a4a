"""Where the limit is: the rate is raised in steps, then halved in upon, and both ends of the answer are tried again.

The answer is an interval. A rate that held once and gave way once lies inside it, and so does one whose latencies came out near
their bounds: there chance decides, and a single figure would only repeat one throw of the dice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from reports.load import Capacity, LoadReport, RateTried
from reports.load_page import figure
from reports.verdict import Outcome

__all__ = ["Search", "Trial", "answer", "find", "long_enough"]

_ARRIVALS, _LONGEST = 200, 300.0
NEAR = 1.25
"""How far, as a factor, a latency has to be from its bound to tell on which side a rate is: of the same
deliveries to the largest room at the same rate 99 % took at most 1.2 s, then 0.9 s, and 1.6 s in the next search."""

Told = Literal["held", "gave way", "grey", "open"]


def long_enough(rate: float, measured: float) -> float:
    """Give for how many seconds a rate is to be held so that percentiles tell something of it, a profile's `measured` at least.

    Of fifty arrivals the slowest is the 99th percentile, and every search finds another limit. Five minutes at most.
    """
    return max(measured, min(_ARRIVALS / rate, _LONGEST))


@dataclass(frozen=True)
class Trial:
    """What became of one rate; `invalid` is why the run could not be believed, and then `held` means nothing.

    `near` tells that it was a matter of chance: its latencies are near their bounds, and nothing else gave way.
    `fixed_work_ms` is how fast the generator's machine was meanwhile, see `load.measuring.pace`.
    """

    rate: float
    held: bool
    gave_way: tuple[str, ...] = ()
    invalid: str = ""
    near: bool = False
    fixed_work_ms: float | None = None

    @classmethod
    def of(cls, rate: float, report: LoadReport) -> Trial:
        """Take it from the report of a run at this rate: what gave way is told from the furthest beyond its bound."""
        pace = report.fixed_work_ms
        if report.outcome is Outcome.CANNOT_TELL:
            return cls(rate, False, invalid="; ".join(report.doubts) or "no objectives", fixed_work_ms=pace)
        missed = sorted((o for o in report.objectives if not o.met), key=lambda o: -_beyond(o.value, o.bound, o.bound_is))
        names = [f"{o.id} {'no figure' if o.value is None else figure(o.value, o.unit)}" for o in missed]
        gave_way = tuple(names + _busiest(report)) if missed else ()
        return cls(rate, not missed, gave_way, near=_is_near(report), fixed_work_ms=pace)

    @property
    def results(self) -> set[bool]:
        """What another trial of this rate may come to, for all that this one tells."""
        return {True, False} if self.near else {self.held}


def _is_near(report: LoadReport) -> bool:
    """Tell whether the latencies alone decide, and the one that is furthest beyond its bound, or closest to it, is near."""
    if any(not each.met and each.figure != "latency" for each in report.objectives):
        return False
    latencies = [each for each in report.objectives if each.figure == "latency"]
    worst = max((_beyond(each.value, each.bound, each.bound_is) for each in latencies), default=0.0)
    return 1 / NEAR < worst <= NEAR


def _beyond(value: float | None, bound: float, bound_is: str) -> float:
    """Give how many times beyond its bound a figure is."""
    if value is None or bound == 0 or value == 0:
        return float("inf")
    return value / bound if bound_is == "at-most" else bound / value


def _busiest(report: LoadReport) -> list[str]:
    """Name the component that used most of a core in the measured window."""
    begin = next((w.seconds for w in report.windows if w.window == "warm-up"), 0.0)
    end = begin + next((w.seconds for w in report.windows if w.window == "measured"), 0.0)
    used: dict[str, float] = {}
    for series in report.series:
        family, _, rest = series.name.partition(":")
        name, _, figure = rest.rpartition(":")
        inside = [value for at, value in series.points if begin <= at <= end]
        if family == "component" and figure == "processor" and inside:
            used[name] = sum(inside) / len(inside)
    if not used:
        return []
    busiest = max(used, key=lambda name: used[name])
    return [f"busiest component: {busiest}, {used[busiest]:.2g} of a core"]


@dataclass
class Search:
    """How to look: from `start`, in steps of `factor`, to an interval no wider than `precision` of its lower end.

    `most` trials are made at most, `floor` and `ceiling` bound the rates.
    """

    start: float
    factor: float = 2.0
    precision: float = 0.15
    most: int = 24
    floor: float = 0.1
    ceiling: float = 100_000.0
    trials: list[Trial] = field(default_factory=list)
    exhausted: list[float] = field(default_factory=list)
    """Rates at which the generator itself could do no more: nothing is known of them, and nothing is tried above."""

    def told(self, rate: float) -> Told:
        """Tell what is known of a rate."""
        results = set[bool]().union(*(trial.results for trial in self.trials if trial.rate == rate and not trial.invalid))
        if len(results) == 2:
            return "grey"
        return "open" if not results else "held" if results.pop() else "gave way"

    def times(self, rate: float) -> int:
        """Count the trials of a rate that could be believed."""
        return sum(trial.rate == rate and not trial.invalid for trial in self.trials)

    @property
    def low(self) -> float | None:
        """The highest rate that held each time, and clearly, below all that did not."""
        first = min((t.rate for t in self.trials if not t.invalid and False in t.results), default=float("inf"))
        return max((t.rate for t in self.trials if not t.invalid and t.rate < first), default=None)

    @property
    def high(self) -> float | None:
        """The lowest rate that gave way each time, and clearly, above all that did not."""
        last = max((t.rate for t in self.trials if not t.invalid and True in t.results), default=0.0)
        return min((t.rate for t in self.trials if not t.invalid and t.rate > last), default=None)


def find(run: Callable[[float], Trial], search: Search, progress: Callable[[Trial], None] = lambda _trial: None) -> Capacity:
    """Find the interval in which the limit lies; `run` holds a rate for long enough and tells what became of it.

    A run that cannot be believed is made once more. If that one cannot either, the generator is at its own limit: the search
    goes on below. Where all holds that can be believed, the answer is open upwards, and says so.
    """
    tired = ""

    def attempt(rate: float) -> bool:
        for _ in range(2):
            trial = run(rate)
            search.trials.append(trial)
            progress(trial)
            if not trial.invalid:
                return True
        return False

    while len(search.trials) < search.most:
        rate = _next(search)
        if rate is None:
            break
        if not attempt(rate):
            tired = search.trials[-1].invalid
            if search.times(rate):
                # It could before: whatever is beside it by now, nothing more can be learned.
                break
            search.exhausted.append(rate)
    return answer(search, tired)


def answer(search: Search, tired: str = "") -> Capacity:
    """Give what is known by now; `tired` is why the generator could do no more."""
    low, high = search.low, search.high
    return Capacity(
        low=low,
        high=high,
        confirmed=low is not None and high is not None and _next(search) is None,
        gave_way=(_reasons(search, high) if high is not None or not tired else ()) or _generators(tired),
        trials=tuple(
            RateTried(
                rate=t.rate, held=t.held, near=t.near, gave_way=t.gave_way, invalid=t.invalid, fixed_work_ms=t.fixed_work_ms
            )
            for t in search.trials
        ),
    )


def _generators(tired: str) -> tuple[str, ...]:
    return (f"the generator itself: {tired}",) if tired else ()


def _next(search: Search) -> float | None:
    """Give the rate to try next: steps until there are two ends, halves until they are close, then each end once more."""
    low, high = search.low, search.high
    if not search.trials:
        return search.start
    spent = min(search.exhausted, default=None)
    if low is None:
        bottom = min(trial.rate for trial in search.trials)
        return _step(bottom, max(bottom / (search.factor if _clear(search) else 1 + search.precision), search.floor))
    if spent is not None and (high is None or spent < high):
        # Nothing can be told from there on up: close to it is close enough.
        if spent / low > 1 + search.precision:
            return math.sqrt(low * spent)
        return next((end for end in (low, high) if end is not None and search.times(end) < 2), None)
    if high is None:
        # Everything held, or the highest rate is a grey one: up.
        top = max(trial.rate for trial in search.trials)
        return _step(top, min(top * (search.factor if _clear(search) else 1 + search.precision), search.ceiling))
    grey = [t.rate for t in search.trials if low < t.rate < high]
    if not grey and high / low > 1 + search.precision:
        return math.sqrt(low * high)
    if grey:
        # What lies between held once and gave way once: the ends need only be close to it.
        if min(grey) / low > 1 + search.precision:
            return math.sqrt(low * min(grey))
        if high / max(grey) > 1 + search.precision:
            return math.sqrt(max(grey) * high)
    return next((end for end in (low, high) if search.times(end) < 2), None)


def _clear(search: Search) -> bool:
    """Tell whether of every rate it is known on which side it is."""
    return all(search.told(trial.rate) != "grey" for trial in search.trials)


def _step(before: float, after: float) -> float | None:
    return after if after != before else None


def _reasons(search: Search, high: float | None) -> tuple[str, ...]:
    """Give what gave way at the upper end, or at the lowest rate that ever did."""
    gave = sorted((t for t in search.trials if not t.held and not t.invalid), key=lambda t: (t.rate != high, t.rate))
    return gave[0].gave_way if gave else ()
