"""The proof of the search: a mark planted in every place, encoding and container, to be found before anything else is."""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import io
import json
import quopri
import secrets
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from email.message import EmailMessage
from urllib.parse import quote

from conformance.traces.needles import Mark
from conformance.traces.places import Folder, Place, PostgresDatabase
from conformance.traces.search import search

__all__ = ["forms", "missed"]


def _zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("planté.txt", data)
    return buffer.getvalue()


def forms(text: str) -> dict[str, bytes]:
    """Give a text in every form in which the search must find it."""
    raw = text.encode()
    escaped = json.dumps({"body": text}).encode()
    encoded = {
        "raw": raw,
        "base64": base64.b64encode(raw),
        "base64 without padding": base64.b64encode(raw).rstrip(b"="),
        "base64 for URLs": base64.urlsafe_b64encode(b"\xff\xfe" + raw),
        "base64 of something larger": base64.b64encode(b"x" * 7 + raw + b"y" * 5),
        "base64 of JSON": base64.b64encode(escaped),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "UTF-16 LE": text.encode("utf-16-le"),
        "UTF-16 BE": text.encode("utf-16-be"),
        "JSON": escaped,
        "JSON in JSON": json.dumps({"event": escaped.decode()}).encode(),
        "URL": quote(text, safe="").encode(),
        "HTML": html.escape(text).encode("ascii", "xmlcharrefreplace"),
        "quoted-printable": quopri.encodestring(raw),
    }
    packed = {
        "gzip": gzip.compress(raw),
        "zlib": zlib.compress(raw),
        "zip": _zipped(raw),
        "zip in gzip": gzip.compress(_zipped(raw)),
    }
    return encoded | packed


@contextlib.contextmanager
def _in_folder(place: Folder, name: str, values: dict[str, bytes]) -> Iterator[None]:
    """Plant each form as a file, all of them in an SQLite database, and one as a mail."""
    paths = []
    try:
        for number, data in enumerate(values.values()):
            path = place.path / f"{name}-{number}.bin"
            paths.append(path)
            path.write_bytes(data)
        database = place.path / f"{name}.db"
        paths.append(database)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("CREATE TABLE planted (value BLOB)")
            connection.executemany("INSERT INTO planted VALUES (?)", [(data,) for data in values.values()])
            connection.commit()
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _in_database(place: PostgresDatabase, name: str, values: dict[str, bytes]) -> Iterator[None]:
    """Plant each form in a table of its own, as bytes and, where it is text, as text."""
    table = f"public.{name.replace('-', '_')}"
    rows = []
    for data in values.values():
        try:
            text = "'" + data.decode().replace("'", "''") + "'" if b"\0" not in data else "NULL"
        except UnicodeDecodeError:
            text = "NULL"
        rows.append(f"('\\x{data.hex()}'::bytea, {text})")
    insert = f"INSERT INTO {table} VALUES {', '.join(rows)}"  # noqa: S608 -- names and values are ours
    place.run(f"CREATE TABLE {table} (raw bytea, text text)", insert)
    try:
        yield
    finally:
        place.run(f"DROP TABLE {table}")


def _mail_with(text: str) -> bytes:
    message = EmailMessage()
    message["Subject"] = "planted"
    message.set_content(text, cte="base64")
    return message.as_bytes()


def missed(places: Sequence[Place]) -> list[str]:
    """Plant a mark everywhere in every form, search, take it out again, and tell what the search did not find."""
    name = f"vigie-planted-{secrets.token_hex(4)}"
    # One text for each form: a form that is missed must not be hidden by another that is found.
    texts = {form: f"planté «{form}» & {secrets.token_hex(8)}" for form in forms("x")}
    values = {form: forms(text)[form] for form, text in texts.items()}
    mail = "planté dans un courriel " + secrets.token_hex(8)
    marks = [Mark.of(form, text) for form, text in texts.items()] + [Mark.of("mail", mail)]
    with ExitStack() as planted:
        expected = set()
        for place in places:
            if isinstance(place, Folder):
                planted.enter_context(_in_folder(place, name, values))
            else:
                planted.enter_context(_in_database(place, name, values))
            expected |= {(place.name, form) for form in values}
            if isinstance(place, Folder) and place.name.startswith("mail"):
                letter = place.path / f"{name}.eml"
                planted.callback(letter.unlink)
                letter.write_bytes(_mail_with(mail))
                expected.add((place.name, "mail"))
        found = {(trace.place, trace.mark) for trace in search(places, marks).traces}
    return sorted(f"{form} in {place}" for place, form in expected - found)
