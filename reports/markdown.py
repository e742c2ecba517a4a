"""The summary of a verdict in Markdown: outcome, what is red and why, a line for each chapter, what was not covered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from reports.verdict import NOT_ASKED, Rule, Status, Verdict
from reports.words import OUTCOMES, lead, names

__all__ = ["markdown", "plain"]

_RED = (Status.FAIL, Status.ERROR, Status.UNTESTABLE)
_SIGNS = {Status.FAIL: "✕", Status.ERROR: "!", Status.UNTESTABLE: "?", Status.NOT_RUN: "–"}
_SPECIAL = re.compile(r"([\\`*_\[\]|~#!$@])")


def markdown(verdict: Verdict) -> str:
    """Give the document; what checks and people worded is escaped, and cannot become markup."""
    asked = [rule for rule in verdict.rules if verdict.asked.covers(rule)]
    lines = [f"# {OUTCOMES[verdict.outcome]}", "", lead(verdict), ""]
    lines += _facts(verdict)
    red = [rule for rule in asked if rule.status in _RED or (rule.status is Status.NOT_RUN)]
    if red:
        lines += ["## Look here first", ""]
        for status in (*_RED, Status.NOT_RUN):
            lines += [_red_line(rule) for rule in red if rule.status is status]
        lines.append("")
    accepted = [rule for rule in verdict.rules if rule.status is Status.ACCEPTED]
    if accepted:
        lines += ["## Accepted deviations", ""]
        lines += [f"- **{rule.id}** {plain(rule.statement.en)}: {plain(rule.reason)}" for rule in accepted] + [""]
    lines += ["## Chapters", "", *_chapters(verdict.rules), ""]
    lines += ["## Not covered", "", *_not_covered(verdict), ""]
    if verdict.deployment.components:
        lines += ["## Components", "", "| component | version |", "|---|---|"]
        lines += [f"| {plain(each.name)} | {plain(each.version)} |" for each in verdict.deployment.components] + [""]
    return "\n".join(lines)


def _facts(verdict: Verdict) -> list[str]:
    facts = {
        "Deployment": plain(f"{verdict.deployment.name or 'none'} ({verdict.deployment.kind})"),
        "Profile": plain(verdict.profile),
        "Asked for": plain(names(verdict.asked)),
        "Started": f"{verdict.started:%Y-%m-%d %H:%M:%S %Z}, took {verdict.seconds:.0f} s",
        "Seed": "" if verdict.seed is None else str(verdict.seed),
        "Command": plain(verdict.command),
        "In doubt": plain(verdict.doubt),
    }
    return [f"- {name}: {fact}" for name, fact in facts.items() if fact] + [""]


def _red_line(rule: Rule) -> str:
    reason = f": {plain(rule.reason)}" if rule.reason else ""
    return f"- {_SIGNS[rule.status]} **{rule.id}** {rule.status}{reason}  \n  {plain(rule.statement.en)}"


def _chapters(rules: Sequence[Rule]) -> list[str]:
    lines = ["| chapter | rules | " + " | ".join(Status) + " |", "|---" + "|--:" * (len(Status) + 1) + "|"]
    for chapter in dict.fromkeys(rule.chapter for rule in rules):
        told = [rule.status for rule in rules if rule.chapter == chapter]
        cells = [str(told.count(status) or "") for status in Status]
        lines.append(f"| {plain(chapter)} | {len(told)} | " + " | ".join(cells) + " |")
    return lines


def _not_covered(verdict: Verdict) -> list[str]:
    lines = []
    for status in (Status.UNTESTABLE, Status.ERROR, Status.NOT_RUN, Status.EXCLUDED):
        rules = sorted((rule for rule in verdict.rules if rule.status is status), key=lambda rule: rule.reason)
        for reason, same in groupby(rules, key=lambda rule: rule.reason):
            ids = ", ".join(rule.id for rule in same)
            lines.append(f"- {status}, {plain(reason) or 'no reason given'}: {ids}")
    # What nobody asked for says least: last.
    return sorted(lines, key=lambda line: NOT_ASKED in line) or ["Nothing: every rule has a check that ran."]


def plain(text: str) -> str:
    """Give a text on one line that Markdown and HTML take as nothing but text."""
    line = " ".join(text.split())
    return _SPECIAL.sub(r"\\\1", line).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
