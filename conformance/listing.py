"""The charter with its checks, as a text and as JSON (``vigie rules``)."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from conformance.catalogue import Catalogue, Rule
from conformance.run import check_id

__all__ = ["checks_by_rule", "render_rules"]


def checks_by_rule(folder: Path = Path(__file__).parent) -> dict[str, list[str]]:
    """Give the checks of each rule, as the tests' markers name them; nothing is imported or run."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.glob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                for rule in _rules(node):
                    found.setdefault(rule, []).append(check_id(rule, node.name))
    return found


def _rules(node: ast.AsyncFunctionDef | ast.FunctionDef) -> list[str]:
    calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.rule"]
    return [str(ast.literal_eval(argument)) for mark in marks for argument in mark.args]


def render_rules(catalogue: Catalogue, checks: Mapping[str, Sequence[str]], wanted: Sequence[str], *, as_json: bool) -> str:
    """Give the listing of these rules."""
    kept = [rule for rule in catalogue if rule.id in set(wanted)]
    if as_json:
        rules = [_entry(rule, checks.get(rule.id, ())) for rule in kept]
        return json.dumps({"schema": "vigie.rules/1", "rules": rules}, ensure_ascii=False, indent=1) + "\n"
    lines: list[str] = []
    for chapter in catalogue.chapters:
        mine = [rule for rule in chapter.rules if rule in kept]
        if mine:
            lines += [f"{chapter.id}  {chapter.en} / {chapter.fr}", ""]
            lines += [line for rule in mine for line in _text(rule, checks.get(rule.id, ()))]
    return "\n".join(lines) + "\n"


def _entry(rule: Rule, checks: Sequence[str]) -> dict[str, object]:
    return {
        "id": rule.id,
        "chapter": rule.chapter,
        "level": str(rule.level),
        "statement": {"en": rule.en, "fr": rule.fr},
        "source": rule.source,
        "observed": rule.observed,
        "advisory": rule.advisory,
        "excluded": rule.excluded,
        "checks": list(checks),
    }


def _text(rule: Rule, checks: Sequence[str]) -> list[str]:
    lines = [f"  {rule.id:<7} {rule.level:<8} {rule.en}", f"  {'':<16} {rule.fr}", f"  {'':<16} « {rule.source} »"]
    if rule.excluded:
        return [*lines, f"  {'':<16} excluded: {rule.excluded}", ""]
    return [*lines, *(f"  {'':<16} - {check}" for check in checks or ["(no check yet)"]), ""]
