"""From what was measured to what is told: the report of a run, its files and its exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from fixtures.deployment import Deployment
from load.goals import STAGES
from load.measuring.health import Condition, diagnose
from load.measuring.histogram import Histogram
from load.measuring.measures import Measures
from load.objectives import Judged, judge
from load.profile import Profile
from load.windows import MEASURED, WINDOWS, Window
from reports import load as told
from reports.load_tellings import make_load
from reports.redaction import Redactor
from reports.verdict import Component, exit_code
from reports.verdict import Deployment as DeploymentTold

__all__ = ["Worker", "conclude", "tell", "tell_capacity"]

Worker = told.Worker
_PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9, "max": 100.0}


def conclude(
    profile: Profile,
    measures: Measures,
    *,
    deployment: Deployment,
    started: datetime,
    seconds: float,
    command: str = "",
    server: Mapping[str, Sequence[tuple[float, float]]] | None = None,
    workers: Sequence[told.Worker] = (),
    cut_short: str = "",
) -> told.LoadReport:
    """Judge a run and give its report; `server` are figures by name over the seconds since the start.

    `cut_short` says why the run ended before its time. The outcome follows from objectives, health and that.
    """
    slices = _slices(measures)
    series = {**(server or {}), **_own_series(measures, slices)}
    judged = tuple(
        _objective(each) for each in judge(profile.objectives, measures, series, [each.name for each in profile.probes])
    )
    health = _health(profile, measures, workers)
    return told.LoadReport(
        outcome=told.load_outcome(judged, health, cut_short),
        cut_short=cut_short,
        started=started,
        seconds=seconds,
        step=measures.tally.step,
        profile=told.ProfileTold(
            name=profile.name,
            title=profile.title,
            seed=profile.seed,
            content=profile.told(),
        ),
        command=command,
        deployment=DeploymentTold(
            kind=deployment.kind,
            name=deployment.name,
            components=tuple(Component(name=c.name, version=c.version) for c in deployment.components),
        ),
        objectives=judged,
        windows=tuple(_window(measures, window) for window in WINDOWS),
        latencies=tuple(_latencies(measures)),
        counts=_counts(measures, None),
        offences=tuple(
            told.Offence(kind=o.kind, event_id=o.event_id, device=o.device, at=round(o.at, 3), reason=o.reason)
            for found in measures.tally.offences.values()
            for o in found
        ),
        probes=tuple(_probes(profile, measures)),
        violations=tuple(
            told.Violation(name=name, at=round(at, 3), result="violated" if result == "violated" else "broken", message=message)
            for name, at, result, message in measures.violations
        ),
        health=health,
        workers=tuple(workers),
        slices=slices,
        series=tuple(
            told.Series(name=name, points=tuple((round(at, 2), _short(value)) for at, value in points))
            for name, points in sorted(series.items())
        ),
    )


def tell(report: told.LoadReport, out: Path, redactor: Redactor | None = None) -> int:
    """Write `load.json` and everything that is made from it into a run's folder; gives the exit code."""
    told.write_load(report, out / "load.json", redactor)
    make_load(out)
    return exit_code(report.outcome)


def tell_capacity(
    reports: Mapping[float, told.LoadReport],
    found: told.Capacity,
    out: Path,
    cut_short: str = "",
    redactor: Redactor | None = None,
    left_behind: str = "",
) -> int:
    """Write the answer of a search into its folder, over the report of the highest rate that held; gives the exit code.

    `reports` are the runs by rate. 0 is an interval whose both ends were confirmed, with nothing left on the deployment; 3 is
    anything less.
    """
    # Where nothing held, the lowest rate that was tried says most.
    shown = reports[found.low if found.low is not None else min(reports)]
    outcome = told.load_outcome(shown.objectives, shown.health, cut_short, left_behind)
    changes: dict[str, Any] = {"capacity": found, "cut_short": cut_short, "left_behind": left_behind, "outcome": outcome}
    told.write_load(shown.model_copy(update=changes), out / "load.json", redactor)
    make_load(out)
    return 0 if found.confirmed and not (cut_short or left_behind) else 3


def _objective(judged: Judged) -> told.Objective:
    asked = judged.objective
    return told.Objective(
        id=asked.id,
        statement=asked.statement(),
        figure=asked.figure,
        value=judged.value,
        bound=asked.at_most if asked.at_most is not None else asked.at_least or 0.0,
        bound_is="at-most" if asked.at_most is not None else "at-least",
        unit=asked.unit,
        met=judged.met,
        detail=judged.detail,
    )


