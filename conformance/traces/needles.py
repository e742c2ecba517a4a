"""How a mark may be written: every encoding in which a server could hold it without meaning to."""

from __future__ import annotations

import base64
import html
import json
import quopri
import unicodedata
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, quote_plus

__all__ = ["Mark", "needles"]

# A shorter piece would be found by chance in enough megabytes.
_SHORTEST = 8


@dataclass(frozen=True)
class Mark:
    """Something to look for: a text that was written, or a key that a client holds, as bytes."""

    name: str
    value: bytes
    kind: Literal["text", "key"] = "text"

    @classmethod
    def of(cls, name: str, text: str) -> Mark:
        """Make a mark of a text."""
        return cls(name, text.encode())


def _base64_forms(name: str, raw: bytes) -> dict[bytes, str]:
    """Give what stays the same of the bytes' base64 wherever they begin in what is encoded: three alignments."""
    found = {}
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + raw)
        first, last = -(-offset * 8 // 6), (offset + len(raw)) * 8 // 6
        for piece in (encoded[first:last], encoded[first:last].translate(bytes.maketrans(b"+/", b"-_"))):
            found[piece] = f"{name} in base64"
    return found


def _of_bytes(name: str, raw: bytes) -> dict[bytes, str]:
    plain = raw.hex().encode()
    return {raw: name, plain: f"{name} in hex", plain.upper(): f"{name} in hex", **_base64_forms(name, raw)}


def _of_text(text: str) -> dict[bytes, str]:
    found = _of_bytes("UTF-8", text.encode())
    for encoding in ("utf-16-le", "utf-16-be"):
        found |= _of_bytes(encoding.upper(), text.encode(encoding))
    once = json.dumps(text)[1:-1]
    for escaped in (once, _upper_escapes(once)):
        twice = json.dumps(escaped)[1:-1]
        for depth, form in (("JSON", escaped), ("JSON in JSON", twice), ("JSON thrice", json.dumps(twice)[1:-1])):
            found[form.encode()] = depth
            found |= _base64_forms(depth, form.encode())
    for form in (quote(text, safe=""), quote(text), quote_plus(text)):
        found[form.encode()] = "URL"
        found[_lower_percent(form).encode()] = "URL"
    found[html.escape(text).encode("ascii", "xmlcharrefreplace")] = "HTML"
    found[quopri.encodestring(text.encode())] = "quoted-printable"
    return found


def _upper_escapes(text: str) -> str:
    pieces = text.split("\\u")
    return pieces[0] + "".join("\\u" + piece[:4].upper() + piece[4:] for piece in pieces[1:])


def _lower_percent(text: str) -> str:
    pieces = text.split("%")
    return pieces[0] + "".join("%" + piece[:2].lower() + piece[2:] for piece in pieces[1:])


def needles(mark: Mark) -> dict[bytes, str]:
    """Give the byte strings to look for, each with the name of its encoding."""
    if mark.kind == "key":
        found = _of_bytes("raw", mark.value)
    else:
        text = mark.value.decode()
        found = {}
        for form in ("NFC", "NFD"):
            found |= _of_text(unicodedata.normalize(form, text))
    return {needle: encoding for needle, encoding in found.items() if len(needle) >= _SHORTEST}
