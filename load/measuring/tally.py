"""The figures of a run, or of a part of it: counts and histograms by window, and a slice for each moment of it.

A worker drains its tally into its reports, the master absorbs them: sums and histograms, so that nothing is lost by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from load.goals import STAGES
from load.measuring.histogram import Histogram, record
from load.measuring.room import Cell
from load.windows import Window, Windows

__all__ = ["MOST_OFFENCES", "Offence", "Slice", "Tally"]

MOST_OFFENCES = 200
"""So many offences of each kind are told with their event ids; all are counted."""

_SLICES = 300
_INTENDED_ACKNOWLEDGED, _ACTUAL_ACKNOWLEDGED, _ACKNOWLEDGED_SEEN, _SEEN_DECRYPTED, _INTENDED_SEEN, _INTENDED_DECRYPTED = STAGES


@dataclass(frozen=True, slots=True)
class Offence:
    """Something that must not become of a message: its event id, the device's number, when it was meant, and more."""

    kind: str
    event_id: str
    device: int
    at: float
    reason: str = ""


@dataclass(slots=True)
class Slice:
    """A moment of the run: latencies by the time of intention, counts by the time of what they count."""

    acknowledged: Histogram = field(default_factory=Histogram)
    delivered: Histogram = field(default_factory=Histogram)
    counts: dict[str, int] = field(default_factory=dict)


