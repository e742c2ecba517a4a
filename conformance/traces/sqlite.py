"""SQLite databases: every value of every table, with what has not yet been written back from the WAL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from conformance.traces.chunks import Chunk, batched

__all__ = ["SqliteDatabase", "is_sqlite", "tables_of"]

_BEGINNING = b"SQLite format 3\0"


@dataclass(frozen=True)
class SqliteDatabase:
    """A database in a file, and what its file holds beyond its tables: deleted values, the journal."""

    name: str
    path: Path
    may_be_empty: bool = False

    def contents(self) -> Iterator[Chunk]:
        """Give the tables' values and the files' bytes; raises `OSError` for what cannot be read."""
        yield from tables_of(self.path)
        for path in (self.path, *(Path(f"{self.path}{end}") for end in ("-wal", "-journal"))):
            if path == self.path or path.exists():
                yield Chunk(path.name, path.read_bytes())


def is_sqlite(path: Path) -> bool:
    """Tell whether a file is an SQLite database."""
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) == _BEGINNING


def tables_of(path: Path, inside: str = "") -> Iterator[Chunk]:
    """Give the values of every table, many in a chunk, `inside` before where they are; raises `OSError`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such database")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)) as database:
            database.text_factory = bytes
            # What a virtual table shows is kept in ordinary ones beside it.
            query = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
            tables = [row[0].decode() for row in database.execute(query)]
            for table in ["sqlite_master", *tables]:
                quoted = table.replace('"', '""')
                rows = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608
                yield from batched(f"{inside}table {table}", _values(f"{inside}table {table}", rows))
    except sqlite3.Error as error:
        raise OSError(f"{path}: {error}") from error


def _values(table: str, rows: sqlite3.Cursor) -> Iterator[tuple[str, bytes]]:
    columns = [column[0] for column in rows.description]
    for number, row in enumerate(rows, 1):
        for column, value in zip(columns, row, strict=True):
            if isinstance(value, bytes):
                yield f"{table}, column {column}, row {number}", value
