"""The schedule of a run, drawn ahead from a seeded generator and independent of what the server does (an open model).

Whoever takes longer than meant does not push later arrivals back: that is what keeps omissions out of the figures.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random

from load.errors import ScheduleError
from load.profile import ACTS, Profile
from load.shapes import Point, Replay, area, cut, peak, scaled

__all__ = ["Arrival", "dice", "offered_between", "peak_rate", "replayed", "schedule", "times"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody means to do `act` at `at`, in seconds since the run's start; `number` counts all of the run's arrivals."""

    number: int
    at: float
    act: str


def schedule(profile: Profile, shard: int = 0, shards: int = 1) -> Iterator[Arrival]:
    """Give a worker's share of the arrivals, in order, as they are drawn.

    The shares of any number of workers are together the same arrivals. Raises `ScheduleError` for a recording that is
    not one.
    """
    # Times and acts have generators of their own: another mix does not move the arrivals.
    acts = Random(f"{profile.seed}:acts")  # noqa: S311 -- meant to be repeatable
    names = list(profile.mix)
    bounds = list(accumulate(profile.mix.values()))
    for number, (at, recorded) in enumerate(_moments(profile)):
        act = recorded or names[min(bisect(bounds, acts.random() * bounds[-1]), len(names) - 1)]
        if number % shards == shard:
            yield Arrival(number, at, act)


def dice(profile: Profile, arrival: Arrival) -> Random:
    """Give the dice by which it is chosen who takes up an arrival, in which room, with which words.

    They are the arrival's own: the same people write into the same rooms at every rate, however long others before them took.
    What is found at two rates, or in two runs, is not the difference between two draws.
    """
    return Random(f"{profile.seed}:{arrival.number}")  # noqa: S311 -- meant to be repeatable


def peak_rate(profile: Profile) -> float:
    """Give the highest rate that is meant, in arrivals a second; of a recording that of its busiest second."""
    if isinstance(profile.arrivals, Replay):
        seconds: dict[int, int] = {}
        for at, _ in _moments(profile):
            seconds[int(at)] = seconds.get(int(at), 0) + 1
        return float(max(seconds.values(), default=0))
    return peak(_points(profile))


def offered_between(profile: Profile, begin: float, end: float) -> float:
    """Give how many arrivals a shape means between two moments, on average."""
    return area(cut(_points(profile), begin, end))


def times(points: list[Point], random: Random | None) -> Iterator[float]:
    """Draw arrivals at these rates until the last point: a Poisson process, or evenly spaced without a generator."""
    # Arrivals of rate 1 on the axis of the area below the shape, carried back to the axis of time.
    due = random.expovariate(1.0) if random else 0.5
    below = 0.0
    for (begin, low), (end, high) in pairwise(points):
        piece = (end - begin) * (low + high) / 2
        while piece > 0 and due <= below + piece:
            yield begin + _within(due - below, end - begin, low, high)
            due += random.expovariate(1.0) if random else 1.0
        below += piece


def _within(part: float, length: float, low: float, high: float) -> float:
    """Give the time in a piece after which so much of its area lies behind."""
    slope = (high - low) / length
    if abs(slope) * length < 1e-9 * max(low, high):
        return part / low
    return (math.sqrt(max(low * low + 2 * slope * part, 0.0)) - low) / slope


def _points(profile: Profile) -> list[Point]:
    return scaled(cut(profile.arrivals.points(profile.windows.total), 0, profile.windows.total), profile.factor)


def replayed(profile: Profile) -> str | None:
    """Give the text of what a profile replays, if it does: so that it can be played where the file is not."""
    if not isinstance(profile.arrivals, Replay):
        return None
    if profile.recording is not None:
        return profile.recording
    path = profile.base / profile.arrivals.file
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ScheduleError(f"{path}: cannot be read: {error}") from None


def _moments(profile: Profile) -> Iterator[tuple[float, str]]:
    if isinstance(profile.arrivals, Replay):
        for at, act in _recorded(profile.base / profile.arrivals.file, profile.recording):
            moment = at / profile.arrivals.speed
            if moment >= profile.windows.total:
                return
            yield moment, act
        return
    random = Random(f"{profile.seed}:times")  # noqa: S311 -- meant to be repeatable
    for at in times(_points(profile), random if profile.arrivals.process == "poisson" else None):
        yield at, ""


def _recorded(path: Path, text: str | None = None) -> Iterator[tuple[float, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") if text is None else StringIO(text, newline="") as file:
            rows = csv.DictReader(file)
            if "at" not in (rows.fieldnames or ()):
                raise ScheduleError(f"{path}:1: no column 'at'; columns are at and, if wanted, act")
            last = 0.0
            for row in rows:
                last = _moment(path, rows.line_num, row.get("at"), last)
                act = (row.get("act") or "").strip()
                if act and act not in ACTS:
                    raise ScheduleError(f"{path}:{rows.line_num}: act: no act {act!r}; acts are {', '.join(ACTS)}")
                yield last, act
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScheduleError(f"{path}: cannot be read: {error}") from None


def _moment(path: Path, line: int, text: str | None, last: float) -> float:
    try:
        at = float(text or "")
    except ValueError:
        raise ScheduleError(f"{path}:{line}: at: {text!r} is no number of seconds") from None
    if not math.isfinite(at) or at < last:
        raise ScheduleError(f"{path}:{line}: at: {text} comes after {last:g}; seconds rise from 0")
    return at
