"""PostgreSQL databases: every row of every table of every schema, and the large objects, as psql gives them."""

from __future__ import annotations

import re
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from conformance.traces.chunks import Chunk
from fixtures.deployment import Postgres

__all__ = ["PostgresDatabase"]

_BLOCK = 1024 * 1024
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_MEANT = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"v": b"\v", b"N": b""}
# A bytea in a field, and in an array or a row, where it is escaped again.
_BINARY = re.compile(rb"\\+x((?:[0-9a-f]{2})+)")

# PostgreSQL's own tables as far as one may read them: statistics keep samples of values.
_TABLES = r"""
SELECT c.oid::regclass, c.relkind, string_agg(quote_ident(a.attname), E'\x1f' ORDER BY a.attnum)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relkind IN ('r', 'm') AND NOT (c.relkind = 'm' AND NOT c.relispopulated)
   AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname NOT IN ('pg_toast') AND n.nspname NOT LIKE 'pg\_temp\_%'
   AND c.oid <> 'pg_largeobject'::regclass
   AND (n.nspname NOT IN ('pg_catalog', 'information_schema')
        OR c.relname = 'pg_statistic' AND has_table_privilege(c.oid, 'SELECT'))
 GROUP BY 1, 2 ORDER BY 1
"""
_LARGE_OBJECTS = "SELECT loid, pageno, encode(data, 'hex') FROM pg_largeobject ORDER BY loid, pageno"


_LISTED_AGAIN = 20
# By its number: what else is said of it is in the server's language.
_NOT_THERE = b"42P01"


class _Gone(OSError):
    """A table that was listed is not there any more, and nothing was read yet."""


@dataclass(frozen=True)
class PostgresDatabase:
    """A database of a PostgreSQL server."""

    name: str
    server: Postgres
    database: str
    may_be_empty: bool = False

    def _command(self) -> list[str]:
        command = [str(self.server.psql), "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"]
        command += ["-v", "VERBOSITY=verbose"]
        return [*command, "-h", self.server.host, "-p", str(self.server.port), "-U", self.server.user, "-d", self.database]

    def run(self, *statements: str) -> bytes:
        """Run statements by psql and give what they print.

        Raises `OSError` when psql fails: an unread table must not look like an empty one.
        """
        done = subprocess.run(self._command(), input=_script(statements), capture_output=True, check=False)
        self._check(done.returncode, done.stderr)
        return done.stdout

    def _check(self, returncode: int, errors: bytes) -> None:
        if returncode != 0:
            raise OSError(f"psql on {self.database}: {errors.decode(errors='replace').strip()[:300]}")

    def contents(self) -> Iterator[Chunk]:
        """Give the rows of every table, many in a chunk, and every binary value decoded; then the large objects."""
        for left in reversed(range(_LISTED_AGAIN)):
            try:
                yield from self._contents()
            except _Gone:
                # Synapse has tables for the time of an update of its own, and drops them when it likes.
                if not left:
                    raise
            else:
                return

    def _contents(self) -> Iterator[Chunk]:
        tables = [line.split("\t") for line in self.run(_TABLES).decode().splitlines()]
        border = f"-- {secrets.token_hex(16)} "
        statements = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"]
        # All of them before the first is read: from here on none goes away. A view that is kept cannot be locked so.
        if ordinary := [f"ONLY {table}" for table, kind, _columns in tables if kind == "r"]:
            statements.append(f"LOCK TABLE {', '.join(ordinary)} IN ACCESS SHARE MODE")
        for number, (table, _kind, _columns) in enumerate(tables):
            # `ONLY`: what a table's children hold is told with them. A select also gives columns that are computed.
            copy = f"COPY (SELECT ctid, * FROM ONLY {table}) TO STDOUT"  # noqa: S608 — a name of PostgreSQL's own quoting
            statements += [f"SELECT '{border}{number}'", copy]
        if self.run("SELECT count(*) FROM pg_largeobject_metadata").strip() != b"0":
            statements += [f"SELECT '{border}{len(tables)}'", f"COPY ({_LARGE_OBJECTS}) TO STDOUT"]
        current = ""
        columns: list[str] = []
        for heading, block in self._blocks(statements, border.encode()):
            if heading is not None and heading < len(tables):
                current, columns = f"table {tables[heading][0]}", ["ctid", *tables[heading][2].split("\x1f")]
            elif heading is not None:
                current, columns = "large objects", []
            yield from _rows(current, columns, block) if columns else _pages(block)

    def _blocks(self, statements: list[str], border: bytes) -> Iterator[tuple[int | None, bytes]]:
        """Give whole lines in blocks, and with each table's first its number; raises `_Gone` before the first."""
        given = False
        with tempfile.TemporaryFile() as script, tempfile.TemporaryFile() as errors:
            script.write(_script(statements))
            script.seek(0)
            with subprocess.Popen(self._command(), stdin=script, stdout=subprocess.PIPE, stderr=errors) as psql:
                assert psql.stdout is not None
                for piece in _lines(psql.stdout):
                    given = given or bool(piece)
                    before, *tables = piece.split(border)
                    if before:
                        yield None, before
                    for table in tables:
                        number, _, rows = table.partition(b"\n")
                        yield int(number), rows
            errors.seek(0)
            said = errors.read()
            if psql.returncode != 0 and not given and _NOT_THERE in said:
                raise _Gone(said.decode(errors="replace").strip()[:300])
            self._check(psql.returncode, said)


def _script(statements: tuple[str, ...] | list[str]) -> bytes:
    return "".join(f"{statement};\n" for statement in statements).encode()


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    """Give blocks that end with a line."""
    pending: list[bytes] = []
    while data := source.read(_BLOCK):
        end = data.rfind(b"\n") + 1
        if end:
            yield b"".join([*pending, data[:end]])
            pending = []
        pending.append(data[end:])
    yield b"".join(pending)


def _plain(data: bytes) -> bytes:
    """Undo COPY's escapes ("Text Format" of COPY in PostgreSQL's manual)."""
    return _ESCAPE.sub(lambda found: _MEANT.get(found[1], found[1]), data) if b"\\" in data else data


def _rows(table: str, columns: list[str], block: bytes) -> Iterator[Chunk]:
    def fields() -> Iterator[tuple[str, bytes]]:
        for line in block.split(b"\n")[:-1]:
            row, *values = line.split(b"\t")
            for column, value in zip(columns[1:], values, strict=True):
                yield f"{table}, column {column}, row {row.decode()}", _plain(value)

    yield Chunk(table, _plain(block), holder=table, parts=fields)
    if b"\\x" in block:
        for where, value in fields():
            for binary in _BINARY.finditer(value):
                yield Chunk(f"{where} (binary)", bytes.fromhex(binary[1].decode()))


def _pages(block: bytes) -> Iterator[Chunk]:
    for line in block.splitlines():
        identifier, page, data = line.decode().split("\t")
        yield Chunk(f"large object {identifier}", bytes.fromhex(data), begins=page == "0", holder="large objects")
