"""What a place gives to the search: bytes, and where they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Chunk", "Place", "batched"]

_BATCH = 256 * 1024


@dataclass(frozen=True)
class Chunk:
    """Bytes of a place; one that does not begin continues what the last one began.

    `holder` is the file or table that these bytes are of, empty for what is searched beside: names, values decoded once
    more. `parts` gives the values that a chunk of many is made of, each with where it is, to tell a finding's place.
    """

    where: str
    data: bytes
    begins: bool = True
    holder: str = ""
    parts: Callable[[], Iterator[tuple[str, bytes]]] | None = None


class Place(Protocol):
    """Something that a deployment holds; raises `OSError` for what cannot be read: unread must not look like empty."""

    @property
    def name(self) -> str:
        """Its name, of which the first word is its kind."""

    @property
    def may_be_empty(self) -> bool:
        """Whether it proves something even when it held nothing."""

    def contents(self) -> Iterator[Chunk]:
        """Give all that it holds."""


def batched(where: str, values: Iterator[tuple[str, bytes]]) -> Iterator[Chunk]:
    """Put many small values of a table into one chunk: the search's cost is by the chunk."""
    held: list[tuple[str, bytes]] = []
    size = 0
    for value in values:
        held.append(value)
        size += len(value[1])
        if size >= _BATCH:
            yield _batch(where, held)
            held, size = [], 0
    yield _batch(where, held)


def _batch(where: str, held: list[tuple[str, bytes]]) -> Chunk:
    return Chunk(where, b"\n".join(value for _where, value in held), holder=where, parts=lambda: iter(held))
