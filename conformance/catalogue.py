"""The charter as data: every rule with its statement, level, source and how it shows.

One TOML file for each chapter lies in ``charter/``; `load` reads and checks them all, once.

Errors: `CatalogueError` (a file of the charter is wrong) and `UnknownRule` (somebody named a rule that there is not),
both one line.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from reports.verdict import Level

__all__ = ["Catalogue", "CatalogueError", "Chapter", "Rule", "UnknownRule", "load"]

FOLDER = Path(__file__).parent / "charter"
_ORDER = ("reg", "inv", "gst", "dir", "vis", "cnv", "dev", "e2e", "av", "res", "inc", "xcl")

T = TypeVar("T")
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class CatalogueError(Exception):
    """A file of the charter is wrong; the message names file and rule."""


class UnknownRule(Exception):
    """No rule has this id; the message offers those that are near."""


@dataclass(frozen=True)
class Rule:
    """A rule of the charter.

    `en` and `fr` state it, `source` is the guide's heading, `observed` says how it shows at the Matrix API. `excluded`
    is the reason why no server shows it, `advisory` the incident behind it; both are empty for most.
    """

    id: Text
    chapter: Text
    level: Level
    en: Text
    fr: Text
    source: Text
    observed: Text
    excluded: Text = ""
    advisory: Text = ""

    # A misspelt key must not pass for one that was left out.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Chapter:
    """A chapter of the charter: titles and one line about it in both languages, and the guide's heading."""

    id: Text
    en: Text
    fr: Text
    source: Text
    intro_en: Text
    intro_fr: Text
    rules: tuple[Rule, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Catalogue:
    """All chapters, in the charter's order; iterating gives the rules.

    Raises `CatalogueError` for an id that comes twice.
    """

    chapters: tuple[Chapter, ...]
    _by_id: dict[str, Rule] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the rules."""
        for rule in self:
            if rule.id in self._by_id:
                raise CatalogueError(f"rule {rule.id} is there twice")
            self._by_id[rule.id] = rule

    def __iter__(self) -> Iterator[Rule]:
        """Give the rules in order."""
        return (rule for chapter in self.chapters for rule in chapter.rules)

    def rule(self, identifier: str) -> Rule:
        """Give a rule, whatever the case of its id; raises `UnknownRule`."""
        wanted = identifier.strip().upper()
        found = self._by_id.get(wanted)
        if found is None:
            near = difflib.get_close_matches(wanted, self._by_id, n=3)
            offer = f"near: {', '.join(near)}" if near else f"chapters: {', '.join(each.id for each in self.chapters)}"
            raise UnknownRule(f"unknown rule {identifier!r}; {offer}; all: vigie rules")
        return found

    def select(self, rules: Sequence[str] = (), levels: Sequence[Level] = ()) -> list[Rule]:
        """Give the rules that match any pattern (`REG-1`, `REG`, `E2E-*`) and any level, in order; without any, all.

        Raises `UnknownRule` for a pattern that matches nothing.
        """
        wanted = set(self._by_id) if not rules else {found for pattern in rules for found in self._matching(pattern)}
        return [rule for rule in self if rule.id in wanted and (not levels or rule.level in levels)]

    def _matching(self, pattern: str) -> set[str]:
        upper = pattern.strip().upper()
        found = {rule.id for rule in self if fnmatchcase(rule.id, upper) or rule.chapter == upper}
        return found or {self.rule(pattern).id}


@cache
def load(folder: Path = FOLDER) -> Catalogue:
    """Read and check the charter; raises `CatalogueError`."""
    strange = sorted(file.name for file in folder.glob("*.toml") if file.stem not in _ORDER)
    if strange:
        # Rules that nobody reads would be rules that nobody misses.
        raise CatalogueError(f"{folder.name}: {', '.join(strange)}: no chapter of that name")
    return Catalogue(tuple(_chapter(folder / f"{name}.toml") for name in _ORDER))


_CHAPTER, _RULE = TypeAdapter(Chapter), TypeAdapter(Rule)


def _chapter(file: Path) -> Chapter:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogueError(f"{file.name}: {error.strerror or error}") from None
    except ValueError as error:
        raise CatalogueError(f"{file.name}: not TOML: {error}") from None
    head, entries = content.pop("chapter", None), content.pop("rule", None)
    tables = isinstance(head, dict) and isinstance(entries, list) and all(isinstance(each, dict) for each in entries)
    if not tables or not entries or content:
        raise CatalogueError(f"{file.name}: holds one [chapter] and at least one [[rule]], and nothing else")
    prefix, source = file.stem.upper(), head.get("source")
    if head.get("id") != prefix:
        raise CatalogueError(f"{file.name}: chapter {head.get('id')!r} belongs in another file")
    rules = tuple(_rule(file, {"chapter": prefix, "source": source} | entry) for entry in entries)
    return _checked(_CHAPTER, head | {"rules": rules}, f"{file.name}: chapter {prefix}")


def _rule(file: Path, entry: Mapping[str, Any]) -> Rule:
    where = f"{file.name}: rule {entry.get('id', '(no id)')}"
    rule = _checked(_RULE, entry, where)
    prefix, _, number = rule.id.rpartition("-")
    if prefix != file.stem.upper() or rule.chapter != prefix or not number.isdecimal():
        raise CatalogueError(f"{where}: an id here is {file.stem.upper()}- and a number")
    if rule.en == rule.fr:
        raise CatalogueError(f"{where}: the same statement in both languages")
    return rule


def _checked(kind: TypeAdapter[T], value: Mapping[str, Any], where: str) -> T:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise CatalogueError(f"{where}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
