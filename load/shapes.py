"""The rate of arrivals over a run: constant, steps, ramp, spike, the curve of a working day, or a recorded one.

Each shape is a line of straight pieces through points (second, arrivals a second); a jump is two points at one second.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from load.windows import Seconds

__all__ = [
    "HIGHEST_RATE",
    "Arrivals",
    "Constant",
    "Day",
    "Point",
    "Ramp",
    "Replay",
    "Spike",
    "Steps",
    "area",
    "cut",
    "peak",
    "scaled",
]

Point = tuple[float, float]
HIGHEST_RATE = 100_000
Rate = Annotated[float, Field(gt=0, le=HIGHEST_RATE)]
Process = Literal["poisson", "even"]
"""How arrivals are spaced at a rate: each on its own, as people come, or like clockwork."""

# Share of the busiest hour in each hour of a working day: nine o'clock, a quiet lunch, the afternoon, the evening's rest.
_DAY = (2, 1, 1, 1, 1, 2, 6, 22, 62, 100, 94, 86, 48, 58, 90, 93, 84, 62, 33, 17, 11, 9, 6, 3)


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    process: Process = "poisson"

    def points(self, total: float) -> list[Point]:
        """Give the points of a run of `total` seconds."""
        raise NotImplementedError


class Constant(_Shape):
    """The same rate throughout."""

    shape: Literal["constant"]
    rate: Rate

    def points(self, total: float) -> list[Point]:
        """Give a level line."""
        return [(0, self.rate), (total, self.rate)]


class Steps(_Shape):
    """One rate after the other, each held for so many seconds; the last one to the end of the run."""

    shape: Literal["steps"]
    rates: tuple[Rate, ...] = Field(min_length=1)
    hold: float = Field(gt=0)

    def points(self, total: float) -> list[Point]:
        """Give stairs."""
        found: list[Point] = []
        for number, rate in enumerate(self.rates):
            found += [(number * self.hold, rate), ((number + 1) * self.hold, rate)]
        return [*found, (max(total, found[-1][0]), self.rates[-1])]


class Ramp(_Shape):
    """From one rate to another, within `seconds` (by default the whole run) after `begin`."""

    shape: Literal["ramp"]
    low: Rate = Field(alias="from")
    high: Rate = Field(alias="to")
    begin: Seconds = 0
    seconds: Seconds | None = None

    def points(self, total: float) -> list[Point]:
        """Give a slope between two level lines."""
        end = self.begin + (self.seconds if self.seconds is not None else max(total - self.begin, 0))
        return [(0, self.low), (self.begin, self.low), (end, self.high), (max(total, end), self.high)]


class Spike(_Shape):
    """A base rate, and a peak that rises at second `begin`, holds and falls."""

    shape: Literal["spike"]
    base: Rate
    peak: Rate
    begin: Seconds
    rise: Seconds = 0
    hold: Seconds
    fall: Seconds = 0

    def points(self, total: float) -> list[Point]:
        """Give the spike."""
        top = self.begin + self.rise
        down = top + self.hold
        end = down + self.fall
        level, high = self.base, self.peak
        return [(0, level), (self.begin, level), (top, high), (down, high), (end, level), (max(total, end), level)]


class Day(_Shape):
    """The curve of a working day, from one hour to another, pressed into the run; `rate` is that of its busiest hour."""

    shape: Literal["day"]
    rate: Rate
    begin_hour: float = Field(default=7, ge=0, lt=24)
    end_hour: float = Field(default=20, gt=0, le=24)

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.begin_hour >= self.end_hour:
            raise ValueError("begin_hour is not before end_hour")
        return self

    def points(self, total: float) -> list[Point]:
        """Give the day's curve; an hour's share stands at its middle."""
        hours = sorted({self.begin_hour, self.end_hour, *(hour + 0.5 for hour in range(24))})
        inside = [hour for hour in hours if self.begin_hour <= hour <= self.end_hour]
        length = self.end_hour - self.begin_hour
        return [((hour - self.begin_hour) / length * total, self.rate * _share(hour)) for hour in inside]


class Replay(_Shape):
    """What a CSV file recorded: a column `at` (seconds, rising), maybe one `act`; `speed` 2 plays it twice as fast."""

    shape: Literal["replay"]
    file: Path
    speed: float = Field(default=1.0, gt=0)

    def points(self, total: float) -> list[Point]:
        """A recording has no rate of its own."""
        raise NotImplementedError


Arrivals = Annotated[Constant | Steps | Ramp | Spike | Day | Replay, Field(discriminator="shape")]


def _share(hour: float) -> float:
    """Give the share of the busiest hour at a time of day, between the middles of the hours."""
    before = int((hour - 0.5) // 1) % 24
    part = (hour - 0.5) % 1
    return (_DAY[before] * (1 - part) + _DAY[(before + 1) % 24] * part) / 100


def peak(points: list[Point]) -> float:
    """Give the highest rate."""
    return max(rate for _, rate in points)


def scaled(points: list[Point], factor: float) -> list[Point]:
    """Give the same shape at another height."""
    return [(at, rate * factor) for at, rate in points]


def cut(points: list[Point], begin: float, end: float) -> list[Point]:
    """Give the part of a shape between two moments."""
    found: list[Point] = []
    for (left, low), (right, high) in pairwise(points):
        a, b = max(left, begin), min(right, end)
        if a < b:
            slope = (high - low) / (right - left)
            found += [(a, low + slope * (a - left)), (b, low + slope * (b - left))]
    return found


def area(points: list[Point]) -> float:
    """Give the number of arrivals that a shape stands for."""
    return sum((after[0] - before[0]) * (before[1] + after[1]) / 2 for before, after in pairwise(points))
