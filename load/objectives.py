"""Judging a run by its profile's objectives. A figure that is missing fails: nothing was seen to hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy

from load.goals import SHARES, Objective
from load.measuring.histogram import Histogram
from load.measuring.measures import Measures
from load.measuring.tally import Tally
from load.windows import MEASURED

__all__ = ["Judged", "Series", "judge"]

Series = Mapping[str, Sequence[tuple[float, float]]]
"""Figures over time, by name: seconds since the start, value."""

_MEMORY_OF_A_TREND = 8
"""Fewer points than this make no trend."""


@dataclass(frozen=True)
class Judged:
    """An objective, its value or None, and whether it was met; `detail` is which part was worst, or why there is no value."""

    objective: Objective
    value: float | None
    met: bool
    detail: str = ""


def judge(objectives: Sequence[Objective], measures: Measures, series: Series, probes: Sequence[str] = ()) -> list[Judged]:
    """Judge every objective over what was measured; `series` are figures over time, the server's among them.

    `probes` names the probes that were planned: one that never ran has no answer, as one that only ever broke has none.
    """
    return [_judged(each, *_value(each, measures, series, probes)) for each in objectives]


def _judged(objective: Objective, value: float | None, detail: str) -> Judged:
    if value is None:
        return Judged(objective, None, False, detail or "no figure")
    met = value <= objective.at_most if objective.at_most is not None else value >= (objective.at_least or 0.0)
    return Judged(objective, value, met, detail)


def _value(objective: Objective, measures: Measures, series: Series, probes: Sequence[str]) -> tuple[float | None, str]:
    figure, tally = objective.figure, measures.tally
    if figure == "latency":
        return _latency(objective, measures)
    if figure in {"slope", "server"}:
        return _of_series(objective, series, (tally.windows.warm_up, tally.windows.warm_up + tally.windows.measured))
    if figure in SHARES:
        return _share(objective, measures)
    if figure.endswith("-per-second"):
        number = tally.total("sends" if figure.startswith("sends") else "delivered", MEASURED)
        seconds = measures.length(MEASURED)
        return (number / seconds, "") if number and seconds else (None, "nothing was sent or delivered")
    if figure == "violations":
        return _violations(measures, probes)
    return _COUNTED[figure](objective, measures)


def _latency(objective: Objective, measures: Measures) -> tuple[float | None, str]:
    """Give the percentile, the worst of the rooms' sizes or kinds where it is judged by them."""
    tally = measures.tally
    if objective.act:
        pair = tally.acts.get((MEASURED, objective.act))
        parts = {"": pair[0] if pair else tally.latencies.get((MEASURED, objective.act), Histogram())}
    elif objective.by == "all":
        parts = {"": tally.stage(objective.stage or "", MEASURED)}
    else:
        which = 0 if objective.by == "room-size" else 1
        names = sorted({cell[which] for window, cell in tally.cells if window == MEASURED})
        key = "size" if which == 0 else "kind"
        parts = {name: tally.stage(objective.stage or "", MEASURED, **{key: name}) for name in names}
    values = {name: found for name, part in parts.items() if (found := part.percentile(objective.percentile)) is not None}
    if not values:
        return None, "no latency was recorded"
    worst = max(values, key=lambda name: values[name])
    detail = f"{objective.by} {worst}, of {len(values)}" if worst else ""
    return values[worst] * 1000, detail


def _share(objective: Objective, measures: Measures) -> tuple[float | None, str]:
    tally = measures.tally
    if objective.figure == "undecryptable-share":
        bad, good = _decryptions(objective, measures)
        return (bad / (bad + good), f"{bad} of {bad + good}") if bad + good else (None, "nothing was decrypted")
    if objective.act:
        return _errors_of(objective.act, tally)
    offered = tally.total("offered", MEASURED)
    if not offered:
        return None, "nothing was offered"
    number = {
        "achieved": lambda: tally.total("done", MEASURED),
        "dropped": lambda: tally.total("dropped", MEASURED),
        "errors": lambda: tally.total("errors", MEASURED),
        "limited": lambda: tally.total("429", MEASURED) + tally.total("limited", MEASURED),
    }[objective.figure]()
    return number / offered, f"{number} of {offered}"


