"""Folders of a deployment: media stores, logs, mails, state, and what was taken down on the wire."""

from __future__ import annotations

import email
import os
import re
import stat
from binascii import Error, a2b_base64
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import Header
from pathlib import Path
from quopri import decodestring

from conformance.traces.chunks import Chunk
from conformance.traces.sqlite import is_sqlite, tables_of

__all__ = ["Folder"]

_CHUNK = 1024 * 1024
_ENCODED_WORD = re.compile(rb"=\?[^?\s]*\?([bBqQ])\?([^?]*)\?=(?:\s+(?==\?))?")


@dataclass(frozen=True)
class Folder:
    """A folder with everything below it, also behind links; sockets and pipes are left out.

    So is what lies under `elsewhere`: folders that are places of their own, and need not be searched twice.
    """

    name: str
    path: Path
    may_be_empty: bool = False
    elsewhere: frozenset[Path] = frozenset()

    def contents(self) -> Iterator[Chunk]:
        """Give the name and content of every file; mails also decoded, SQLite databases also value by value.

        Raises `OSError` for what cannot be read, also for a folder that is not there; a file that goes in the
        meantime is left out.
        """
        visited: set[tuple[int, int]] = set()
        for root, folders, files in os.walk(self.path, onerror=self._refuse, followlinks=True):
            status = Path(root).stat()
            if (status.st_dev, status.st_ino) in visited:
                folders.clear()
                continue
            visited.add((status.st_dev, status.st_ino))
            folders[:] = [name for name in folders if Path(root) / name not in self.elsewhere]
            for name in [*folders, *files]:
                yield Chunk(f"{self._where(Path(root) / name)} (name)", os.fsencode(name))
            for name in files:
                try:
                    yield from self._file(Path(root) / name)
                except FileNotFoundError:
                    # Files of a living deployment come and go.
                    continue

    def _refuse(self, error: OSError) -> None:
        gone = isinstance(error, FileNotFoundError) and Path(error.filename) != self.path
        if not gone:
            raise error

    def _where(self, path: Path) -> str:
        return str(path.relative_to(self.path))

    def _file(self, path: Path) -> Iterator[Chunk]:
        if not stat.S_ISREG(path.stat().st_mode):
            return
        where = self._where(path)
        with path.open("rb") as file:
            begins = True
            while (data := file.read(_CHUNK)) or begins:
                yield Chunk(where, data, begins, holder=where)
                begins = False
        if path.suffix == ".eml":
            for part, content in _parts_of_mail(path.read_bytes()):
                yield Chunk(f"{where} > {part}", content)
        if is_sqlite(path):
            yield from tables_of(path, f"{where} > ")


def _parts_of_mail(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Give all headers and parts of a mail, decoded."""
    message = email.message_from_bytes(data)
    for part in message.walk():
        for name, value in part.items():
            # Headers with raw bytes beyond ASCII come as `Header`; they are in the file itself as they are.
            if not isinstance(value, Header):
                yield f"header {name}", _ENCODED_WORD.sub(_decoded, value.encode("utf-8", "surrogateescape"))
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            yield part.get_content_type(), payload


def _decoded(word: re.Match[bytes]) -> bytes:
    how, text = word.groups()
    if how in b"qQ":
        return decodestring(text, header=True)
    try:
        return a2b_base64(text + b"==")
    except Error:
        # No base64: it stays as it is written.
        return word.group()
