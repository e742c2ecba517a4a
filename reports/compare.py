"""Two sides compared, A before and B after: each a run, or a folder of repeated runs.

Rules are compared by their statuses, figures of load by statistics over runs. A promise that broke needs no statistics, and
so does a message that was lost where none was before.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from reports.files import ReportError, unfinished
from reports.load import LoadReport, read_load
from reports.model import Document, Text
from reports.statistics import Difference, difference, holm
from reports.verdict import Status, Verdict, read

__all__ = ["ChangedRule", "Comparison", "Found", "Judgement", "Side", "compare", "exit_code", "read_side"]

ALPHA = 0.05
_COUNTS = ("lost", "duplicated", "out-of-order", "undecryptable-canaries", "undecryptable-crowd", "probe:violated")
_ACHIEVED, _DELIVERIES = "achieved of offered", "deliveries per second"
_STAGES = ("intended-acknowledged", "intended-seen", "intended-decrypted")
_GOOD = {Status.PASS, Status.ACCEPTED}
_TOLD = {Status.PASS, Status.ACCEPTED, Status.FAIL}


class Judgement(StrEnum):
    """What became of something from A to B; `same` is a difference too small to matter."""

    WORSE = "worse"
    BETTER = "better"
    SAME = "same"
    CANNOT_TELL = "cannot-tell"


class Found(Document):
    """A figure on both sides: means, ratio with its interval where it has one, corrected p-value of the judgement."""

    name: Text
    a: float | None
    b: float | None
    runs: tuple[int, int]
    judgement: Judgement
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    detail: Text = ""


class ChangedRule(Document):
    """A rule that is told otherwise on one side than on the other."""

    id: Text
    a: tuple[str, ...]
    b: tuple[str, ...]
    judgement: Judgement


class Comparison(Document):
    """The whole comparison, `vigie.comparison/1`."""

    schema_: Annotated[Literal["vigie.comparison/1"], Field(validation_alias="schema", serialization_alias="schema")] = (
        "vigie.comparison/1"
    )
    judgement: Judgement
    a: Text
    b: Text
    margin: float
    rules: tuple[ChangedRule, ...] = ()
    rules_same: int = 0
    figures: tuple[Found, ...] = ()
    notes: tuple[Text, ...] = ()


class Side:
    """One side: the verdicts and load reports of its runs."""

    def __init__(self, name: str, verdicts: Sequence[Verdict], loads: Sequence[LoadReport], notes: Sequence[str] = ()) -> None:
        """Hold what was read; `notes` says what was left out."""
        self.name, self.verdicts, self.loads, self.notes = name, verdicts, loads, notes


def read_side(folder: Path) -> Side:
    """Read a run's folder, or a folder of runs' folders.

    Raises ReportError when there is neither, or when a document is corrupt. Load runs that could not be believed are left out.
    """
    runs = [folder] if _is_run(folder) else sorted(each for each in _children(folder) if _is_run(each))
    if not runs:
        raise ReportError(
            f"{folder}: no verdict.json or load.json in it, nor in its folders; is this a run, or a folder of runs?"
        )
    verdicts = [read(run / "verdict.json") for run in runs if (run / "verdict.json").exists()]
    loads = []
    told = [(each.name, unfinished(each)) for each in sorted({folder, *runs, *(each for each in _children(folder))})]
    notes = [f"{name} is left out: it never wrote its {missing}" for name, missing in told if missing]
    for run in runs:
        if (run / "load.json").exists():
            report = read_load(run / "load.json")
            if report.cut_short or report.health.ailments:
                notes.append(f"{run.name} is left out: {'; '.join(report.doubts)}")
            else:
                loads.append(report)
    return Side(str(folder), verdicts, loads, notes)


def _is_run(folder: Path) -> bool:
    return (folder / "verdict.json").is_file() or (folder / "load.json").is_file()


def _children(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if each.is_dir()]
    except OSError as error:
        raise ReportError(f"{folder}: cannot be read: {error.strerror or error}") from error


def compare(a: Side, b: Side, margin: float = 0.1, least_ms: float = 5.0) -> Comparison:
    """Compare; differences within `margin` of A, and latencies within `least_ms`, are too small to matter.

    Raises ReportError when the sides played different profiles.
    """
    profiles = {report.profile.name for side in (a, b) for report in side.loads}
    if len(profiles) > 1:
        raise ReportError(f"the runs played different profiles ({', '.join(sorted(profiles))}); only like can be compared")
    rates = {_rate(report) for side in (a, b) for report in side.loads}
    if len(rates) > 1:
        raise ReportError(
            f"the runs of profile {profiles.pop()} were played at different rates or sizes; only like can be compared"
        )
    rules = _rules(a, b)
    figures = _figures(a, b, margin, least_ms)
    notes = [f"{side.name}: {note}" for side in (a, b) for note in side.notes]
    missing = [
        what for what, x, y in (("verdict", a.verdicts, b.verdicts), ("load run", a.loads, b.loads)) if bool(x) != bool(y)
    ]
    notes += _machine(a, b, margin)
    notes += [f"only one side has a {what} that can be compared" for what in missing]
    flattered = _flattered(a, b)
    notes += flattered
    told = [rule.judgement for rule in rules] + [figure.judgement for figure in figures]
    if missing or flattered or (not a.verdicts and not a.loads):
        told.append(Judgement.CANNOT_TELL)
    ids = {rule.id for verdict in (*a.verdicts, *b.verdicts) for rule in verdict.rules}
    return Comparison(
        judgement=next(
            (each for each in (Judgement.WORSE, Judgement.CANNOT_TELL, Judgement.BETTER) if each in told), Judgement.SAME
        ),
        a=a.name,
        b=b.name,
        margin=margin,
        rules=tuple(rules),
        rules_same=len(ids) - len(rules) if a.verdicts and b.verdicts else 0,
        figures=tuple(figures),
        notes=tuple(notes),
    )


def _machine(a: Side, b: Side, margin: float) -> list[str]:
    """Tell where the generator's machine was another, or another one: what differs may be its doing."""
    before, after = ([ms for ms in (load.fixed_work_ms for load in side.loads) if ms] for side in (a, b))
    if not before or not after:
        return []
    ratio = statistics.median(after) / statistics.median(before)
    if 1 / (1 + margin) <= ratio <= 1 + margin:
        return []
    slower, times = ("B", ratio) if ratio > 1 else ("A", 1 / ratio)
    return [f"the generator's machine was slower in {slower}: the same piece of work took {times:.2f} times as long"]


