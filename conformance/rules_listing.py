"""The charter to read, with the checks of each rule: what ``vigie rules`` prints."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from conformance.catalogue import Catalogue, Chapter, Rule

__all__ = ["SCHEMA", "render_rules"]

SCHEMA = "vigie.rules/1"
_WIDTH = 120
_MARGIN = 18


def render_rules(
    catalogue: Catalogue,
    checks: Mapping[str, Sequence[str]],
    as_json: bool,
    only: Sequence[Rule] | None = None,
) -> str:
    """List the rules, all or `only` these, as text by chapter or as JSON (schema ``vigie.rules/1``).

    `checks` maps a rule's id to the ids of its checks. Raises `UnknownRule` when it names a rule that there is not:
    a check of no rule would be listed nowhere.
    """
    for identifier in checks:
        catalogue.rule(identifier)
    shown = {rule.id for rule in (catalogue if only is None else only)}
    if as_json:
        rules = [_told(rule, checks) for rule in catalogue if rule.id in shown]
        return json.dumps({"schema": SCHEMA, "rules": rules}, ensure_ascii=False, indent=1) + "\n"
    chapters = (chapter for chapter in catalogue.chapters if any(rule.id in shown for rule in chapter.rules))
    return "\n".join(line for chapter in chapters for line in _chapter(chapter, checks, shown)) + "\n"


def _told(rule: Rule, checks: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Give every field as it stands in a verdict: both languages under one statement."""
    fields = asdict(rule)
    statement = {language: fields.pop(language) for language in ("en", "fr")}
    return {**fields, "statement": statement, "checks": list(checks.get(rule.id, ()))}


def _chapter(chapter: Chapter, checks: Mapping[str, Sequence[str]], shown: set[str]) -> Iterator[str]:
    yield f"{chapter.id}: {chapter.en} / {chapter.fr}"
    yield f"  {chapter.intro_en}"
    yield f"  {chapter.intro_fr}"
    yield ""
    for rule in chapter.rules:
        if rule.id in shown:
            yield from _wrapped(f"  {rule.id:<7} {rule.level:<7} ", rule.en)
            yield from _wrapped("", rule.fr)
            yield from _wrapped("", _observed_by(rule, checks.get(rule.id, ())))
    yield ""


def _observed_by(rule: Rule, checks: Sequence[str]) -> str:
    if rule.excluded:
        return f"excluded: {rule.excluded}"
    return "checks: " + ", ".join(checks) if checks else "no check yet"


def _wrapped(head: str, text: str) -> list[str]:
    # Ids of checks hold hyphens: breaking at one would make two names of it.
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=head.ljust(_MARGIN),
        subsequent_indent=" " * _MARGIN,
        break_on_hyphens=False,
        break_long_words=False,
    )
