"""The proof of the search: marks planted in every place, encoding and container, to be found before anything else is."""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import html
import io
import json
import lzma
import quopri
import secrets
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote, quote_plus

from conformance.traces.needles import Mark
from conformance.traces.places import Folder, Place, PostgresDatabase, SqliteDatabase
from conformance.traces.search import Found, NothingSearched, search

__all__ = ["forms", "key_forms", "mixed", "search_proven"]


def _zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("planté.txt", data)
    return buffer.getvalue()


def _packed(raw: bytes) -> dict[str, bytes]:
    # Only the packed form may betray the planted value: these repeat it so that it is really packed.
    packed = raw * 3
    return {
        "gzip": gzip.compress(packed),
        "gzip behind another": gzip.compress(b"first") + gzip.compress(packed),
        "zlib": zlib.compress(packed),
        "bzip2": bz2.compress(packed),
        "xz": lzma.compress(packed),
        "zip": _zipped(packed),
        "zip behind something": b"\x7fELF" + _zipped(packed),
        "zip in gzip": gzip.compress(_zipped(packed)),
        "gzip in zip in zlib": zlib.compress(_zipped(gzip.compress(packed))),
    }


def forms(text: str) -> dict[str, bytes]:
    """Give a text in every form in which the search must find it; the encoders here are not those of the search."""
    raw = text.encode()
    escaped = json.dumps({"body": text}).encode()
    return {
        "raw": raw,
        "base64": base64.b64encode(raw),
        "base64 without padding": base64.b64encode(raw).rstrip(b"="),
        "base64 for URLs": base64.urlsafe_b64encode(b"\xff\xfe" + raw),
        "base64 of something larger": base64.b64encode(b"x" * 7 + raw + b"y" * 5),
        "base64 of JSON": base64.b64encode(escaped),
        "base64 of base64": base64.b64encode(b"{" + base64.b64encode(b"." + raw) + b"}"),
        "base64 in lines": base64.encodebytes(b"." * 40 + raw + b"." * 40),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "UTF-16 LE": text.encode("utf-16-le"),
        "UTF-16 BE": text.encode("utf-16-be"),
        "JSON": escaped,
        "JSON, readable": json.dumps({"body": text}, ensure_ascii=False).encode(),
        "JSON, slashes escaped": escaped.replace(b"/", b"\\/"),
        "JSON in JSON": json.dumps({"event": escaped.decode()}).encode(),
        "URL": quote(text, safe="").encode(),
        "URL, path": quote(text).encode(),
        "form": quote_plus(text).encode(),
        "HTML": html.escape(text).encode("ascii", "xmlcharrefreplace"),
        "quoted-printable": quopri.encodestring(b"." * 60 + b" " + raw),
        "bytes in a log": repr(raw).encode(),
        **_packed(raw),
    }


def key_forms(key: bytes) -> dict[str, bytes]:
    """Give a key in every form in which the search must find it."""
    armoured = base64.b64encode(key).decode()
    return {
        "raw": b"\0" + key,
        "base64": armoured.encode(),
        "base64 for URLs": base64.urlsafe_b64encode(key),
        "base64, slashes escaped": armoured.replace("/", "\\/").encode(),
        "base64 in a URL": quote(armoured, safe="").encode(),
        "base64 in lines": base64.encodebytes(b"." * 40 + key + b"." * 40),
        "base64 of JSON with base64": base64.b64encode(json.dumps({"key": armoured}).encode()),
        "base64 in UTF-16": armoured.encode("utf-16-le"),
        "hex": key.hex().encode(),
        "list of numbers": json.dumps(list(key)).encode(),
        "bytes in a log": repr(key).encode(),
        **_packed(key),
    }


def mixed() -> tuple[list[Mark], dict[str, bytes]]:
    """Give a mark for each form, and what is to be planted: a form that is missed must not hide behind another."""
    marks, values = [], {}
    for form in forms("x"):
        text = f"planté/«{form}» & {secrets.token_hex(8)}"
        marks.append(Mark.of(form, text))
        values[form] = forms(text)[form]
    for form in key_forms(b"x"):
        # Both letters that base64 for URLs writes otherwise.
        key = b"\xfb\xef\xbe\xff\xff\xff" + secrets.token_bytes(26)
        marks.append(Mark(f"key, {form}", key, "key"))
        values[f"key, {form}"] = key_forms(key)[form]
    return marks, values


