"""Taking secrets out of what is told: by what they are called, by their shape, and the very values one knows of."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = ["Redactor"]

_SHORTEST = 6

# Names under which the Matrix APIs, the identity server and the scanner carry secrets.
_KEYS = frozenset(
    [
        "access_token",
        "refresh_token",
        "login_token",
        "id_access_token",
        "token",
        "loginToken",
        "password",
        "new_password",
        "old_password",
        "client_secret",
        "clientSecret",
        "session",
        "sid",
        "session_key",
        "private_key",
        "ephemeral_private_key",
        "macaroon",
        "secret",
        "registration_shared_secret",
        "recovery_key",
        "recovery_code",
        "passphrase",
        "nonce",
        "mac",
        "k",
        "key_bytes",
        "admin_token",
        "authorization",
        "cookie",
        "set-cookie",
        "x-matrix",
        "proxy-authorization",
    ]
)
_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization", "x-api-key"})
_NAMES = "|".join(sorted((re.escape(key) for key in _KEYS - {"k", "mac", "session", "nonce"}), key=len, reverse=True))

_SHAPES = (
    # In a query, a form or a fragment: name=value.
    (re.compile(rf"(?i)\b({_NAMES})=([^&\s\"'<>#;]+)"), r"\1=<redacted>"),
    # In JSON or a Python literal inside a text, its quotes escaped or not.
    (re.compile(rf"(?i)(\\*[\"'](?:{_NAMES})\\*[\"']\s*:\s*\\*[\"'])((?:(?!\\*[\"']).)+)"), r"\1<redacted>"),
    (re.compile(r"(?i)\b(Bearer|Basic)\s+(?!<redacted)[A-Za-z0-9._~+/=-]{6,}"), r"\1 <redacted>"),
    (re.compile(r"X-Matrix\s+[^\r\n]+"), "X-Matrix <redacted>"),
    # Synapse's access, refresh and login tokens.
    (re.compile(r"\b(?:syt|syr|syl|mat|mct)_[A-Za-z0-9_=-]{6,}"), "<redacted>"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL), "<redacted>"),
)
_MARK = "<redacted>"


def _forms(secret: str) -> set[str]:
    """Give the ways in which a secret may be written."""
    raw = secret.encode()
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    forms |= {quote(secret, safe=""), quote_plus(secret), quote(secret), raw.hex(), raw.hex().upper()}
    forms |= {json.dumps(form)[1:-1] for form in tuple(forms)}
    for encoded in (base64.b64encode(raw), base64.urlsafe_b64encode(raw)):
        forms |= {encoded.decode(), encoded.decode().rstrip("=")}
    return {form for form in forms if len(form) >= _SHORTEST}


class Redactor:
    """Cleans texts and structures; learns the secrets that it should know by value."""

    def __init__(self) -> None:
        """Know no values yet."""
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, secret: str) -> None:
        """Remember a value; one shorter than six characters would take ordinary words out and is left."""
        if len(secret) >= _SHORTEST and secret not in self._forms:
            self._forms |= _forms(secret)
            self._pattern = None

    def learn_from(self, value: Any) -> None:
        """Remember every value that a structure names as a secret."""
        if isinstance(value, Mapping):
            for key, each in value.items():
                if str(key).lower() in _KEYS and isinstance(each, str):
                    self.learn(each)
                else:
                    self.learn_from(each)
        elif isinstance(value, (list, tuple)):
            for each in value:
                self.learn_from(each)

    def text(self, text: str) -> str:
        """Clean a text."""
        if self._forms:
            if self._pattern is None:
                # The longest first: a form can be the beginning of another.
                ordered = sorted(self._forms, key=len, reverse=True)
                self._pattern = re.compile("|".join(re.escape(form) for form in ordered))
            text = self._pattern.sub(_MARK, text)
        for pattern, replacement in _SHAPES:
            text = pattern.sub(replacement, text)
        return text

    def clean(self, value: Any) -> Any:
        """Clean a structure: what is named as a secret goes whole, texts are cleaned, and texts of JSON are opened."""
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._named(str(key), each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean(each) for each in value]
        if isinstance(value, bytes):
            return self.clean(value.decode("utf-8", "replace"))
        if isinstance(value, str):
            return self._string(value)
        return value

    def _named(self, key: str, value: Any) -> Any:
        if key.lower() in _KEYS and isinstance(value, (str, bytes, int)) and not isinstance(value, bool):
            return _MARK
        return self.clean(value)

    def _string(self, value: str) -> str:
        if value[:1] in "{[":
            try:
                content = json.loads(value)
            except ValueError:
                return self.text(value)
            if isinstance(content, (dict, list)):
                cleaned = self.clean(content)
                # Untouched texts stay as they were written.
                return self.text(value) if cleaned == content else json.dumps(cleaned, ensure_ascii=False)
        return self.text(value)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Clean HTTP headers."""
        return {name: _MARK if name.lower() in _HEADERS else self.text(value) for name, value in headers.items()}
