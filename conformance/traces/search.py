"""Looking for marks in places, and the proof that they would be found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ahocorasick_rs import BytesAhoCorasick

from conformance.traces.needles import Mark, needles
from conformance.traces.places import Place

__all__ = ["Found", "NothingSearched", "Trace", "search"]


class NothingSearched(Exception):
    """A place held nothing at all: the search of it proves nothing."""


@dataclass(frozen=True)
class Trace:
    """A mark that was found: which, how it was written, and where; `around` shows what stands beside it, not itself."""

    mark: str
    encoding: str
    place: str
    where: str
    around: str

    def __str__(self) -> str:
        """Tell it in a line."""
        return f"{self.mark} ({self.encoding}) in {self.place}, {self.where}: {self.around}"


@dataclass
class Found:
    """The traces, and how much was searched: bytes by place."""

    traces: list[Trace] = field(default_factory=list)
    searched: dict[str, int] = field(default_factory=dict)


def _around(data: bytes, start: int, end: int) -> str:
    before, after = data[max(0, start - 30) : start], data[end : end + 30]
    return f"{before.decode('latin-1')!r}…<mark>…{after.decode('latin-1')!r}"


def search(places: Iterable[Place], marks: Sequence[Mark]) -> Found:
    """Look for every mark in every encoding in all that the places hold.

    Raises `NothingSearched` when a database or the logs held nothing, `OSError` when something could not be read.
    """
    patterns: dict[bytes, tuple[str, str]] = {}
    for mark in marks:
        for needle, encoding in needles(mark).items():
            patterns.setdefault(needle, (mark.name, encoding))
    ordered = list(patterns)
    machine = BytesAhoCorasick(ordered)
    found = Found()
    for place in places:
        size = 0
        for where, data in place.contents():
            size += len(data)
            for pattern, start, end in machine.find_matches_as_indexes(data, overlapping=True):
                mark_name, encoding = patterns[ordered[pattern]]
                found.traces.append(Trace(mark_name, encoding, place.name, where, _around(data, start, end)))
        found.searched[place.name] = found.searched.get(place.name, 0) + size
    empty = [name for name, size in found.searched.items() if size == 0 and name.startswith(("database", "logs"))]
    if empty or not found.searched:
        raise NothingSearched(f"nothing was there to search in: {', '.join(empty) or 'no place was given'}")
    return found