def _flattered(a: Side, b: Side) -> list[str]:
    """Tell of runs that make their server look better than it is: what was not asked of it cannot have gone wrong."""
    notes = []
    for side in (a, b):
        found = [load.health.flattering for load in side.loads if load.health.flattering]
        if found:
            runs, why = f"{len(found)} of {len(side.loads)} load runs", "; ".join(found[0])
            notes.append(f"{side.name}: {runs} flatter the server, so that nothing can be told but worse: {why}")
    return notes


def _rate(report: LoadReport) -> str:
    content = report.profile.content
    return repr([content.get(key) for key in ("arrivals", "factor", "mix", "windows", "population")])


def _rules(a: Side, b: Side) -> list[ChangedRule]:
    if not a.verdicts or not b.verdicts:
        return []
    before, after = _statuses(a.verdicts), _statuses(b.verdicts)
    found = []
    for id_ in dict.fromkeys((*before, *after)):
        old, new = before.get(id_, ()), after.get(id_, ())
        if set(old) != set(new):
            found.append(ChangedRule(id=id_, a=tuple(map(str, old)), b=tuple(map(str, new)), judgement=_changed(old, new)))
    return found


def _statuses(verdicts: Sequence[Verdict]) -> dict[str, tuple[Status, ...]]:
    """Give the statuses of each rule that a verdict was asked for, over the runs."""
    found: dict[str, tuple[Status, ...]] = {}
    for verdict in verdicts:
        for rule in verdict.rules:
            if verdict.asked.covers(rule) and rule.status is not Status.EXCLUDED:
                found[rule.id] = (*found.get(rule.id, ()), rule.status)
    return found


