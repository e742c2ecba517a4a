"""Finding known secrets in a text, however they were written down.

A secret is looked for as it is, in hexadecimal and in base64 (both alphabets, padded or not, at any offset inside
something longer). Percent forms, backslash escapes and HTML entities are undone first, three deep where need be,
while it is remembered where each character came from: so it does not matter which characters a client chose to escape.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from ahocorasick_rs import AhoCorasick

from reports.placeholders import KINDS, PLACEHOLDER, placeholder

__all__ = ["SHORTEST", "Literals"]

SHORTEST = 6
"""Learnt values with fewer characters would take ordinary words out; they are not looked for."""

_DEPTH = 3
Span = tuple[int, int]
# A text, and for each of its characters where in the original it began; one more entry for the end.
View = tuple[str, Sequence[int]]


def _base64(raw: bytes) -> Iterator[str]:
    """Give the base64 forms of a secret, alone and as the middle of something longer at each of three offsets."""
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        alone = encode(raw).decode()
        yield alone
        yield alone.rstrip("=")
        for before in (0, 1, 2):
            # The characters at both edges also carry bits of the neighbours: only those in between are the secret's.
            first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
            yield encode(b"\0" * before + raw).decode()[first:last]


def forms(secret: str | bytes) -> set[str]:
    """Give the spellings under which a secret is looked for."""
    raw = secret if isinstance(secret, bytes) else secret.encode("utf-8", "surrogatepass")
    # UTF-8 read as Latin-1 is how logs spoil accents, and how bytes are searched.
    found = {raw.hex(), raw.hex().upper(), raw.decode("latin-1"), *_base64(raw)}
    # Bytes that are no text show as none; a text's own U+FFFD is a character like others.
    with suppress(UnicodeDecodeError):
        found.add(raw.decode() if isinstance(secret, bytes) else secret)
    found |= {form.replace(" ", "+") for form in tuple(found)}
    return {form for form in found if len(form) >= SHORTEST}


_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_BACKSLASH = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[\"'\\/bfnrt])")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _percent(written: str) -> list[tuple[str, int]]:
    """Undo a run of percent forms: characters, each with the length that it had in the run."""
    raw = bytes.fromhex(written.replace("%", ""))
    text = raw.decode("utf-8", "surrogateescape")
    return [(each, 3 * len(each.encode("utf-8", "surrogateescape"))) for each in text]


def _backslash(written: str) -> list[tuple[str, int]]:
    if written[1] != "u":
        return [(_ESCAPES.get(written[1], written[1]), len(written))]
    units = b"".join(int(unit, 16).to_bytes(2, "big") for unit in written.split("\\u")[1:])
    return [(units.decode("utf-16-be", "replace"), len(written))]


def _entity(written: str) -> list[tuple[str, int]]:
    text = html.unescape(written)
    return [(text, len(written))] if len(text) == 1 else [(each, 1) for each in written]


_DECODERS: tuple[tuple[str, re.Pattern[str], Callable[[str], list[tuple[str, int]]]], ...] = (
    ("%", _PERCENT, _percent),
    ("\\", _BACKSLASH, _backslash),
    ("&", _ENTITY, _entity),
)


def _decoded(view: View, pattern: re.Pattern[str], undo: Callable[[str], list[tuple[str, int]]]) -> View | None:
    """Undo one kind of escape in a view; None where there is none."""
    text, origin = view
    pieces: list[str] = []
    starts: list[int] = []
    last = 0
    for match in pattern.finditer(text):
        pieces.append(text[last : match.start()])
        starts.extend(origin[last : match.start()])
        at = match.start()
        for character, length in undo(match.group()):
            # An escape that stands for a lone surrogate cannot be searched, and is no part of a secret.
            pieces.append(character if not "\ud800" <= character <= "\udfff" else "\ufffd")
            starts.append(origin[at])
            at += length
        last = match.end()
    if last == 0:
        return None
    pieces.append(text[last:])
    starts.extend(origin[last:])
    return "".join(pieces), starts


def _views(view: View, depth: int = _DEPTH) -> Iterator[View]:
    yield view
    if depth == 0:
        return
    for sign, pattern, undo in _DECODERS:
        if sign in view[0] and (under := _decoded(view, pattern, undo)) is not None:
            yield from _views(under, depth - 1)


class Literals:
    """The secrets that are known by value."""

    def __init__(self) -> None:
        """Know none yet."""
        self._learnt: set[tuple[str | bytes, str]] = set()
        self._kinds: dict[str, str] = {}
        self._patterns: list[str] = []
        self._search: AhoCorasick | None = None

    def learn(self, secret: str | bytes, kind: str) -> None:
        """Look for this value from now on; what is too short, or part of a placeholder, is not looked for."""
        mark = placeholder(kind)
        # A token comes with every request of its owner.
        if len(secret) < SHORTEST or (secret, kind) in self._learnt:
            return
        self._learnt.add((secret, kind))
        for form in forms(secret):
            if "<redacted:" in form or any(form in placeholder(each) for each in KINDS):
                continue
            self._kinds.setdefault(form, mark)
            self._search = None

    def __contains__(self, text: str) -> bool:
        """Tell whether the whole text is a form of a known secret."""
        return text in self._kinds

    def replace(self, text: str) -> str:
        """Put a placeholder where a known secret stands; overlapping ones become one. `text` is well-formed UTF-8."""
        if not self._kinds or len(text) < SHORTEST:
            return text
        if self._search is None:
            self._patterns = list(self._kinds)
            self._search = AhoCorasick(self._patterns, store_patterns=False)
        while spans := self._found(text, self._search):
            pieces: list[str] = []
            last = 0
            for start, end, mark in spans:
                pieces += text[last:start], mark
                last = end
            text = "".join(pieces) + text[last:]
        return text

    def _found(self, text: str, search: AhoCorasick) -> list[tuple[int, int, str]]:
        """Give the stretches to replace, merged and in order; what is a placeholder already is left."""
        kept = [match.span() for match in PLACEHOLDER.finditer(text)] if "<redacted:" in text else []
        spans: list[tuple[int, int, str]] = []
        for seen, origin in _views((text, range(len(text) + 1))):
            for number, start, end in search.find_matches_as_indexes(seen, overlapping=True):
                span = (origin[start], origin[end])
                if not any(left <= span[0] and span[1] <= right for left, right in kept):
                    spans.append((*span, self._kinds[self._patterns[number]]))
        if not spans:
            return []
        # A placeholder that is cut into goes with what cuts it: no half of one is left behind.
        for left, right in kept:
            if any(start < right and left < end for start, end, _ in spans):
                spans.append((left, right, text[left:right]))
        spans.sort(key=lambda span: (span[0], -span[1]))
        merged = [spans[0]]
        for start, end, mark in spans[1:]:
            before = merged[-1]
            if start < before[1]:
                merged[-1] = (before[0], max(before[1], end), before[2])
            else:
                merged.append((start, end, mark))
        return merged
