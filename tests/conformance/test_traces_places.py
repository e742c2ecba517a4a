"""The search for traces reads all that a folder, an SQLite database and a PostgreSQL database hold."""

from __future__ import annotations

import contextlib
import gzip
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

import pytest

from conformance.traces.needles import Mark
from conformance.traces.places import Chunk, Folder, PostgresDatabase, SqliteDatabase, missing_from, places_of
from conformance.traces.planting import forms, search_proven
from conformance.traces.search import NothingSearched, search
from fixtures.deployment import Postgres, Storage

TEXT = "un secret à chercher"
MARK = Mark.of("it", TEXT)
PACKED = gzip.compress(TEXT.encode() * 3)


def where(place: Folder | SqliteDatabase | PostgresDatabase) -> list[str]:
    return [trace.where for trace in search([place], [MARK]).traces]


def test_names_and_links(tmp_path: Path) -> None:
    (tmp_path / "in" / TEXT).mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_text(TEXT)
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    os.mkfifo(tmp_path / "in" / "pipe")
    assert sorted(where(Folder("state x", tmp_path / "in"))) == ["link/file", f"{TEXT} (name)"]


@contextlib.contextmanager
def as_somebody_ordinary() -> Iterator[None]:
    """Be a user to whom folders can be closed, since root reads everything."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(own)


def test_unreadable_is_not_empty() -> None:
    """The same user reads an open folder and, beside it, not a closed one, which is an error and no silence."""
    with tempfile.TemporaryDirectory(prefix="vigie-places-") as scratch:
        # Not below pytest's own folder: that is closed to others as a whole, and would refuse for its own reason.
        root = Path(scratch)
        root.chmod(0o755)
        (root / "open").mkdir(mode=0o755)
        (root / "open" / "file").write_text(TEXT)
        (root / "closed").mkdir()
        (root / "closed" / "file").write_text(TEXT)
        (root / "closed").chmod(0)
        with as_somebody_ordinary():
            assert where(Folder("state x", root / "open")) == ["file"]
            with pytest.raises(PermissionError):
                where(Folder("state x", root / "closed"))


def test_absent_is_not_empty(tmp_path: Path) -> None:
    folders = Folder("state x", tmp_path / "no"), Folder("media x", tmp_path / "no", may_be_empty=True)
    for place in (*folders, SqliteDatabase("database x", tmp_path / "no.db")):
        with pytest.raises(FileNotFoundError):
            where(place)


@pytest.mark.parametrize("kind", ["media", "mail", "state"])
def test_a_declared_folder_that_is_not_there_is_told_and_not_made(tmp_path: Path, kind: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.log").write_text(TEXT)
    gone = tmp_path / "no" / "such"
    storage = Storage.model_validate({kind: {"a": tmp_path / "there", "b": gone}})
    assert missing_from(storage) == [f"{kind} b in {gone}"]
    with pytest.raises(NothingSearched, match=f"{kind} b is not there: {gone}"):
        search_proven(places_of(storage), [MARK])
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "there", tmp_path / "there" / "a.log"]

    gone.mkdir(parents=True)
    assert missing_from(storage) == []
    found, overlooked = search_proven(places_of(storage), [MARK])
    assert overlooked == [] and [trace.where for trace in found.traces] == ["a.log"]


def test_declared_logs_and_databases_that_are_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    logs = {"a": tmp_path / "a.log", "b": tmp_path / "no" / "b.log"}
    storage = Storage(logs=logs, sqlite=(tmp_path / "a.log", tmp_path / "no.db"))
    assert missing_from(storage) == [f"logs in {tmp_path / 'no'}", f"a database in {tmp_path / 'no.db'}"]


def test_mail_is_decoded(tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"] = f'"{TEXT}" <a@example.org>'
    message.set_content("voir la pièce")
    message.add_attachment(PACKED, maintype="application", subtype="gzip")
    (tmp_path / "a.eml").write_bytes(bytes(message))
    assert sorted(where(Folder("mail x", tmp_path))) == ["a.eml > application/gzip > gzip", "a.eml > header From"]


def test_sqlite_with_its_journal(tmp_path: Path) -> None:
    path = tmp_path / "odd # name?.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute('CREATE TABLE "a b" (n INTEGER, v BLOB) ')
        database.execute("INSERT INTO 'a b' VALUES (1, ?)", (PACKED,))
        database.commit()
        assert "table a b, column v, row 1 > gzip" in where(SqliteDatabase("database x", path))
        assert f"{path.name} > table a b, column v, row 1 > gzip" in where(Folder("state x", tmp_path))


@pytest.fixture
def database(postgres: Postgres) -> Iterator[PostgresDatabase]:
    place = PostgresDatabase("database x", postgres, postgres.databases[0])
    place.run("CREATE SCHEMA vigie_traces")
    yield place
    place.run("DROP SCHEMA vigie_traces CASCADE")


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (['CREATE TABLE vigie_traces."a b" ("c d" text)', f'INSERT INTO vigie_traces."a b" VALUES ({quoted(TEXT)})'], '"c d"'),
        (
            [
                "CREATE TABLE vigie_traces.p (t text) PARTITION BY RANGE (t)",
                "CREATE TABLE vigie_traces.p_all PARTITION OF vigie_traces.p DEFAULT",
                f"INSERT INTO vigie_traces.p VALUES ({quoted(TEXT)})",
            ],
            "p_all",
        ),
        ([f"CREATE MATERIALIZED VIEW vigie_traces.v AS SELECT {quoted(TEXT)} AS t"], "vigie_traces.v"),
        (
            [
                "CREATE TABLE vigie_traces.g (h text, b bytea GENERATED ALWAYS AS (decode(h, 'hex')) STORED)",
                f"INSERT INTO vigie_traces.g VALUES ({quoted(PACKED.hex())})",
            ],
            "column b",
        ),
        ([f"CREATE TABLE vigie_traces.s AS SELECT ARRAY['\\x{PACKED.hex()}'::bytea] AS several"], "column several"),
        (
            [
                r"CREATE TABLE vigie_traces.o AS SELECT '\xzz'::text",
                f"CREATE TABLE vigie_traces.t AS SELECT {quoted(TEXT)} AS t",
            ],
            "t",
        ),
    ],
)
def test_postgres_tables(database: PostgresDatabase, statements: list[str], expected: str) -> None:
    database.run(*statements)
    assert any(expected in each for each in where(database))


def test_a_table_that_is_dropped_once_it_was_listed_is_gone(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Synapse drops its tables for an update when it is done: that is no failure to read, and the others are read."""
    database.run(f"CREATE TABLE vigie_traces.t AS SELECT {quoted(TEXT)} AS t", "CREATE TABLE vigie_traces.passing (t text)")
    run, listed = PostgresDatabase.run, []

    def run_and_drop(place: PostgresDatabase, *statements: str) -> bytes:
        found = run(place, *statements)
        if "pg_class" in statements[0]:
            listed.append(b"vigie_traces.passing" in found)
            run(place, "DROP TABLE IF EXISTS vigie_traces.passing")
        return found

    monkeypatch.setattr(PostgresDatabase, "run", run_and_drop)
    assert any("vigie_traces.t" in each for each in where(database))
    assert listed == [True, False]


