"""One self-contained page of a verdict, to be read offline.

The rules are plain HTML. Evidence lies in the page as JSON that is parsed when somebody opens it. A content security
policy with the hashes of the page's own script and style keeps anything else from running, and anything from loading.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from reports.evidence import Evidence
from reports.verdict import NOT_ASKED, Rule, Status, Verdict
from reports.words import OUTCOMES, lead, names

__all__ = ["BUDGET", "Found", "content_hash", "duration", "page"]

BUDGET = 12 * 1024 * 1024
"""So many bytes of evidence the page carries; the rest is linked to."""

_GLYPHS = {
    Status.PASS: "✓",
    Status.FAIL: "✕",
    Status.UNTESTABLE: "?",
    Status.ERROR: "!",
    Status.NOT_RUN: "–",
    Status.ACCEPTED: "≈",
    Status.EXCLUDED: "∅",
}
_MEANINGS = {
    Status.PASS: "a check passed, and none did otherwise",
    Status.FAIL: "a check found the rule broken",
    Status.UNTESTABLE: "something that a check needs is missing",
    Status.ERROR: "the harness or a component broke down",
    Status.NOT_RUN: "no check ran",
    Status.ACCEPTED: "broken, and the profile accepts it with a reason",
    Status.EXCLUDED: "no server shows it",
}
_WORST_FIRST = (Status.FAIL, Status.ERROR, Status.UNTESTABLE, Status.NOT_RUN, Status.ACCEPTED, Status.PASS)


@dataclass(frozen=True)
class Found:
    """A check's evidence, or what was wrong with it."""

    evidence: Evidence | None = None
    problem: str = ""


@dataclass(frozen=True)
class _Shown:
    """How a file of evidence is shown: in the page (`block`, found by its number), by a link alone, or as a problem."""

    number: int
    path: str = ""
    block: Markup | None = None
    problem: str = ""


def page(verdict: Verdict, evidence: Mapping[str, Found], budget: int = BUDGET) -> str:
    """Give the page; `evidence` by the path that its check names, embedded up to `budget` bytes, the worst first."""
    environment = Environment(loader=FunctionLoader(_template), autoescape=True, undefined=StrictUndefined)
    style, script = Markup(_template("page.css")), Markup(_template("page.js"))  # noqa: S704 -- the package's own files
    rules = sorted(verdict.rules, key=lambda rule: _WORST_FIRST.index(_listed(rule.status)))
    return environment.get_template("page.html").render(
        verdict=verdict,
        title=OUTCOMES[verdict.outcome],
        lead=lead(verdict),
        asked_for=names(verdict.asked),
        asked={rule.id for rule in verdict.rules if verdict.asked.covers(rule)},
        chapters=_chapters(verdict),
        shown=_shown(rules, evidence, budget),
        first=[
            rule
            for rule in rules
            if verdict.asked.covers(rule) and rule.status not in {Status.PASS, Status.ACCEPTED, Status.EXCLUDED}
        ],
        not_covered=_not_covered(verdict),
        Status=Status,
        glyphs=_GLYPHS,
        meanings=_MEANINGS,
        duration=duration,
        style=style,
        style_hash=content_hash(style),
        script=script,
        script_hash=content_hash(script),
    )


@cache
def _template(name: str) -> str:
    return files("reports").joinpath("templates", name).read_text(encoding="utf-8")


def content_hash(text: str) -> str:
    """Give a source of Content Security Policy level 2 for an inline element's text."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def _listed(status: Status) -> Status:
    return Status.PASS if status is Status.EXCLUDED else status


def _chapters(verdict: Verdict) -> dict[str, list[Rule]]:
    chapters: dict[str, list[Rule]] = {}
    for rule in verdict.rules:
        chapters.setdefault(rule.chapter, []).append(rule)
    return chapters


def _not_covered(verdict: Verdict) -> list[tuple[Status, str, list[Rule]]]:
    """Give what was not covered, together where the reason is the same; what nobody asked for comes last."""
    groups: dict[tuple[Status, str], list[Rule]] = {}
    for status in (Status.ERROR, Status.UNTESTABLE, Status.NOT_RUN, Status.EXCLUDED):
        for rule in verdict.rules:
            if rule.status is status:
                groups.setdefault((status, rule.reason), []).append(rule)
    told = [(status, reason, rules) for (status, reason), rules in groups.items()]
    return sorted(told, key=lambda group: group[1] == NOT_ASKED)


def _shown(rules: list[Rule], evidence: Mapping[str, Found], budget: int) -> dict[str, _Shown]:
    """Decide for each file of evidence how it is shown; rules that share one share its block."""
    shown: dict[str, _Shown] = {}
    for path in (check.evidence for rule in rules for check in rule.checks if check.evidence):
        if path not in shown:
            found = evidence.get(path, Found(problem=f"{path}: no such file"))
            shown[path], size = _show(len(shown), path, found, budget)
            budget -= size
    return shown


def _show(number: int, path: str, found: Found, budget: int) -> tuple[_Shown, int]:
    if found.evidence is None:
        return _Shown(number, problem=found.problem), 0
    text = json.dumps(found.evidence.model_dump(mode="json", by_alias=True), ensure_ascii=False, separators=(",", ":"))
    # In a script element HTML ends at "</script" and knows "<!--": neither can be written without "<".
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    size = len(text.encode())
    if size > budget:
        return _Shown(number, path), 0
    return _Shown(number, path, Markup(text)), size  # noqa: S704 -- escaped just above


def duration(seconds: float) -> str:
    """Give a duration as a person reads it."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
