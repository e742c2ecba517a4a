"""Looking inside: compressed and archived contents, mails, databases in a file."""

from __future__ import annotations

import email
import email.policy
import io
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["is_sqlite", "opened", "parts_of_mail", "sqlite_values"]

_DEEPEST = 4
_LARGEST = 64 * 1024 * 1024
_SQLITE = b"SQLite format 3\0"


def opened(data: bytes, name: str, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """Give the data, and whatever is inside it, each with a name; bombs are opened to a bound."""
    yield name, data
    if depth >= _DEEPEST:
        return
    for inner_name, inner in _inside(data):
        yield from opened(inner, f"{name} > {inner_name}", depth + 1)


def _inside(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data[:2] == b"\x1f\x8b":
        yield from _inflated(data, 31, "gzip")
    elif data[:1] == b"\x78" and data[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda"):
        yield from _inflated(data, 15, "zlib")
    elif data[:4] == b"PK\x03\x04":
        yield from _unzipped(data)


def _inflated(data: bytes, window: int, name: str) -> Iterator[tuple[str, bytes]]:
    try:
        content = zlib.decompressobj(window).decompress(data, _LARGEST)
    except zlib.error:
        return
    if content:
        yield name, content


def _unzipped(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                yield "zip (name)", member.filename.encode()
                with archive.open(member) as file:
                    yield f"zip {member.filename}", file.read(_LARGEST)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
        return


def parts_of_mail(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Give a mail's subject and the parts of it, decoded."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    yield "subject", str(message["subject"] or "").encode()
    for part in message.walk():
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            yield part.get_content_type(), payload


def is_sqlite(path: Path) -> bool:
    """Tell whether a file is an SQLite database."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def sqlite_values(path: Path) -> Iterator[tuple[str, bytes]]:
    """Give every value of every table, with the table's name; the database is opened for reading alone."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as database:
        database.text_factory = bytes
        tables = [row[0].decode() for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            quoted = table.replace('"', '""')
            for row in database.execute(f'SELECT * FROM "{quoted}"'):  # noqa: S608
                for value in row:
                    if isinstance(value, bytes):
                        yield f"table {table}", value
    database.close()