def test_a_table_that_may_not_be_read_is_an_error(database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is listed: a database that never comes to rest is not told as searched."""
    run, listed = PostgresDatabase.run, []

    def lists_what_is_not_there(place: PostgresDatabase, *statements: str) -> bytes:
        found = run(place, *statements)
        if "pg_class" in statements[0]:
            listed.append(found)
            found += b"vigie_traces.never\tr\tt\n"
        return found

    monkeypatch.setattr(PostgresDatabase, "run", lists_what_is_not_there)
    with pytest.raises(OSError, match=r"vigie_traces\.never"):
        where(database)
    assert len(listed) > 1


def test_postgres_large_object_across_pages(database: PostgresDatabase) -> None:
    content = b"." * 2040 + TEXT.encode()
    identifier = database.run(f"SELECT lo_from_bytea(0, '\\x{content.hex()}')").decode().strip()
    try:
        assert where(database) == [f"large object {identifier}"]
    finally:
        database.run(f"SELECT lo_unlink({identifier})")


def test_postgres_that_refuses_is_told(postgres: Postgres) -> None:
    with pytest.raises(OSError, match="psql on vigie_absent"):
        where(PostgresDatabase("database x", postgres, "vigie_absent"))


def test_planted_marks_are_found_and_taken_out(tmp_path: Path, postgres: Postgres) -> None:
    for name in ("state", "mail", "media"):
        (tmp_path / name).mkdir()
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("CREATE TABLE t (v)")
    before = sorted(tmp_path.rglob("*"))
    pg = PostgresDatabase("database pg", postgres, postgres.databases[0])
    folders = [Folder("state s", tmp_path / "state"), Folder("mail m", tmp_path / "mail", may_be_empty=True)]
    media = Folder("media m", tmp_path / "media", may_be_empty=True)
    said = Mark.of("said", "ce qui fut dit tout haut")
    (tmp_path / "state" / "a.log").write_bytes(said.value)
    before.append(tmp_path / "state" / "a.log")
    found, overlooked = search_proven([*folders, media, SqliteDatabase("database a", tmp_path / "a.db"), pg], [said])
    assert overlooked == []
    assert [(trace.mark, trace.where) for trace in found.traces] == [("said", "a.log")]
    assert sorted(tmp_path.rglob("*")) == sorted(before)
    assert b"vigie-planted" not in pg.run("SELECT relname FROM pg_class")


def test_what_was_planted_makes_no_full_place_of_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(NothingSearched, match="nothing was there to search in: logs"):
        search_proven([Folder("logs", tmp_path)], [Mark.of("said", "ce qui fut dit tout haut")])


def test_a_place_inside_another_is_searched_once(tmp_path: Path) -> None:
    media, logs = tmp_path / "state" / "media", tmp_path / "logs"
    for folder in (media, logs):
        folder.mkdir(parents=True)
        (folder / "a.log").write_bytes(b"ce qui fut dit tout haut")
    (tmp_path / "state" / "kept.txt").write_bytes(b"ce qui fut dit tout haut")
    storage = Storage(state={"a": tmp_path / "state"}, media={"a": media}, logs={"a": logs / "a.log"})
    found = search(places_of(storage), [Mark.of("said", "ce qui fut dit tout haut")])
    assert sorted((trace.place, trace.where) for trace in found.traces) == [
        ("logs", "a.log"),
        ("media a", "a.log"),
        ("state a", "kept.txt"),
    ]


class Forgetful(Folder):
    """A place of which the search does not get to see one file, nor the database that repeats it."""

    def contents(self) -> Iterator[Chunk]:
        return (each for each in super().contents() if "-3.bin" not in each.where and ".db" not in each.where)


def test_what_the_search_overlooks_is_told(tmp_path: Path) -> None:
    _, overlooked = search_proven([Forgetful("state s", tmp_path, may_be_empty=True)], [Mark.of("said", "dit tout haut")])
    assert overlooked == [f"{list(forms('x'))[3]} in state s"]


def test_what_a_database_deleted_is_searched_where_it_lies_and_not_in_a_copy(tmp_path: Path) -> None:
    said = Mark.of("said", "ce qui fut dit tout haut")
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (v)")
        database.execute("INSERT INTO t VALUES (?)", (said.value,))
        database.commit()
        database.execute("UPDATE t SET v = ?", (b"." * len(said.value),))
        database.commit()
        found, overlooked = search_proven([SqliteDatabase("database a", tmp_path / "a.db")], [said])
    assert overlooked == [] and [trace.where for trace in found.traces] == ["a.db-wal"]