def _changed(old: Sequence[Status], new: Sequence[Status]) -> Judgement:
    """Judge a rule; one that fails in some runs more than it did is worse, one that is no longer told is open."""
    if not old:
        # A rule that nobody asked for before cannot have become worse; red it is by its own verdict.
        return Judgement.SAME if set(new) <= _GOOD else Judgement.CANNOT_TELL
    if not new or not set(new) <= _TOLD:
        return Judgement.WORSE if Status.FAIL in new and Status.FAIL not in old else Judgement.CANNOT_TELL
    failed_before, failed_after = old.count(Status.FAIL) / len(old), new.count(Status.FAIL) / len(new)
    if failed_after > failed_before:
        return Judgement.WORSE
    return Judgement.BETTER if failed_after < failed_before or not set(old) <= _TOLD else Judgement.SAME


def _figures(a: Side, b: Side, margin: float, least_ms: float) -> list[Found]:
    if not a.loads or not b.loads:
        return []
    found = [_counted(name, [_count(r, name) for r in a.loads], [_count(r, name) for r in b.loads]) for name in _COUNTS]
    before, after = _values(a.loads), _values(b.loads)
    tests: dict[str, tuple[Difference | None, bool]] = {}
    for name in (each for each in before if each in after):
        latency = name.endswith(" ms")
        logs_a, logs_b = [math.log(v) for v in before[name]], [math.log(v) for v in after[name]]
        mean = math.exp(math.fsum(logs_a) / len(logs_a))
        matters = math.log1p(max(margin, least_ms / mean if latency else 0.0))
        tests[name] = (difference(logs_a, logs_b, matters), latency)
    p = {kind: holm({name: getattr(test, kind) for name, (test, _) in tests.items() if test}) for kind in ("above", "below")}
    for name, (test, latency) in tests.items():
        found.append(_judged(name, before[name], after[name], test, latency, p))
    return found + _missing(a.loads, b.loads, before, after)


def _missing(
    a: Sequence[LoadReport], b: Sequence[LoadReport], before: dict[str, list[float]], after: dict[str, list[float]]
) -> list[Found]:
    """Judge what cannot be compared because it is not there in every run: where nothing works there are no latencies."""
    old, new = [_of_run(report) for report in a], [_of_run(report) for report in b]
    found = []
    # A rate that is nothing in a run before must not hide that it is nothing in more of them now.
    partly = [name for name in (_ACHIEVED, _DELIVERIES) if name not in before and any(name in run for run in (*old, *new))]
    for name in [*(each for each in before if each not in after), *partly]:
        there = [[run[name] for run in runs if name in run] for runs in (old, new)]
        if there[1] and name not in (_ACHIEVED, _DELIVERIES) and not name.startswith(_STAGES):
            # An act is told from a hundred times on: that one run had a few less says nothing.
            continue
        lacking = (1 - len(there[0]) / len(old), 1 - len(there[1]) / len(new))
        where = " and ".join(
            f"in {len(runs) - len(values)} of {len(runs)} runs of {side}"
            for side, values, runs in (("A", there[0], old), ("B", there[1], new))
            if len(values) < len(runs)
        )
        if name in (_ACHIEVED, _DELIVERIES):
            judgement, detail = Judgement.CANNOT_TELL, f"nothing {where}"
            if lacking[0] != lacking[1]:
                judgement = Judgement.WORSE if lacking[1] > lacking[0] else Judgement.BETTER
            means: list[float | None] = [math.fsum(values) / len(runs) for values, runs in zip(there, (old, new), strict=True)]
        else:
            judgement, detail = Judgement.CANNOT_TELL, f"missing {where}"
            means = [math.fsum(values) / len(values) if values else None for values in there]
        runs_told = (len(old), len(new)) if name in (_ACHIEVED, _DELIVERIES) else (len(there[0]), len(there[1]))
        found.append(Found(name=name, a=means[0], b=means[1], runs=runs_told, judgement=judgement, detail=detail))
    return found


