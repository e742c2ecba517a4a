"""The verdict as one page that needs nothing else: readable offline, the evidence in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.files import ReportError
from reports.markdown import OUTCOMES
from reports.model import parsed
from reports.verdict import NOT_ASKED, Rule, Status, Verdict

__all__ = ["page"]

_TEMPLATES = Path(__file__).parent / "templates"
# Beyond this, evidence is linked to instead of being laid into the page.
_BUDGET = 12 * 1024 * 1024


def page(verdict: Verdict, folder: Path) -> str:
    """Give the document; evidence is read from the run's `folder`. Raises `ReportError` for evidence that is broken."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    chapters = [_chapter(name, verdict) for name in dict.fromkeys(rule.chapter for rule in verdict.rules)]
    asked = [rule for rule in verdict.rules if verdict.asked.covers(rule) and rule.status is not Status.EXCLUDED]
    return environment.get_template("page.html").render(
        verdict=verdict,
        outcome=OUTCOMES[verdict.outcome],
        chapters=chapters,
        statuses=list(Status),
        asked=len(asked),
        passed=sum(rule.status is Status.PASS for rule in asked),
        uncovered=[rule for rule in verdict.rules if _is_uncovered(rule)],
        evidence=_embedded(_evidence(verdict, folder)),
        style=(_TEMPLATES / "page.css").read_text(encoding="utf-8"),
        script=(_TEMPLATES / "page.js").read_text(encoding="utf-8"),
    )


def _chapter(name: str, verdict: Verdict) -> dict[str, Any]:
    rules = [rule for rule in verdict.rules if rule.chapter == name]
    return {
        "name": name,
        "source": rules[0].source,
        "rules": [
            {
                "rule": rule,
                "asked": verdict.asked.covers(rule),
                "seconds": sum(check.seconds for check in rule.checks),
                "words": f"{rule.id} {rule.statement.en} {rule.statement.fr} {rule.source} {rule.reason}".casefold(),
            }
            for rule in rules
        ],
    }


def _is_uncovered(rule: Rule) -> bool:
    return rule.status in (Status.NOT_RUN, Status.UNTESTABLE, Status.EXCLUDED) and rule.reason != NOT_ASKED


def _evidence(verdict: Verdict, folder: Path) -> dict[str, Any]:
    """Read the evidence of every check, what is red first, as long as the page stays a page."""
    checks = [check for rule in verdict.rules for check in rule.checks if check.evidence]
    checks.sort(key=lambda check: check.status is Status.PASS)
    found: dict[str, Any] = {}
    size = 0
    for check in checks:
        path = folder / str(check.evidence)
        if str(check.evidence) in found or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        size += len(text)
        if size > _BUDGET:
            break
        try:
            found[str(check.evidence)] = parsed(text)
        except ValueError as error:
            raise ReportError(f"{path}: not JSON: {error}") from error
    return found


def _embedded(evidence: dict[str, Any]) -> str:
    """Write JSON that may stand inside a script element: nothing in it can end the element or begin a comment."""
    text = json.dumps(evidence, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
