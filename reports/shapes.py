"""Secrets by their name or shape, where nobody told their value.

Names are compared without case, `_` and `-`, so that `access_token`, `accessToken` and `access-token` are one.
Sources: Matrix client-server, identity and server-server specifications; Synapse's, Sydent's and the content
scanner's own names; RFC 7517 and 7518 for keys; RFC 6265 for cookies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from reports.placeholders import PLACEHOLDER, placeholder

__all__ = ["HEADERS", "JWK_PRIVATE", "NAMES", "by_shape", "plain"]

_KINDS = {
    "token": "access_token refresh_token login_token id_access_token id_token admin_token openid_token token macaroon",
    "password": "password new_password old_password passwd passphrase recovery_key recovery_code",
    "secret": "client_secret secret shared_secret registration_shared_secret form_secret turn_shared_secret",
    "key": "session_key private_key private_keys secret_key signing_key macaroon_secret_key ephemeral_private_key "
    "pickle_key hs_token as_token api_key",
    "session": "sid session",
    "mac": "mac",
    "cookie": "cookie set_cookie",
}
NAMES = {name.replace("_", ""): kind for kind, names in _KINDS.items() for name in names.split()}
"""Plain name (see `plain`) to kind of secret."""

HEADERS = {
    "authorization": "token",
    "proxyauthorization": "token",
    "xmatrix": "signature",
    "xapikey": "key",
    "cookie": "cookie",
    "setcookie": "cookie",
}
"""Headers whose values are secrets."""

JWK_PRIVATE = frozenset({"k", "d", "p", "q", "dp", "dq", "qi"})
"""The private members of a JSON Web Key (RFC 7518, section 6)."""


def plain(name: str) -> str:
    """Give a name without case and joints."""
    return name.lower().replace("_", "").replace("-", "")


def _alternatives(names: list[str]) -> str:
    # Joints are optional in a name, so that one spelling in the table stands for all.
    return "|".join(sorted((name.replace("_", "[_-]?") for name in names), key=len, reverse=True))


_ALL = [name for names in _KINDS.values() for name in names.split()]
_NAME = _alternatives(_ALL)
_QUERY = _alternatives([*_ALL, "signature", "sig"])
_JOINED = _alternatives([name for name in _ALL if "_" in name])
_MARK = PLACEHOLDER.pattern
# What ends the user and password of an address, percent-encoded: delimiters, white space, quotes.
_ENDS = "2F|3F|23|26|20|0A|0D|22|27|3C|3E"
_BASE58 = "[1-9A-HJ-NP-Za-km-z]"


def _named(name: str) -> str:
    key = plain(name)
    return placeholder("signature" if key in {"signature", "sig"} else NAMES.get(key) or HEADERS.get(key, "secret"))


def _pair(match: re.Match[str]) -> str:
    """Keep what leads to the value, replace the value."""
    return match["lead"] + _named(match["name"])


def _fixed(kind: str) -> Callable[[re.Match[str]], str]:
    return lambda match: (match.groupdict().get("lead") or "") + placeholder(kind)


_SHAPES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    # A private key in PEM, its line ends escaped or not, its end cut off or not.
    (re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.S), _fixed("key")),
    # The password in an address, scheme://user:password@host; slashes escaped, or the whole percent-encoded, too.
    (
        re.compile(
            rf"(?P<lead>:\\{{0,8}}/\\{{0,8}}/(?:{_MARK}|[^\s/?#@:\"'<>\\])*:)(?:{_MARK}|[^\s/?#\"'<>\\])+(?=@)",
        ),
        _fixed("password"),
    ),
    (
        re.compile(
            rf"(?i)(?P<lead>%(?:25)*3A%(?:25)*2F%(?:25)*2F(?:{_MARK}|(?!%(?:25)*(?:{_ENDS}|3A|40))[^\s/?#&\"'<>\\])*%(?:25)*3A)"
            rf"(?:{_MARK}|(?!%(?:25)*(?:{_ENDS}))[^\s/?#&\"'<>\\])+(?=%(?:25)*40)"
        ),
        _fixed("password"),
    ),
    # A header in a text, to the end of its line or of the quotes around it.
    (
        re.compile(
            r"(?im)(?P<lead>(?:^|[\s'\"{(,\[])(?P<name>(?:proxy-)?authorization|set-cookie|cookie)['\"]?:[ \t]*(?:b?['\"])?"
            r"(?:(?:Bearer|Basic|X-Matrix)[ \t]+)?)(?:" + _MARK + r"|[^\s'\"<>])(?:" + _MARK + r"|[^\r\n'\"<>])*"
        ),
        _pair,
    ),
    (
        re.compile(r"(?i)(?P<lead>\b(?:Bearer|Basic)[ \t]+)(?=[A-Za-z._~+/=-]*[0-9_])[A-Za-z0-9._~+/=-]{8,}"),
        _fixed("token"),
    ),
    (re.compile(r"(?P<lead>X-Matrix [^\r\n<>]{0,2000}?sig=\\{0,8}\"?)[A-Za-z0-9+/=_-]{16,}"), _fixed("signature")),
    # In JSON or a literal of Python within a text; quotes may be escaped, and the end cut off.
    (
        re.compile(
            rf"(?i)(?P<lead>(?P<quote>\\{{0,8}}[\"'])(?P<name>{_NAME})(?P=quote)\s*[:=]\s*b?(?P<open>\\{{0,8}}[\"']))"
            rf"(?:{_MARK}|(?!(?P=open))(?:\\.|[^\\]))+",
            re.S,
        ),
        _pair,
    ),
    (re.compile(rf"(?i)(?P<lead>\\{{0,8}}[\"'](?P<name>{_NAME})\\{{0,8}}[\"']\s*:\s*)-?[0-9]+(?![0-9.eE])"), _pair),
    (re.compile(r"(?P<lead>\\{0,8}\"k\\{0,8}\"\s*:\s*\\{0,8}\")[A-Za-z0-9_-]{22,}"), _fixed("key")),
    # In a query, a form or a log: name=value; inside a percent-encoded address too.
    (
        re.compile(rf"(?i)(?P<lead>(?:^|[?&;#\s\"'(,{{\[]|u0026)(?P<name>{_QUERY})=)(?:{_MARK}|[^&#\s\"'<>\\])+"),
        _pair,
    ),
    (
        re.compile(
            rf"(?i)(?P<lead>%(?:25)*(?:3F|26|23)(?P<name>{_QUERY})%(?:25)*3D)(?:{_MARK}|(?!%(?:25)*(?:26|23))[^&#\s\"'<>])+"
        ),
        _pair,
    ),
    # In a configuration: name: value, for the names that prose does not use.
    (re.compile(rf"(?im)(?P<lead>(?:^|[\s,{{(])(?P<name>{_JOINED})\s*[:=]\s*)[^\s\"'<>,]{{8,}}"), _pair),
    # Tokens of Synapse and of the Matrix Authentication Service, macaroons, JSON Web Tokens.
    (re.compile(r"(?<![A-Za-z0-9])sy[trla]_[A-Za-z0-9+/=_-]{6,}"), _fixed("token")),
    (re.compile(r"(?<![A-Za-z0-9])m[acu][tr]_[A-Za-z0-9]{16,}_[A-Za-z0-9]{6}"), _fixed("token")),
    (re.compile(r"(?<![A-Za-z0-9+/_-])MDA[A-Za-z0-9][A-Za-z0-9_=+/-]{48,}"), _fixed("token")),
    (re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{8,}"), _fixed("token")),
    # A homeserver's signing key as Synapse writes it, and a person's recovery key.
    (re.compile(r"(?P<lead>\bed25519 a_\w{1,20} )[A-Za-z0-9+/]{43}(?![A-Za-z0-9+/])"), _fixed("key")),
    (re.compile(rf"\bEs{_BASE58}{{2}}(?: ?{_BASE58}{{4}}){{11}}\b"), _fixed("key")),
)

# Most texts are words and ids: one look tells that none of the shapes can be in them.
_HINT = re.compile(
    r"(?i)token|secret|passw|passphrase|sid|session|key|cookie|authorization|bearer|basic|x-matrix|macaroon|recovery"
    r"|mac['\"=%\\]|sig|\"k|MDA|eyJ|sy[trla]_|m[acu][tr]_|\bEs|ed25519"
    r"|/\\{0,8}/[^\s/?#]*@|2F%(?:25)*2F(?:(?!%(?:25)*2F)[^\s/?#&])*%(?:25)*40"
)


# Names of headers, paths, versions: the same few come in every exchange.
_SHORT = 300


def by_shape(text: str) -> str:
    """Take out whatever is shaped, or named in passing, like a secret."""
    return _remembered(text) if len(text) <= _SHORT else _without(text)


def _without(text: str) -> str:
    if _HINT.search(text):
        for pattern, replacement in _SHAPES:
            text = pattern.sub(replacement, text)
    return text


_remembered = lru_cache(maxsize=8192)(_without)