def _judged(
    name: str,
    a: Sequence[float],
    b: Sequence[float],
    test: Difference | None,
    latency: bool,
    p: dict[str, dict[str, float]],
) -> Found:
    means, runs = (math.fsum(a) / len(a), math.fsum(b) / len(b)), (len(a), len(b))
    if test is None:
        said = "one run has no spread: repeat it, three times a side or more"
        return Found(
            name=name,
            a=means[0],
            b=means[1],
            runs=runs,
            judgement=Judgement.CANNOT_TELL,
            change=means[1] / means[0] - 1,
            detail=said,
        )
    more, less = p["above"][name], p["below"][name]
    # More is worse for a latency and better for a rate. Equivalence needs no correction: each is asked for, and all of them.
    if more <= ALPHA:
        judgement, value = (Judgement.WORSE if latency else Judgement.BETTER), more
    elif less <= ALPHA:
        judgement, value = (Judgement.BETTER if latency else Judgement.WORSE), less
    elif test.outside <= ALPHA:
        judgement, value = Judgement.SAME, test.outside
    else:
        judgement, value = Judgement.CANNOT_TELL, min(more, less, test.outside)
    detail = {Judgement.SAME: "too small to matter", Judgement.CANNOT_TELL: "too few runs for so much noise"}.get(judgement, "")
    change, low, high = (math.expm1(value_) for value_ in (test.estimate, test.low, test.high))
    return Found(
        name=name,
        a=means[0],
        b=means[1],
        runs=runs,
        judgement=judgement,
        change=change,
        low=low,
        high=high,
        p=value,
        detail=detail,
    )


def _counted(name: str, a: Sequence[int], b: Sequence[int]) -> Found:
    """Judge what must be nothing: some where there was none is worse, whatever the number of runs."""
    judgement, detail = Judgement.SAME, ""
    if any(a) != any(b):
        judgement = Judgement.WORSE if any(b) else Judgement.BETTER
    elif any(a):
        judgement, detail = Judgement.CANNOT_TELL, "on both sides, where there should be none"
    return Found(name=name, a=sum(a) / len(a), b=sum(b) / len(b), runs=(len(a), len(b)), judgement=judgement, detail=detail)


def _count(report: LoadReport, name: str) -> int:
    return report.counts.get(name, 0)


def _values(reports: Sequence[LoadReport]) -> dict[str, list[float]]:
    """Give the figures that every run of a side has, by name; those that are nothing or less have no ratio."""
    runs = [_of_run(report) for report in reports]
    names = [name for name in runs[0] if all(name in run for run in runs)]
    return {name: [run[name] for run in runs] for name in names}


def _of_run(report: LoadReport) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in report.latencies:
        if part.window == "measured" and not part.room_size and not part.from_actual:
            if part.of == "message" and part.name in _STAGES:
                found[f"{part.name} p50 ms"], found[f"{part.name} p99 ms"] = part.p50 or 0.0, part.p99 or 0.0
            elif part.of == "act" and part.count >= 100:
                found[f"{part.name} p99 ms"] = part.p99 or 0.0
    for window in report.windows:
        if window.window == "measured":
            found[_DELIVERIES] = window.deliveries_per_second
            found[_ACHIEVED] = window.done / window.offered if window.offered else 0.0
    # Next to nothing has no ratio either: a number so small comes of no run.
    return {name: value for name, value in found.items() if value > 1e-12}


def exit_code(comparison: Comparison) -> int:
    """Give the exit code: 0 same or better, 2 worse, 3 cannot tell."""
    return {Judgement.WORSE: 2, Judgement.CANNOT_TELL: 3}.get(comparison.judgement, 0)