def _health(profile: Profile, measures: Measures, workers: Sequence[told.Worker]) -> told.Health:
    tally = measures.tally
    begin = tally.start + tally.windows.warm_up
    offered = tally.total("offered", MEASURED)
    lag, slip = measures.health.lag.percentile(99), tally.slip.percentile(99)
    condition = Condition(
        processor=measures.health.busiest(begin, begin + tally.windows.measured),
        loop_lag_ms=lag * 1000 if lag is not None else None,
        slip_ms=slip * 1000 if slip is not None else None,
        dropped=tally.total("dropped", MEASURED) / offered if offered else None,
        lost_workers=tuple(worker.name for worker in workers if worker.state == "lost"),
    )
    ailments = diagnose(condition, profile.generator)
    return told.Health(
        processor=condition.processor,
        loop_lag_ms=condition.loop_lag_ms,
        slip_ms=condition.slip_ms,
        dropped=condition.dropped,
        bounds=profile.generator.model_dump(),
        ailments=tuple(each.what for each in ailments if not each.flatters),
        flattering=tuple(each.what for each in ailments if each.flatters),
    )


def _counts(measures: Measures, window: Window | None) -> dict[str, int]:
    names = sorted({name for when, name in measures.tally.counts if window in (None, when)})
    return {name: measures.tally.total(name, window) for name in names}


def _window(measures: Measures, window: Window) -> told.WindowFigures:
    tally, seconds = measures.tally, measures.length(window)

    def rate(name: str) -> float:
        return tally.total(name, window) / seconds if seconds else 0.0

    return told.WindowFigures(
        window=window,
        seconds=seconds,
        offered=tally.total("offered", window),
        done=tally.total("done", window),
        dropped=tally.total("dropped", window),
        offered_per_second=rate("offered"),
        achieved_per_second=rate("done"),
        sends_per_second=rate("sends"),
        deliveries_per_second=rate("delivered"),
        counts=_counts(measures, window),
    )


def _latencies(measures: Measures) -> list[told.Latency]:
    tally = measures.tally
    found = []
    for (window, (size, kind)), cell in sorted(tally.cells.items()):
        for stage, histogram in zip(STAGES, cell, strict=True):
            if histogram.counts:
                part = told.Latency(of="message", name=stage, window=window, room_size=size, kind=kind, **_figures(histogram))
                found.append(part)
    for stage in STAGES:
        if (whole := tally.stage(stage, MEASURED)).counts:
            found.append(told.Latency(of="message", name=stage, window=MEASURED, **_figures(whole)))
    for (window, act), pair in sorted(tally.acts.items()):
        for from_actual, histogram in enumerate(pair):
            part = told.Latency(of="act", name=act, from_actual=bool(from_actual), window=window, **_figures(histogram))
            found.append(part)
    for (window, name), histogram in sorted(tally.latencies.items()):
        found.append(told.Latency(of="other", name=name, window=window, **_figures(histogram)))
    return found


def _figures(histogram: Histogram) -> dict[str, Any]:
    values = dict(zip(_PERCENTILES, histogram.percentiles(_PERCENTILES.values()), strict=False))
    mean = histogram.mean()
    return {
        "count": histogram.total,
        "negative": histogram.negative,
        "mean": _short(mean * 1000) if mean is not None else None,
        **{name: _short(value * 1000) for name, value in values.items()},
        "histogram": histogram.encoded(),
    }


def _probes(profile: Profile, measures: Measures) -> list[told.Probe]:
    def number(name: str, result: str) -> int:
        return measures.tally.total(f"probe:{name}:{result}")

    return [
        told.Probe(name=n, held=number(n, "held"), violated=number(n, "violated"), broken=number(n, "broken"))
        for n in (plan.name for plan in profile.probes)
    ]


def _slices(measures: Measures) -> tuple[told.Slice, ...]:
    step = measures.tally.step
    found = []
    for number, part in sorted(measures.tally.slices.items()):
        rate = {name: round(count / step, 3) for name, count in part.counts.items()}
        found.append(
            told.Slice(
                at=number * step,
                offered=rate.get("offered", 0),
                achieved=rate.get("done", 0),
                sends=rate.get("acknowledged", 0),
                deliveries=rate.get("deliveries", 0),
                errors=rate.get("errors", 0),
                limited=rate.get("429", 0),
                dropped=rate.get("dropped", 0),
                acknowledged=_bands(part.acknowledged),
                delivered=_bands(part.delivered),
            )
        )
    return tuple(found)


def _bands(histogram: Histogram) -> told.Bands | None:
    values = [_short(value * 1000) for value in histogram.percentiles((50, 90, 99, 100))]
    return told.Bands(p50=values[0], p90=values[1], p99=values[2], max=values[3]) if values else None


def _own_series(measures: Measures, slices: Sequence[told.Slice]) -> dict[str, list[tuple[float, float]]]:
    """Give the run's own figures over time, beside the server's: a trend can be asked of them too."""
    start = measures.tally.start
    found = {
        "run:acknowledged-p99": [(s.at, s.acknowledged.p99) for s in slices if s.acknowledged],
        "run:delivered-p99": [(s.at, s.delivered.p99) for s in slices if s.delivered],
    }
    for worker, at, used, lag in measures.health.series:
        found.setdefault(f"generator:{worker}:processor", []).append((at - start, used))
        found.setdefault(f"generator:{worker}:loop-lag-ms", []).append((at - start, lag * 1000))
    return found


def _short(value: float) -> float:
    """Give a figure to four digits: what is told is no more precise."""
    return float(f"{value:.4g}")
