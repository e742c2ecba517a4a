"""Looking for marks in places: one pass of an automaton over everything, and over what is packed inside."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ahocorasick_rs import BytesAhoCorasick, Implementation

from conformance.traces.needles import Mark, Needle, needles
from conformance.traces.places import Chunk, Place
from conformance.traces.streams import DEEPEST, LARGEST, MAGIC, Packed, packed

__all__ = ["Found", "NothingSearched", "Trace", "search"]

_WHITE = b" \t\r\n"
_MOST = 20
_PIECE = 256 * 1024
_AROUND = 30
# The table of a deterministic automaton takes up to 0.3 ms and 70 KiB a needle, and is nearly three times as fast to look with.
_WORTH_A_TABLE, _MOST_IN_A_TABLE = 16 * 1024 * 1024, 4_000
_PRINTABLE = bytes(byte if 32 <= byte < 127 else 46 for byte in range(256))
_LIKE_A_KEY = re.compile(rb"[A-Za-z0-9+/=_-]{20,}")
# Soft ends of line, and ends of line that are written out: they part what belongs together.
_SOFT = (b"=\r\n", b"=\n", b"\\\\r", b"\\\\n", b"\\r", b"\\n")


class NothingSearched(Exception):
    """A place held nothing at all, or there was nothing to look for: such a search proves nothing."""


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
    """The traces, at most 20 of a mark in a place, and how much was searched: bytes by place, tables and files by name.

    `cut` names what was packed too deep or too large to be opened to its end.
    """

    traces: list[Trace] = field(default_factory=list)
    searched: dict[str, int] = field(default_factory=dict)
    held: dict[str, set[str]] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)


_Match = tuple[Needle, int, int]


class _Machine:
    """The automaton: all needles, folded to lower case, and with them the beginnings of packed streams."""

    def __init__(self, marks: Sequence[Mark]) -> None:
        self._meant: dict[bytes, list[tuple[Needle, bytes]]] = {}
        for mark in marks:
            for needle in needles(mark):
                for written in {needle.pattern, needle.pattern.translate(None, _WHITE)}:
                    self._meant.setdefault(written.lower(), []).append((needle, written))
        self._ordered = list(dict.fromkeys([*self._meant, *(magic.lower() for magic in MAGIC)]))
        self._kinds = {magic.lower(): (magic, kind) for magic, kind in MAGIC.items()}
        self.longest = max(map(len, self._ordered))
        self._automaton = BytesAhoCorasick(self._ordered)
        self._until_table = _WORTH_A_TABLE if len(self._ordered) <= _MOST_IN_A_TABLE else sys.maxsize

    def look(self, data: bytes) -> tuple[list[_Match], list[tuple[str, int, int]]]:
        """Give the needles in the data, and the beginnings of packed streams, each with start and end."""
        self._until_table -= len(data)
        if self._until_table < 0:
            self._automaton = BytesAhoCorasick(self._ordered, implementation=Implementation.DFA)
            self._until_table = sys.maxsize
        marks: list[_Match] = []
        packs: list[tuple[str, int, int]] = []
        for index, start, end in self._automaton.find_matches_as_indexes(data.lower(), overlapping=True):
            for needle, written in self._meant.get(self._ordered[index], ()):
                if not needle.exact or data[start:end] == written:
                    marks.append((needle, start, end))
            magic, kind = self._kinds.get(self._ordered[index], (b"", ""))
            if kind and data[start:end] == magic:
                packs.append((kind, start, end))
        return marks, packs


@dataclass
class _Budget:
    left: int
    cut: set[str] = field(default_factory=set)


class _Stream:
    """One stream of bytes, fed piece by piece; it feeds the streams packed in it."""

    def __init__(self, machine: _Machine, inside: str = "", depth: int = 0, budget: _Budget | None = None) -> None:
        self.inside, self._machine, self._depth = inside, machine, depth
        self.budget = budget or _Budget(LARGEST)
        self._tail = self._close_tail = self._carry = b""
        self._opening: list[tuple[Packed, _Stream]] = []

    def feed(self, data: bytes) -> Iterator[tuple[str, str, str, str]]:
        """Give mark, encoding, containers and surroundings of each new finding."""
        for begin in range(0, len(data), _PIECE):
            yield from self._feed(data[begin : begin + _PIECE])

    def _feed(self, data: bytes) -> Iterator[tuple[str, str, str, str]]:
        window, known = self._tail + data, len(self._tail)
        self._tail = window[-(self._machine.longest - 1) :]
        marks, packs = self._machine.look(window)
        yield from self._told(window, marks, known)
        yield from self._closed_up(data)
        for opening, stream in self._opening:
            yield from self._open(opening, stream, data)
        for kind, start, end in packs:
            if end <= known:
                continue
            if self._depth == DEEPEST:
                # Two bytes of zlib's come by chance; the others mean what they say.
                if kind != "zlib":
                    self.budget.cut.add(f"{self.inside} > {kind}: too deep")
                continue
            opening, stream = packed(kind), _Stream(self._machine, self.inside, self._depth + 1, self.budget)
            yield from self._open(opening, stream, window[start:])
            if not opening.ended:
                self._opening.append((opening, stream))
        self._opening = [each for each in self._opening if not each[0].ended]

    def _open(self, opening: Packed, stream: _Stream, data: bytes) -> Iterator[tuple[str, str, str, str]]:
        for piece in opening.open(data):
            stream.inside = f"{self.inside} > {opening.name}"
            self.budget.left -= len(piece)
            if self.budget.left < 0:
                opening.ended = True
                self.budget.cut.add(f"{stream.inside}: too large")
                return
            yield from stream.feed(piece)

    def _closed_up(self, data: bytes) -> Iterator[tuple[str, str, str, str]]:
        """Look again without white space and ends of line: base64 in lines, folded texts, soft ends of line."""
        data = self._carry + data
        self._carry = data[len(data.rstrip(b"=\r\\")) :][-4:]
        data = data[: len(data) - len(self._carry)]
        for soft in _SOFT:
            if soft in data:
                data = data.replace(soft, b"")
        window, known = self._close_tail + data.translate(None, _WHITE), len(self._close_tail)
        self._close_tail = window[-(self._machine.longest - 1) :]
        # What may yet turn out to be an end of line may as well be the last of a mark, and of the stream.
        window += self._carry.translate(None, _WHITE)
        yield from self._told(window, self._machine.look(window)[0], known)

    def _told(self, data: bytes, marks: list[_Match], known: int) -> Iterator[tuple[str, str, str, str]]:
        for needle, start, end in marks:
            if end > known:
                yield needle.mark.name, needle.encoding, self.inside, _around(data, start, end, marks)


def _around(data: bytes, start: int, end: int, marks: list[_Match]) -> str:
    """Show what stands beside a finding: no mark, and nothing that could be a key."""
    first, last = max(0, start - _AROUND), min(len(data), end + _AROUND)
    shown = bytearray(data[first:last].translate(_PRINTABLE))
    for _needle, begin, finish in marks:
        # Base64 of a mark has a few letters more on either side.
        here, there = max(begin - 4, first) - first, min(finish + 4, last) - first
        if here < there:
            shown[here:there] = b"\0" * (there - here)
    return _LIKE_A_KEY.sub(b"[...]", re.sub(rb"\0+", b"<mark>", bytes(shown))).decode("ascii")


def _in_chunk(stream: _Stream, chunk: Chunk, machine: _Machine) -> Iterator[tuple[str, str, str, str]]:
    """Search a chunk; where it is made of parts, tell the part."""
    findings = list(stream.feed(chunk.data))
    told = set()
    if findings and chunk.parts is not None:
        for where, data in chunk.parts():
            for mark, encoding, inside, around in _Stream(machine).feed(data):
                told.add(mark)
                yield mark, encoding, f"{where}{inside}", around
    for mark, encoding, inside, around in findings:
        if mark not in told:
            yield mark, encoding, f"{chunk.where}{inside}", around


def _cut(place: Place, where: str, stream: _Stream) -> list[str]:
    return [f"{place.name}, {where}{what}" for what in sorted(stream.budget.cut)]


def search(places: Iterable[Place], marks: Sequence[Mark]) -> Found:
    """Look for every mark in every encoding in all that the places hold.

    Raises `NothingSearched` when there was no mark, no place, or a place held nothing that may not be empty; `OSError`
    when something could not be read.
    """
    if not marks:
        raise NothingSearched("there is no mark to look for")
    machine, found = _Machine(marks), Found()
    for place in places:
        seen: set[tuple[str, ...]] = set()
        counts: dict[str, int] = {}
        size, held = 0, found.held.setdefault(place.name, set())
        stream, last = _Stream(machine), ""
        for chunk in place.contents():
            if chunk.begins:
                found.cut += _cut(place, last, stream)
                stream, last = _Stream(machine), chunk.where
            if chunk.holder:
                held.add(chunk.holder)
                size += len(chunk.data)
            for mark, encoding, where, around in _in_chunk(stream, chunk, machine):
                if (mark, where) in seen or counts.get(mark, 0) == _MOST:
                    continue
                seen.add((mark, where))
                counts[mark] = counts.get(mark, 0) + 1
                found.traces.append(Trace(mark, encoding, place.name, where, around))
        found.cut += _cut(place, last, stream)
        found.searched[place.name] = found.searched.get(place.name, 0) + size
        if not size and not place.may_be_empty:
            raise NothingSearched(f"nothing was there to search in: {place.name}")
    if not found.searched:
        raise NothingSearched("no place was given")
    return found
