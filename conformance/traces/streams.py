"""Streams of bytes, and the streams packed inside them: gzip, zlib, bzip2, xz and the members of zip archives.

A packed stream is taken up wherever it begins, not only at the start of a file: in an HTTP answer, behind another one,
in an archive with something before it. A beginning that is none shows by its first bytes, and is dropped.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from collections.abc import Iterator
from typing import Protocol

__all__ = ["DEEPEST", "LARGEST", "MAGIC", "Packed", "packed"]

DEEPEST = 8
"""How many times packed streams are opened inside each other: more than the checks of the antivirus pack theirs."""
LARGEST = 256 * 1024 * 1024
"""How many bytes come out of all that is packed in one file or value, at the most."""

MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"PK\x03\x04": "zip",
    b"\x78\x01": "zlib",
    b"\x78\x5e": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}
"""How each kind of packed stream begins."""

_SLICE = 1024 * 1024
# Most beginnings are none: little is handed to zlib before that shows, for it keeps a copy of what it leaves.
_TASTE = 16 * 1024
_ZIP_HEADER = struct.Struct("<4xHHH16xHH")
_ENCRYPTED = 1


class Packed(Protocol):
    """A packed stream that is being opened."""

    ended: bool
    name: str

    def open(self, data: bytes) -> Iterator[bytes]:
        """Take its next bytes and give what was packed in them, a piece at a time; `ended` tells that it is over."""


class _Deflated:
    def __init__(self, name: str, window: int) -> None:
        self.name, self.ended = name, False
        self._machine = zlib.decompressobj(window)

    def open(self, data: bytes) -> Iterator[bytes]:
        for begin in range(0, len(data), _TASTE):
            taken = data[begin : begin + _TASTE]
            while taken and not self.ended:
                try:
                    piece = self._machine.decompress(taken, _SLICE)
                except zlib.error:
                    # Not a packed stream after all, or broken from here on: what came out was given.
                    self.ended = True
                    return
                taken = self._machine.unconsumed_tail
                self.ended = self._machine.eof
                if piece:
                    yield piece
            if self.ended:
                return


class _Compressed:
    def __init__(self, name: str, machine: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self.name, self.ended = name, False
        self._machine = machine

    def open(self, data: bytes) -> Iterator[bytes]:
        while not self.ended:
            try:
                piece = self._machine.decompress(data, _SLICE)
            except (OSError, ValueError, lzma.LZMAError):
                self.ended = True
                return
            data = b""
            self.ended = self._machine.eof
            if piece:
                yield piece
            elif self._machine.needs_input:
                return


class _Member:
    """A member of a zip archive, from its local header on: a broken or encrypted other one does not hide it."""

    def __init__(self) -> None:
        self.name, self.ended = "zip", False
        self._header = b""
        self._inner: _Deflated | None = None

    def open(self, data: bytes) -> Iterator[bytes]:
        if self._inner is None:
            self._header += data
            if len(self._header) < 30:
                return
            _version, flags, method, name, extra = _ZIP_HEADER.unpack_from(self._header)
            if len(self._header) < 30 + name + extra:
                return
            self.name = f"zip {self._header[30 : 30 + name].decode(errors='replace')}"
            # Stored members lie open in the archive itself; encrypted ones say nothing to their keeper.
            self.ended = method != 8 or bool(flags & _ENCRYPTED)
            data, self._header = self._header[30 + name + extra :], b""
            self._inner = _Deflated(self.name, -15)
        if not self.ended:
            yield from self._inner.open(data)
            self.ended = self._inner.ended


def packed(kind: str) -> Packed:
    """Begin to open a packed stream of a kind of `MAGIC`."""
    if kind == "zip":
        return _Member()
    if kind == "bzip2":
        return _Compressed(kind, bz2.BZ2Decompressor())
    if kind == "xz":
        return _Compressed(kind, lzma.LZMADecompressor())
    return _Deflated(kind, 31 if kind == "gzip" else 15)
