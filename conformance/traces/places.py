"""Where a deployment holds things: the tables of its databases, and the files of its stores, logs, mails and state."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conformance.traces.containers import is_sqlite, opened, parts_of_mail, sqlite_values
from fixtures.deployment import Postgres, Storage

__all__ = ["Folder", "Place", "PostgresDatabase", "places_of"]

_CHUNK = 32 * 1024 * 1024
# Longer than any needle, so that one across two chunks is seen.
_OVERLAP = 64 * 1024


@dataclass(frozen=True)
class Folder:
    """A folder with everything below it."""

    name: str
    path: Path

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Give the content of every file, raw and opened, each with where it was found."""
        for root, _folders, files in os.walk(self.path):
            for name in files:
                path = Path(root) / name
                where = str(path.relative_to(self.path))
                yield f"{where} (name)", name.encode("utf-8", "surrogateescape")
                yield from self._file(path, where)

    def _file(self, path: Path, where: str) -> Iterator[tuple[str, bytes]]:
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                return
            if status.st_size > _CHUNK:
                yield from _chunks(path, where)
                return
            data = path.read_bytes()
        except FileNotFoundError:
            # Gone between the listing and now: files of a living deployment come and go.
            return
        yield from opened(data, where)
        if path.suffix == ".eml":
            for part, content in parts_of_mail(data):
                yield from opened(content, f"{where} > {part}")
        if is_sqlite(path):
            for table, value in sqlite_values(path):
                yield from opened(value, f"{where} > {table}")


def _chunks(path: Path, where: str) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        tail = b""
        while data := file.read(_CHUNK):
            yield where, tail + data
            tail = data[-_OVERLAP:]


@dataclass(frozen=True)
class PostgresDatabase:
    """A database of a PostgreSQL server."""

    name: str
    server: Postgres
    database: str

    def run(self, *statements: str) -> bytes:
        """Run statements by psql and give what they print.

        Raises `OSError` when psql fails: an unread table must not look like an empty one.
        """
        command = [str(self.server.psql), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        command += ["-h", self.server.host, "-p", str(self.server.port), "-U", self.server.user, "-d", self.database]
        for statement in statements:
            command += ["-c", statement]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            raise OSError(f"psql on {self.database}: {done.stderr.decode(errors='replace').strip()[:300]}")
        return done.stdout

    def tables(self) -> list[str]:
        """Name every table of every schema but PostgreSQL's own, quoted."""
        query = (
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        return self.run(query).decode().split()

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Give every table's rows as text, and every binary value decoded and opened."""
        border = f"-- {secrets.token_hex(16)} "
        copies = [f"SELECT '{border}{table}'; COPY {table} TO STDOUT;" for table in self.tables()]
        for piece in self.run(*copies).split(border.encode())[1:]:
            name, _, rows = piece.partition(b"\n")
            where = f"table {name.decode()}"
            yield where, rows
            if b"\\\\x" in rows:
                for field in rows.replace(b"\n", b"\t").split(b"\t"):
                    if field.startswith(b"\\\\x"):
                        yield from opened(bytes.fromhex(field[3:].decode()), f"{where} (binary)")


Place = Folder | PostgresDatabase


def places_of(storage: Storage) -> list[Place]:
    """Give everything that a deployment holds, as far as its description says where."""
    found: list[Place] = []
    if storage.postgres:
        found += [PostgresDatabase(f"database {name}", storage.postgres, name) for name in storage.postgres.databases]
    for kind in ("media", "mail", "state"):
        found += [Folder(f"{kind} {name}", path) for name, path in getattr(storage, kind).items() if path.exists()]
    found += [Folder("logs", path) for path in sorted({path.parent for path in storage.logs.values()})]
    return found