def _errors_of(act: str, tally: Tally) -> tuple[float | None, str]:
    """Give the share of an act that went wrong, for whatever reason, whether it was in the schedule or brought about."""
    pair = tally.acts.get((MEASURED, act))
    well = (pair[0] if pair else tally.latencies.get((MEASURED, act), Histogram())).total
    wrong = tally.total(f"failed-act:{act}", MEASURED)
    return (wrong / (well + wrong), f"{wrong} of {well + wrong}") if well + wrong else (None, f"no {act} was seen")


def _decryptions(objective: Objective, measures: Measures) -> tuple[int, int]:
    """Give how many messages could not be decrypted, and how many could."""
    who = ("canaries", "crowd") if objective.of == "all" else (objective.of,)
    bad = sum(measures.tally.total(f"undecryptable-{each}") for each in who)
    return bad, sum(measures.tally.total(f"decrypted-{each}") for each in who)


def _deliveries(objective: Objective, measures: Measures) -> tuple[float | None, str]:
    expected = measures.tally.total("expected")
    if not expected:
        return None, "no delivery was expected"
    return measures.tally.total(objective.figure), f"of {expected} deliveries"


def _undecryptable(objective: Objective, measures: Measures) -> tuple[float | None, str]:
    bad, good = _decryptions(objective, measures)
    return (bad, f"of {bad + good}") if bad + good else (None, "nothing was decrypted")


def _violations(measures: Measures, probes: Sequence[str]) -> tuple[float | None, str]:
    """Give how often a rule did not hold; None where one of the probes never came to an answer: what it asks is not known."""
    total = measures.tally.total
    violated = total("probe:violated")
    told = total("probe:held") + violated
    if not told:
        return None, "no probe came to an answer"
    ran = (name.removeprefix("probe:").rpartition(":")[0] for _, name in measures.tally.counts if name.startswith("probe:"))
    names = dict.fromkeys((*probes, *sorted({name for name in ran if name})))
    silent = [name for name in names if not total(f"probe:{name}:held") + total(f"probe:{name}:violated")]
    if silent:
        other = f"; violations: {violated} of {told} probes" if violated else ""
        return None, f"no answer to the probe {', '.join(silent)}{other}"
    return violated, f"of {told} probes"


_COUNTED: dict[str, Callable[[Objective, Measures], tuple[float | None, str]]] = {
    "lost": _deliveries,
    "duplicated": _deliveries,
    "out-of-order": _deliveries,
    "undecryptable": _undecryptable,
}


def _of_series(objective: Objective, series: Series, window: tuple[float, float]) -> tuple[float | None, str]:
    points = [(at, value) for at, value in series.get(objective.series, ()) if window[0] <= at <= window[1]]
    if not points:
        return None, f"no figure {objective.series} in the measured window"
    values = [value for _, value in points]
    if objective.figure == "server":
        return {"max": max(values), "mean": sum(values) / len(values), "last": values[-1]}[objective.statistic], ""
    if len(points) < _MEMORY_OF_A_TREND:
        return None, f"{len(points)} points of {objective.series} make no trend"
    return _trend(points), f"over {points[-1][0] - points[0][0]:.0f} s"


def _trend(points: Sequence[tuple[float, float]]) -> float:
    """Give the median of the slopes between points (Theil and Sen), in percent of the median an hour: no outlier tilts it."""
    thinned = points[:: max(1, len(points) // 200)]
    at, value = numpy.array([p[0] for p in thinned]), numpy.array([p[1] for p in thinned])
    left, right = numpy.triu_indices(len(thinned), 1)
    apart = at[right] - at[left]
    slopes = (value[right] - value[left])[apart > 0] / apart[apart > 0]
    level = float(numpy.median(numpy.abs(value))) or 1.0
    return float(numpy.median(slopes)) * 3600 / level * 100
