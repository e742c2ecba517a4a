"""Latencies, recorded in microseconds to three digits in the very buckets of an HdrHistogram, and merged without loss.

A record is a few operations on an integer and a dictionary; the library's own is six times dearer and is used where it
counts, to write and to read the format.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hdrh.histogram import HdrHistogram

__all__ = ["DIGITS", "HIGHEST", "Histogram", "record"]

LOWEST, HIGHEST, DIGITS = 1, 3_600_000_000, 3
"""From a microsecond to an hour; longer ones are counted as an hour."""

# 2048 buckets of one microsecond each, then 1024 for every doubling: what three digits come to in an HdrHistogram.
_LINEAR = 2048
_LINEAR_BITS = 11


class Histogram:
    """Counts of latencies by bucket; `negative` counts those that came out below zero, recorded as 0."""

    __slots__ = ("counts", "negative")

    def __init__(self) -> None:
        """Begin empty."""
        self.counts: dict[int, int] = {}
        self.negative = 0

    def record(self, seconds: float) -> None:
        """Record a latency."""
        record((self,), seconds)

    @property
    def total(self) -> int:
        """How many were recorded."""
        return sum(self.counts.values())

    def merge(self, other: Histogram) -> None:
        """Add what another one recorded."""
        counts = self.counts
        for index, count in other.counts.items():
            counts[index] = counts.get(index, 0) + count
        self.negative += other.negative

    def percentile(self, percent: float) -> float | None:
        """Give the latency in seconds that at least so many percent did not exceed; None when empty."""
        return next(iter(self.percentiles((percent,))), None)

    def percentiles(self, percents: Iterable[float]) -> Iterator[float]:
        """Give the latencies at rising percentiles, in one pass; nothing when empty."""
        total = self.total
        if not total:
            return
        ordered = iter(sorted(self.counts.items()))
        below, index = 0, 0
        for percent in percents:
            due = max(1, math.ceil(percent / 100 * total - 1e-9))
            while below < due:
                index, count = next(ordered)
                below += count
            yield _highest_of(index) / 1e6

    def below(self, bounds: Iterable[float]) -> list[int]:
        """Count those of at most so many seconds, for each bound."""
        counts = list(self.counts.items())
        return [sum(number for index, number in counts if _highest_of(index) <= bound * 1e6) for bound in bounds]

    def mean(self) -> float | None:
        """Give the mean in seconds, from the middles of the buckets; None when empty."""
        total = self.total
        if not total:
            return None
        return sum((_lowest_of(i) + _highest_of(i)) / 2 * n for i, n in self.counts.items()) / total / 1e6

    def maximum(self) -> float | None:
        """Give the largest in seconds; None when empty."""
        return _highest_of(max(self.counts)) / 1e6 if self.counts else None

    def packed(self) -> list[Any]:
        """Give the content for a worker's report: JSON and msgpack take it."""
        return [self.negative, list(self.counts), list(self.counts.values())]

    @classmethod
    def unpacked(cls, content: list[Any]) -> Histogram:
        """Give back what :meth:`packed` gave."""
        found = cls()
        found.negative = content[0]
        found.counts = dict(zip(content[1], content[2], strict=True))
        return found

    def encoded(self) -> str:
        """Give the histogram as HdrHistogram's compressed V2 text, which any of its libraries reads."""
        histogram = HdrHistogram(LOWEST, HIGHEST, DIGITS)
        for index, count in self.counts.items():
            histogram.counts[index] = count
        histogram.total_count = self.total
        if self.counts:
            histogram.min_value = _lowest_of(min(self.counts)) or histogram.min_value
            histogram.max_value = _highest_of(max(self.counts))
        encoded: bytes = histogram.encode()
        return encoded.decode("ascii")

    @classmethod
    def decoded(cls, text: str) -> Histogram:
        """Read HdrHistogram's text again; it does not carry `negative`."""
        histogram = HdrHistogram.decode(text.encode("ascii"))
        return cls.of({index: count for index, count in enumerate(histogram.counts) if count})

    @classmethod
    def of(cls, counts: Mapping[int, int]) -> Histogram:
        """Make one of counts by bucket."""
        found = cls()
        found.counts = dict(counts)
        return found


def record(histograms: Iterable[Histogram], seconds: float) -> None:
    """Record one latency in several histograms: its bucket is the same in all."""
    value = int(seconds * 1_000_000)
    if value >= _LINEAR:
        value = min(value, HIGHEST)
        shift = value.bit_length() - _LINEAR_BITS
        value = (shift << 10) + (value >> shift)
    elif value < 0:
        for each in histograms:
            each.negative += 1
        value = 0
    for each in histograms:
        counts = each.counts
        counts[value] = counts.get(value, 0) + 1


def _lowest_of(index: int) -> int:
    """Give the smallest value of a bucket, in microseconds."""
    if index < _LINEAR:
        return index
    shift = (index >> 10) - 1
    return ((index & 1023) + 1024) << shift


def _highest_of(index: int) -> int:
    """Give the largest value of a bucket."""
    if index < _LINEAR:
        return index
    return _lowest_of(index) + (1 << ((index >> 10) - 1)) - 1
