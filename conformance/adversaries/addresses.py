"""Spellings of addresses: hostile ones that would turn an outsider into an agent, and unusual ones of real agents.

A spelling is a pattern: ``{who}`` becomes a local part that nobody else has, ``{agency}`` a domain of agents, and
``{outside}`` one that exists nowhere. What counts as an agent's mailbox is said here once (`is_mailbox_of`), by other means
than the deployment's.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from hypothesis import strategies as st

__all__ = ["KNOWN_HOSTILE", "Spelling", "hostile", "is_mailbox_of", "unusual"]

OUTSIDE = "dehors.example"
_AGENT, _OUTSIDER = "{who}@{agency}", "{who}@{outside}"
# What sends a mail on to somewhere else, or into a program, at mail servers that still know it.
_ROUTES = "%!|"
_LOCAL = re.compile(r"[a-z0-9#$&'*+/=?^_`{}~-]+(\.[a-z0-9#$&'*+/=?^_`{}~-]+)*")


@dataclass(frozen=True)
class Spelling:
    """A pattern of an address."""

    pattern: str

    def of(self, who: str, agency: str) -> str:
        """Write the address."""
        named = {"{who}": who, "{agency}": agency, "{outside}": OUTSIDE, "{head}": agency.split(".", maxsplit=1)[0]}
        return re.sub(r"\{(who|agency|outside|head)\}", lambda found: named[found[0]], self.pattern)

    def __str__(self) -> str:
        """Show it as it would be typed by a Jean of the first administration."""
        return self.of("jean", "interieur.gouv.fr")


def is_mailbox_of(address: str, agencies: Collection[str]) -> bool:
    """Tell whether a mail to this address reaches a mailbox of one of these domains, and no other by way of it."""
    local, _, domain = address.casefold().partition("@")
    return domain in agencies and len(local) <= 64 and _LOCAL.fullmatch(local) is not None


_KNOWN = [
    # Two at signs, in all orders: the incident of 2019.
    "{who}@{outside}@{agency}",
    "{who}@{agency}@{outside}",
    "{who}@@{agency}",
    "@{agency}@{who}@{outside}",
    "{who}@{outside}@@{agency}",
    # Quoted parts and comments.
    '"{who}@{outside}"@{agency}',
    '"{who}"@{agency}',
    '"{who}@{outside}>"@{agency}',
    "{who}@{outside}(@{agency})",
    "{who}(@{agency})@{outside}",
    "{who}@({outside}){agency}",
    "(@{agency}){who}@{outside}",
    "{who}@{agency}(comment)",
    "{who}\\@{outside}@{agency}",
    # Names before and beside an address.
    "{who}@{outside} <x@{agency}>",
    "{who}@{agency} <{who}@{outside}>",
    "<{who}@{outside}>@{agency}",
    "{who}@{agency}>,<{who}@{outside}",
    # Lists.
    "{who}@{outside},x@{agency}",
    "x@{agency},{who}@{outside}",
    "{who}@{outside};x@{agency}",
    "{who}@{outside} x@{agency}",
    "{who},@{agency}",
    # Ends of lines, and more headers.
    "{who}@{outside}\n@{agency}",
    "{who}@{outside}\nx@{agency}",
    "{who}@{agency}\nbcc:{who}@{outside}",
    "{who}@{agency}\r\nBcc: {who}@{outside}\r\n",
    "{who}\n@{agency}",
    "{who}@{outside}\0@{agency}",
    "{who}@{outside}\0{agency}",
    "{who}@{agency}\0",
    "{who}@{agency}\n",
    " {who}@{agency}",
    "{who}\0@{agency}",
    # Domains that look alike.
    "{who}@{agency}.{outside}",
    "{who}@{outside}.{agency}",
    "{who}@x.{agency}",
    "{who}@x{agency}",
    "{who}@{agency}x",
    "{who}@{agency}.",
    "{who}@.{agency}",
    "{who}@{agency}..",
    "{who}@{agency}:25",
    "{who}@{agency}/",
    "{who}@{agency}#{outside}",
    "{who}@{agency}?{outside}",
    "{who}@{head}-gouv.fr",
    "{who}@{head}xgouv.fr",
    "{who}@{head}.gouvxfr",
    "{who}@{head}.gouv.fr.example",
    "{who}@{head}%2Egouv.fr",
    "{who}@{head}.gouv。fr",
    "{who}@{head}.gouv．fr",
    "{who}@{head}.gоuv.fr",
    "{who}@{head}.gouv.ｆr",
    "{who}@{head}.gouv.fr\u200b",
    "{who}@\u200b{agency}",
    "{who}@\u202e{agency}",
    "{who}@{head}.gouv.fr\u00ad",
    "{who}@xn--{head}.gouv.fr",
    "{who}@[127.0.0.1]",
    "{who}@[{agency}]",
    "{who}@fr",
    "{who}@gouv.fr",
    # Percent forms, and routes.
    "{who}%40{outside}@{agency}",
    "{who}@{outside}%40{agency}",
    "{who}@{agency}%00@{outside}",
    "{who}@{agency}%0a",
    "{who}%{outside}@{agency}",
    "{who}@{outside}%{agency}",
    "{outside}!{who}@{agency}",
    "@{outside}:{who}@{agency}",
    "|{who}@{agency}",
    # No address at all.
    "{who}",
    "@{agency}",
    "{who}@",
    "mailto:{who}@{agency}",
    "..{who}@{agency}",
    "{who}.@{agency}",
    ".{who}@{agency}",
    "{who}..x@{agency}",
    "-{who}@{outside}",
]
KNOWN_HOSTILE = [Spelling(pattern) for pattern in _KNOWN]
"""A spelling for each trick that is known, and those that once got through: every run tries them."""

_PIECES = (
    *"@@@.,;:<>()[]\"'\\/!%|&#? \t\n\r\0",
    "\r\n", "{outside}", "{agency}", "@{outside}", "@{agency}", "%40", "%00", "%0a", "%2E", "xn--", "<{who}@{outside}>",
    "\u00a0", "\u200b", "\u200d", "\u202e", "\u2028", "\ufeff", "\u00ad", "＠", "﹫", "．", "。", "ı", "ſ", "K", "о", "é", "😀",
)  # fmt: skip


@st.composite
def _mutated(draw: st.DrawFn) -> str:
    """Put pieces into an address that is an agent's or an outsider's."""
    pattern = draw(st.sampled_from([_OUTSIDER, _AGENT]))
    for _ in range(draw(st.integers(1, 3))):
        places = [match.start() for match in re.finditer(r"\{\w+\}|[^{}]", pattern)] + [len(pattern)]
        place = draw(st.sampled_from(places))
        pattern = pattern[:place] + draw(st.sampled_from(_PIECES)) + pattern[place:]
    return pattern


def hostile() -> st.SearchStrategy[Spelling]:
    """Give spellings that reach no mailbox of an agency, whatever they look like."""
    return (
        st.one_of(_mutated(), st.sampled_from(_KNOWN).flatmap(_and_more))
        .filter(lambda pattern: "{who}" in pattern or "{agency}" in pattern)
        .map(Spelling)
        .filter(lambda spelling: not is_mailbox_of(str(spelling), ["interieur.gouv.fr"]))
    )


def _and_more(pattern: str) -> st.SearchStrategy[str]:
    return st.tuples(st.just(pattern), st.sampled_from(("", *_PIECES)), st.booleans()).map(
        lambda parts: parts[1] + parts[0] if parts[2] else parts[0] + parts[1]
    )


_WORD = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=12)


# What is written for `{who}` has no more than this.
_LONGEST_WHO = "x" * 20


def unusual() -> st.SearchStrategy[Spelling]:
    """Give spellings that real agents have: dots, hyphens, apostrophes, a plus, upper case, long ones."""
    # No mailbox has a local part of more than 64 characters (RFC 5321, section 4.5.3.1.1).
    agency = "interieur.gouv.fr"
    return _unusual().filter(lambda spelling: is_mailbox_of(spelling.of(_LONGEST_WHO, agency), [agency]))


@st.composite
def _unusual(draw: st.DrawFn) -> Spelling:
    words = [*draw(st.lists(_WORD, max_size=3)), "{who}"]
    joints = [draw(st.sampled_from(".-_'")) for _ in words[1:]]
    local = words[0] + "".join(joint + word for joint, word in zip(joints, words[1:], strict=True))
    if draw(st.booleans()):
        local += "+" + draw(_WORD)
    return Spelling(f"{local}@{{agency}}")