class Tally:
    """Counts and histograms; `start` is the moment of second 0 on the clock by which everything is told."""

    def __init__(self, windows: Windows, start: float) -> None:
        """Begin with nothing."""
        self.windows, self.start = windows, start
        self.step = max(1, math.ceil(windows.total / _SLICES))
        self._empty()

    def _empty(self) -> None:
        self.cells: dict[tuple[Window, Cell], list[Histogram]] = {}
        self.acts: dict[tuple[Window, str], tuple[Histogram, Histogram]] = {}
        self.latencies: dict[tuple[Window, str], Histogram] = {}
        self.counts: dict[tuple[Window, str], int] = {}
        self.slip = Histogram()
        self.slices: dict[int, Slice] = {}
        self.offences: dict[str, list[Offence]] = {}

    # What is entered.

    def window(self, moment: float) -> Window:
        """Give the window of a moment."""
        return self.windows.at(moment - self.start)

    def count(self, name: str, number: int, moment: float | None = None) -> None:
        """Count something, in the window of a moment; without one, in the measured window."""
        key = ("measured" if moment is None else self.windows.at(moment - self.start), name)
        self.counts[key] = self.counts.get(key, 0) + number

    def slice(self, moment: float) -> Slice:
        """Give the slice of a moment."""
        number = int((moment - self.start) // self.step)
        found = self.slices.get(number)
        if found is None:
            found = self.slices[number] = Slice()
        return found

    def add(self, name: str, moment: float) -> None:
        """Count one of something in the slice and the window of a moment."""
        counts = self.slice(moment).counts
        counts[name] = counts.get(name, 0) + 1
        self.count(name, 1, moment)

    def sent(self, act: str, cell: Cell, intended: float, actual: float, acknowledged: float, expected: int) -> None:
        """Enter a message that was acknowledged, and how many deliveries of it are expected."""
        # Done for every message: by hand, what `act`, `add` and `count` do.
        window, later = self.windows.at(intended - self.start), self.windows.at(acknowledged - self.start)
        stages, pair = self._cell(window, cell), self._act(window, act)
        record((stages[0], pair[0], self.slice(intended).acknowledged), acknowledged - intended)
        record((stages[1], pair[1]), acknowledged - actual)
        there, counts = self.slice(acknowledged).counts, self.counts
        there["done"] = there.get("done", 0) + 1
        there["acknowledged"] = there.get("acknowledged", 0) + 1
        for key, number in (
            ((later, "acknowledged"), 1), ((window, "done"), 1), ((window, "sends"), 1), ((window, "expected"), expected),
        ):  # fmt: skip
            counts[key] = counts.get(key, 0) + number

    def act(self, act: str, intended: float, actual: float, finished: float) -> None:
        """Enter an act that went well."""
        pair = self._act(self.windows.at(intended - self.start), act)
        pair[0].record(finished - intended)
        pair[1].record(finished - actual)
        self.count("done", 1, intended)
        counts = self.slice(finished).counts
        counts["done"] = counts.get("done", 0) + 1

    def latency(self, name: str, seconds: float, moment: float) -> None:
        """Enter a latency of any other kind."""
        key = (self.windows.at(moment - self.start), name)
        found = self.latencies.get(key)
        if found is None:
            found = self.latencies[key] = Histogram()
        found.record(seconds)

    def delivered(self, cell: Cell, intended: float, acknowledged: float, at: float) -> None:
        """Enter that a device saw a message."""
        window = self.windows.at(intended - self.start)
        stages = self._cell(window, cell)
        stages[2].record(at - acknowledged)
        record((stages[4], self.slice(intended).delivered), at - intended)
        counts = self.slice(at).counts
        counts["deliveries"] = counts.get("deliveries", 0) + 1
        key = (window, "delivered")
        self.counts[key] = self.counts.get(key, 0) + 1

    def decrypted(self, cell: Cell, canary: bool, intended: float, seen: float, at: float) -> None:
        """Enter that a device has a message's text."""
        window = self.windows.at(intended - self.start)
        stages = self._cell(window, cell)
        stages[3].record(at - seen)
        stages[5].record(at - intended)
        key = (window, "decrypted-canaries" if canary else "decrypted-crowd")
        self.counts[key] = self.counts.get(key, 0) + 1

    def offence(self, kind: str, event_id: str, device: int, moment: float, reason: str = "") -> None:
        """Enter something that must not become of a message."""
        self.add(kind, moment)
        listed = self.offences.setdefault(kind, [])
        if len(listed) < MOST_OFFENCES:
            listed.append(Offence(kind, event_id, device, moment - self.start, reason))

    def _cell(self, window: Window, cell: Cell) -> list[Histogram]:
        found = self.cells.get((window, cell))
        if found is None:
            found = self.cells[window, cell] = [Histogram() for _ in STAGES]
        return found

    def _act(self, window: Window, act: str) -> tuple[Histogram, Histogram]:
        found = self.acts.get((window, act))
        if found is None:
            found = self.acts[window, act] = (Histogram(), Histogram())
        return found

    # What is asked.

    def total(self, name: str, window: Window | None = None) -> int:
        """Give a count of a window, or of the whole run."""
        return sum(number for (when, what), number in self.counts.items() if what == name and window in (None, when))

    def stage(self, stage: str, window: Window | None, size: str | None = None, kind: str | None = None) -> Histogram:
        """Give the latencies of a stage, of rooms of one size or kind or of all."""
        merged, number = Histogram(), STAGES.index(stage)
        for (when, cell), found in self.cells.items():
            if window in (None, when) and size in (None, cell[0]) and kind in (None, cell[1]):
                merged.merge(found[number])
        return merged

    # What travels.

    def drain(self) -> dict[str, Any]:
        """Give everything since the last time, as JSON and msgpack take it, and begin with nothing."""
        content = {
            "cells": [[window, *cell, [h.packed() for h in found]] for (window, cell), found in self.cells.items()],
            "acts": [[window, act, a.packed(), b.packed()] for (window, act), (a, b) in self.acts.items()],
            "latencies": [[window, name, found.packed()] for (window, name), found in self.latencies.items()],
            "counts": [[window, name, number] for (window, name), number in self.counts.items()],
            "slip": self.slip.packed(),
            "slices": [[n, s.acknowledged.packed(), s.delivered.packed(), s.counts] for n, s in self.slices.items()],
            "offences": [[o.kind, o.event_id, o.device, o.at, o.reason] for found in self.offences.values() for o in found],
        }
        self._empty()
        return content

    def absorb(self, content: dict[str, Any]) -> None:
        """Add what another tally of the same run drained."""
        for window, size, kind, stages in content["cells"]:
            for mine, other in zip(self._cell(window, (size, kind)), stages, strict=True):
                mine.merge(Histogram.unpacked(other))
        for window, act, intended, actual in content["acts"]:
            pair = self.acts.setdefault((window, act), (Histogram(), Histogram()))
            pair[0].merge(Histogram.unpacked(intended))
            pair[1].merge(Histogram.unpacked(actual))
        for window, name, found in content["latencies"]:
            self.latencies.setdefault((window, name), Histogram()).merge(Histogram.unpacked(found))
        for window, name, number in content["counts"]:
            self.counts[window, name] = self.counts.get((window, name), 0) + number
        self.slip.merge(Histogram.unpacked(content["slip"]))
        for number, acknowledged, delivered, counts in content["slices"]:
            part = self.slices.setdefault(int(number), Slice())
            part.acknowledged.merge(Histogram.unpacked(acknowledged))
            part.delivered.merge(Histogram.unpacked(delivered))
            for name, count in counts.items():
                part.counts[name] = part.counts.get(name, 0) + count
        for kind, *rest in content["offences"]:
            listed = self.offences.setdefault(kind, [])
            if len(listed) < MOST_OFFENCES:
                listed.append(Offence(kind, *rest))