@contextlib.contextmanager
def _in_folder(place: Folder, name: str, values: Mapping[str, bytes]) -> Iterator[None]:
    """Plant each form as a file, and all of them in an SQLite database."""
    with ExitStack() as planted:
        for number, data in enumerate(values.values()):
            path = place.path / f"{name}-{number}.bin"
            planted.callback(path.unlink, missing_ok=True)
            path.write_bytes(data)
        database = place.path / f"{name}.db"
        planted.callback(database.unlink, missing_ok=True)
        _fill(database, values)
        yield


def _fill(path: Path, values: Mapping[str, bytes]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute('CREATE TABLE "vigie planted" (raw BLOB, text TEXT)')
        rows = [(data, _as_text(data)) for data in values.values()]
        connection.executemany('INSERT INTO "vigie planted" VALUES (?, ?)', rows)
        connection.commit()


def _as_text(data: bytes) -> str | None:
    try:
        return None if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return None


@contextlib.contextmanager
def _copied(place: SqliteDatabase, values: Mapping[str, bytes]) -> Iterator[SqliteDatabase]:
    """Plant each form in a copy of a database: the homeserver's own stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / place.path.name
        source = sqlite3.connect(f"file:{quote(str(place.path))}?mode=ro", uri=True)
        with contextlib.closing(source), contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        _fill(copy, values)
        yield SqliteDatabase(place.name, copy)


@contextlib.contextmanager
def _in_database(place: PostgresDatabase, name: str, values: Mapping[str, bytes]) -> Iterator[None]:
    """Plant each form in a table of its own: as bytes, in an array of them and, where it is text, as text."""
    table = f'public."{name} table"'
    place.run(f"CREATE TABLE {table} (raw bytea, several bytea[], text text)")
    try:
        for data in values.values():
            text, raw = _as_text(data), f"'\\x{data.hex()}'::bytea"
            quoted = "NULL" if text is None else "'" + text.replace("'", "''") + "'"
            place.run(f"INSERT INTO {table} VALUES ({raw}, ARRAY[{raw}], {quoted})")  # noqa: S608 — all of it is ours
        yield
    finally:
        place.run(f"DROP TABLE {table}")


def _mail_with(text: str) -> bytes:
    message = EmailMessage()
    message["Subject"] = "planted"
    message.set_content(text, cte="base64")
    message.add_attachment(gzip.compress(text.encode() * 3), maintype="application", subtype="gzip")
    return message.as_bytes()


def search_proven(places: Sequence[Place], marks: Sequence[Mark]) -> tuple[Found, list[str]]:
    """Search once, for these marks and for others that are planted everywhere in every form, and taken out again.

    Gives the traces of the marks alone, and what the very same search did not find of the planted ones, as "form in place".
    Raises what `search` does, `NothingSearched` also for a place that holds nothing but what was planted, and for a folder
    that is not there: that is no empty one.
    """
    for place in places:
        if isinstance(place, Folder) and not place.path.is_dir():
            raise NothingSearched(f"{place.name} is not there: {place.path}")
        if not place.may_be_empty and not any(chunk.holder and chunk.data for chunk in place.contents()):
            raise NothingSearched(f"nothing was there to search in: {place.name}")
    name = f"vigie-planted-{secrets.token_hex(4)}"
    sown, values = mixed()
    letter = Mark.of("mail", "planté dans un courriel " + secrets.token_hex(8))
    # Their names are the forms', and might be those of marks.
    sown = [replace(mark, name=f"planted {mark.name}") for mark in [*sown, letter]]
    expected, searched = set(), list[Place]()
    with ExitStack() as planted:
        for place in places:
            expected |= {(place.name, mark.name) for mark in sown[:-1]}
            if isinstance(place, SqliteDatabase):
                # The copy has the planted values; what was deleted, and the journal, are in the original alone.
                searched += [planted.enter_context(_copied(place, values)), place]
                continue
            searched.append(place)
            if isinstance(place, PostgresDatabase):
                planted.enter_context(_in_database(place, name, values))
            elif isinstance(place, Folder):
                planted.enter_context(_in_folder(place, name, values))
            else:
                raise TypeError(f"nothing can be planted in {place.name}")
            if isinstance(place, Folder) and place.name.startswith("mail"):
                path = place.path / f"{name}.eml"
                planted.callback(path.unlink, missing_ok=True)
                path.write_bytes(_mail_with(letter.value.decode()))
                expected.add((place.name, sown[-1].name))
        found = search(searched, [*sown, *marks])
    ours = {mark.name for mark in sown}
    overlooked = expected - {(trace.place, trace.mark) for trace in found.traces}
    found.traces = list(dict.fromkeys(trace for trace in found.traces if trace.mark not in ours))
    return found, sorted(f"{form.removeprefix('planted ')} in {place}" for place, form in overlooked)
