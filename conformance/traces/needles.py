"""How a mark may be written: every encoding in which a server could hold it without meaning to."""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.entities import codepoint2name
from typing import Literal
from urllib.parse import quote

__all__ = ["SHORTEST", "Mark", "Needle", "needles"]

SHORTEST = 8
"""The least bytes of a mark: a shorter one would be found by chance in enough megabytes."""

_NORMAL_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
_FOR_URLS = bytes.maketrans(b"+/", b"-_")
# What the common URL encoders leave as it is: path segments, whole paths, `encodeURIComponent`, form fields.
_LEFT_BY_URLS = ("", "/", "!*'()", "/:@!$&'()*+,;=")


@dataclass(frozen=True)
class Mark:
    """Something to look for: a text that was written, or a key that a client holds, as bytes.

    Raises `ValueError` for fewer than `SHORTEST` bytes, and for a text that is not UTF-8.
    """

    name: str
    value: bytes
    kind: Literal["text", "key"] = "text"

    def __post_init__(self) -> None:
        """Refuse what cannot be looked for: it would be told as not found."""
        if len(self.value) < SHORTEST:
            raise ValueError(f"the mark {self.name!r} has {len(self.value)} bytes; it needs {SHORTEST}")
        if self.kind == "text":
            self.value.decode()

    @classmethod
    def of(cls, name: str, text: str) -> Mark:
        """Make a mark of a text."""
        return cls(name, text.encode())


@dataclass(frozen=True)
class Needle:
    """A byte string that betrays a mark; unless `exact`, its ASCII letters match in either case."""

    mark: Mark
    encoding: str
    pattern: bytes
    exact: bool


def needles(mark: Mark) -> tuple[Needle, ...]:
    """Give all the byte strings to look for, none twice."""
    found: dict[bytes, Needle] = {}
    for encoding, pattern, exact in _of_key(mark.value) if mark.kind == "key" else _of_text(mark.value.decode()):
        if len(pattern) >= SHORTEST and (pattern not in found or (found[pattern].exact and not exact)):
            found[pattern] = Needle(mark, encoding, pattern, exact)
    return tuple(found.values())


_Form = tuple[str, bytes, bool]


def _of_key(raw: bytes) -> Iterator[_Form]:
    yield "raw", raw, True
    yield from _wrapped("raw", raw)
    for separator in (",", ", "):
        yield "list of numbers", separator.join(map(str, raw)).encode(), True
    yield from _escaped_bytes(raw)
    for core in _base64_cores(raw):
        text = core.decode()
        yield from _wrapped("base64", core)
        for encoding in ("utf-16-le", "utf-16-be"):
            yield f"base64 in {encoding.upper()}", text.encode(encoding), True
        for slash in ("\\/", "\\\\/", "\\\\\\/", "\\u002f", "&#x2f;", "&#47;"):
            yield "base64, escaped", text.replace("/", slash).encode(), True
        for safe in ("", "/"):
            for form in (quote(text, safe=safe), quote(quote(text, safe=safe), safe="")):
                yield "base64 in a URL", form.encode(), True
                yield "base64 in a URL", form.replace("%2F", "%2f").replace("%2B", "%2b").encode(), True


def _of_text(given: str) -> Iterator[_Form]:
    for normal in _NORMAL_FORMS:
        text = unicodedata.normalize(normal, given)
        raw = text.encode()
        yield normal, raw, False
        yield from _wrapped("UTF-8", raw)
        for core in _base64_cores(raw):
            yield from _wrapped("base64", core)
        yield from _escaped_bytes(raw)
        yield "quoted-printable", _quoted_printable(raw), False
        yield "quoted-printable", _quoted_printable(raw).replace(b" ", b"_"), False
        yield "UTF-8 twice", raw.decode("latin-1").encode(), False
        for encoding in ("utf-16-le", "utf-16-be"):
            yield encoding.upper(), text.encode(encoding), False
            yield from _wrapped(encoding.upper(), text.encode(encoding))
        for name, forms in (("JSON", _json(text)), ("URL", _url(text)), ("HTML", _html(text))):
            for form in forms:
                yield name, form.encode(), False
                yield from _wrapped(name, form.encode())
                yield f"{name}, COPY", _copied(form).encode(), False
        yield "COPY", _copied(text).encode(), False
        # Databases and search indexes fold case; ASCII's is folded by the search itself.
        for changed in (text.lower(), text.upper(), _unaccented(text)):
            yield "folded", changed.encode(), False
        try:
            yield "Latin-1", text.encode("latin-1"), False
        except UnicodeEncodeError:
            continue


def _wrapped(name: str, raw: bytes) -> Iterator[_Form]:
    yield f"{name} in hex", raw.hex().encode(), False
    for core in _base64_cores(raw):
        yield f"{name} in base64", core, True


def _base64_cores(raw: bytes) -> set[bytes]:
    """Give what stays the same of the bytes' base64 wherever they begin in what is encoded: three alignments."""
    cores = set()
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + raw)
        core = encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        cores |= {core, core.translate(_FOR_URLS)}
    return cores


def _json(text: str) -> set[str]:
    units = text.encode("utf-16-be").hex()
    every = "".join("\\u" + units[i : i + 4] for i in range(0, len(units), 4))
    once = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], every}
    # Encoders made for web pages also escape what HTML reads, and the slash.
    for character in "<>&'":
        once |= {form.replace(character, f"\\u{ord(character):04x}") for form in once}
    once |= {form.replace("/", "\\/") for form in once}
    twice = {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in once for ascii_only in (True, False)}
    return once | twice | {json.dumps(form)[1:-1] for form in twice}


def _url(text: str) -> set[str]:
    once = {quote(text, safe=safe) for safe in _LEFT_BY_URLS}
    once |= {form.replace("~", "%7E") for form in once} | {"".join(f"%{byte:02X}" for byte in text.encode())}
    once |= {form.replace("%20", "+") for form in once}
    return once | {form.replace("%", "%25") for form in once}


def _html(text: str) -> set[str]:
    def numbered(write: Callable[[int], str]) -> str:
        return "".join(c if ord(c) < 128 else write(ord(c)) for c in escaped)

    found = set()
    for plain in (html.escape(text), html.escape(text, quote=False), html.escape(text).replace("&#x27;", "&#39;")):
        for escaped in (plain, plain.replace("&quot;", "&#34;"), plain.replace("&#39;", "&apos;")):
            found |= {escaped, numbered(lambda point: f"&#{point};"), numbered(lambda point: f"&#x{point:x};")}
            found.add(numbered(lambda point: f"&{codepoint2name[point]};" if point in codepoint2name else chr(point)))
    return found


def _escaped_bytes(raw: bytes) -> Iterator[_Form]:
    # A program's own notation in a log, and PostgreSQL's "escape" form of bytea.
    written = repr(raw)[2:-1]
    octal = "".join(chr(b) if 32 <= b < 127 and b != 92 else "\\\\" if b == 92 else f"\\{b:03o}" for b in raw)
    for form in {written, written.replace("\\'", "'"), written.replace("\\'", "'").replace("'", "\\'"), octal}:
        yield "escaped bytes", form.encode(), False
        yield "escaped bytes", _copied(form).encode(), False


def _quoted_printable(raw: bytes) -> bytes:
    return b"".join(b"=%02X" % byte if byte > 126 or byte < 32 or byte == 61 else bytes((byte,)) for byte in raw)


def _copied(text: str) -> str:
    """Write a text as PostgreSQL's COPY does."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _unaccented(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
