"""Taking secrets out of whatever is told: known values in any spelling, and what is named or shaped like a secret.

Ids stay readable (people, rooms, events, devices), and so does public ciphertext; in a secret's place stands
`<redacted:kind>`. Cleaning twice gives what cleaning once gave.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from reports.literals import SHORTEST, Literals
from reports.model import parsed, well_formed
from reports.placeholders import PLACEHOLDER, placeholder
from reports.shapes import HEADERS, JWK_PRIVATE, NAMES, by_shape, plain

__all__ = ["Redactor"]

_DEEPEST = 64
_ROUNDS = 6
_SCHEME = re.compile(r"(?i)\s*(Bearer|Basic|X-Matrix)\s+")
_KEY_MATERIAL = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")
_ORDINARY_WORD = re.compile(r"[^\W\d_]{1,15}")


class Redactor:
    """Cleans texts and structures; knows the secrets it was told by value, all others by name and shape."""

    def __init__(self) -> None:
        """Know no values yet."""
        self._literals = Literals()

    def learn(self, secret: str | bytes, kind: str = "secret") -> None:
        """Remove this value wherever it appears from now on; fewer than six characters are ignored.

        `kind` is what the placeholder says. Raises ValueError for a kind that is not in `placeholders.KINDS`.
        """
        self._literals.learn(well_formed(secret), kind)

    def learn_from(self, value: Any, *, depth: int = 0) -> None:
        """Learn every value that a structure names as a secret, but not single ordinary words (a weak password)."""
        if depth > _DEEPEST:
            return
        if isinstance(value, Mapping):
            for key, each in value.items():
                kind = NAMES.get(plain(str(key)))
                if kind and isinstance(each, str):
                    if not _ORDINARY_WORD.fullmatch(each):
                        self.learn(each, kind)
                else:
                    self.learn_from(each, depth=depth + 1)
        elif isinstance(value, (list, tuple)):
            for each in value:
                self.learn_from(each, depth=depth + 1)

    def text(self, text: str) -> str:
        """Clean a text; a text that is JSON is cleaned as JSON."""
        return self._text(text, 0)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Clean HTTP headers."""
        return {self.text(name): self._named(name, value, {}, 0) for name, value in headers.items()}

    def clean(self, value: Any) -> Any:
        """Give a copy without secrets: text, bytes, numbers, and lists, tuples (as lists) and mappings of them."""
        return self._clean(value, 0)

    def _clean(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, (bytes, bytearray)):
            return self._bytes(bytes(value), depth)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, (int, float)):
            return placeholder("secret") if str(value) in self._literals else value
        if depth > _DEEPEST:
            return placeholder("too-deep")
        if isinstance(value, Mapping):
            return {
                self._text(str(key), depth + 1): self._named(str(key), each, value, depth + 1) for key, each in value.items()
            }
        if isinstance(value, (list, tuple)):
            if len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], (str, bytes)):
                # Headers are told as pairs, too.
                return [self._text(value[0], depth + 1), self._header(value[0], value[1], depth + 1)]
            return [self._clean(each, depth + 1) for each in value]
        return value

    def _named(self, name: str, value: Any, beside: Mapping[Any, Any], depth: int) -> Any:
        """Clean a value in the light of its name, and of what stands beside it."""
        key = plain(name)
        if key in HEADERS and isinstance(value, (str, bytes)):
            return self._header(name, value, depth)
        if key in NAMES:
            return self._hidden(value, NAMES[key], depth)
        if key in JWK_PRIVATE and ("kty" in beside or (key == "k" and "key_ops" in beside)):
            return self._hidden(value, "key", depth)
        if key == "key" and "signatures" not in beside and isinstance(value, str) and _KEY_MATERIAL.fullmatch(value):
            return placeholder("key")
        return self._clean(value, depth)

    def _hidden(self, value: Any, kind: str, depth: int) -> Any:
        """Hide every leaf below a secret's name; the empty text, null, true and false tell nothing, and stay."""
        if value is None or isinstance(value, bool) or value in ("", b""):
            return value
        if isinstance(value, Mapping) and depth <= _DEEPEST:
            return {self._text(str(key), depth): self._hidden(each, kind, depth + 1) for key, each in value.items()}
        if isinstance(value, (list, tuple)) and depth <= _DEEPEST:
            return [self._hidden(each, kind, depth + 1) for each in value]
        if isinstance(value, str) and PLACEHOLDER.fullmatch(value):
            return value
        return placeholder(kind)

    def _header(self, name: str, value: str | bytes, depth: int) -> Any:
        kind = HEADERS.get(plain(name))
        if kind is None or not value:
            return self._clean(value, depth)
        scheme = _SCHEME.match(value) if isinstance(value, str) else None
        told = f"{scheme[1]} {placeholder(kind)}" if scheme else placeholder(kind)
        return told if isinstance(value, str) else told.encode()

    def _bytes(self, value: bytes, depth: int) -> bytes:
        # A secret of raw bytes can lie across what UTF-8 reads as characters: first the bytes, then the text.
        known = self._literals.replace(value.decode("latin-1")).encode("latin-1")
        try:
            return self._text(known.decode(), depth).encode()
        except UnicodeDecodeError:
            return by_shape(known.decode("latin-1")).encode("latin-1")

    def _text(self, text: str, depth: int) -> str:
        text = well_formed(text)
        if len(text) < SHORTEST:
            return text
        # What one step takes out can lay the next one open; a few rounds come to rest.
        for _ in range(_ROUNDS):
            cleaned = by_shape(self._literals.replace(self._json(text, depth)))
            if cleaned == text:
                return text
            text = cleaned
        return text

    def _json(self, text: str, depth: int) -> str:
        """Clean a text that is a JSON object, list or string as such; any other, and a clean one, stays as written."""
        if text.lstrip()[:1] not in ("{", "[", '"') or depth > _DEEPEST:
            return text
        try:
            content = parsed(text)
            cleaned = self._clean(content, depth + 1)
            return text if cleaned == content else json.dumps(cleaned, ensure_ascii=False, allow_nan=False)
        except (ValueError, RecursionError):
            return text
