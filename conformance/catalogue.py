"""The charter as data: every rule with its statement, level, source and how it shows."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from reports.verdict import Level

__all__ = ["Catalogue", "CatalogueError", "Chapter", "Rule", "UnknownRule", "load"]

FOLDER = Path(__file__).parent / "charter"
_ORDER = ("reg", "inv", "gst", "dir", "vis", "cnv", "dev", "e2e", "av", "res", "inc", "xcl")


class CatalogueError(Exception):
    """A file of the charter is wrong; the message names file and rule."""


class UnknownRule(Exception):
    """No rule has this id; the message offers those that are near."""


@dataclass(frozen=True)
class Rule:
    """A rule of the charter; `source` is the guide's heading, `excluded` says why no server shows it."""

    id: str
    chapter: str
    level: Level
    en: str
    fr: str
    source: str
    observed: str
    excluded: str = ""
    advisory: str = ""


@dataclass(frozen=True)
class Chapter:
    """A chapter of the charter, after the guide's headings."""

    id: str
    en: str
    fr: str
    source: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Catalogue:
    """All chapters, in the charter's order."""

    chapters: tuple[Chapter, ...]
    _by_id: dict[str, Rule] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index the rules."""
        for rule in self:
            self._by_id[rule.id] = rule

    def __iter__(self) -> Iterator[Rule]:
        """Give the rules in order."""
        return (rule for chapter in self.chapters for rule in chapter.rules)

    def rule(self, identifier: str) -> Rule:
        """Give a rule; raises `UnknownRule`."""
        found = self._by_id.get(identifier.upper())
        if found is None:
            near = difflib.get_close_matches(identifier.upper(), self._by_id, n=3) or [next(iter(self._by_id)), "..."]
            raise UnknownRule(f"unknown rule {identifier!r}; near: {', '.join(near)}; all: vigie rules")
        return found

    def select(self, patterns: Sequence[str] = (), levels: Sequence[Level] = ()) -> list[Rule]:
        """Give the rules that match any pattern (`REG-1`, `REG`, `E2E-*`) and any level; none given means all.

        Raises `UnknownRule` for a pattern that matches nothing.
        """
        wanted = set(self._by_id)
        if patterns:
            wanted = set()
            for pattern in patterns:
                upper = pattern.upper()
                matching = {rule.id for rule in self if fnmatchcase(rule.id, upper) or rule.id.rpartition("-")[0] == upper}
                wanted |= matching or {self.rule(pattern).id}
        return [rule for rule in self if rule.id in wanted and (not levels or rule.level in levels)]


@cache
def load(folder: Path = FOLDER) -> Catalogue:
    """Read the charter; raises `CatalogueError`."""
    return Catalogue(tuple(_chapter(folder / f"{name}.toml") for name in _ORDER))


def _chapter(file: Path) -> Chapter:
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    chapter = content["chapter"]
    rules, seen = [], set()
    for entry in content["rule"]:
        identifier = entry.get("id", "(no id)")
        try:
            rule = Rule(
                id=identifier,
                chapter=chapter["id"],
                level=Level(entry["level"]),
                en=entry["en"],
                fr=entry["fr"],
                source=entry.get("source", chapter["source"]),
                observed=entry["observed"],
                excluded=entry.get("excluded", ""),
                advisory=entry.get("advisory", ""),
            )
        except (KeyError, ValueError) as error:
            raise CatalogueError(f"{file.name}: rule {identifier}: {error!r}") from None
        if identifier in seen or not identifier.startswith(chapter["id"] + "-") or not (rule.en and rule.fr):
            raise CatalogueError(f"{file.name}: rule {identifier}: twice, in the wrong chapter, or without a statement")
        seen.add(identifier)
        rules.append(rule)
    return Chapter(chapter["id"], chapter["en"], chapter["fr"], chapter["source"], tuple(rules))
