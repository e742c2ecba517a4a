"""The summary of a verdict in Markdown: outcome, what is red and why, a line for each chapter, what was not covered."""

from __future__ import annotations

from collections.abc import Sequence

from reports.verdict import Outcome, Rule, Status, Verdict

__all__ = ["OUTCOMES", "markdown"]

OUTCOMES = {
    Outcome.HOLDS: "holds",
    Outcome.DOES_NOT_HOLD: "does not hold",
    Outcome.CANNOT_TELL: "cannot tell",
}
_RED = (Status.FAIL, Status.ERROR, Status.UNTESTABLE)


def markdown(verdict: Verdict) -> str:
    """Give the document."""
    asked = [rule for rule in verdict.rules if verdict.asked.covers(rule) and rule.status is not Status.EXCLUDED]
    passed = sum(rule.status is Status.PASS for rule in asked)
    levels = ", ".join(verdict.asked.levels)
    named = f"{len(verdict.asked.rules)} rules by name" if verdict.asked.rules else "all rules"
    lines = [
        f"# {OUTCOMES[verdict.outcome].capitalize()}",
        "",
        f"{passed} of {len(asked)} rules asked for pass ({levels}; {named}), "
        f"on {verdict.deployment.kind} deployment {verdict.deployment.name or '(none)'}, in {verdict.seconds:.0f} s, "
        f"from {verdict.started.isoformat(timespec='seconds')}, seed {verdict.seed}.",
        "",
    ]
    if verdict.doubt:
        lines += [f"**In doubt**: {_cell(verdict.doubt)}", ""]
    red = [rule for rule in verdict.rules if rule.status in _RED]
    if red:
        lines += ["## Red", "", "| rule | status | statement | why |", "|---|---|---|---|"]
        lines += [f"| {rule.id} | {rule.status} | {_cell(rule.statement.en)} | {_cell(rule.reason)} |" for rule in red]
        lines.append("")
    lines += ["## Chapters", "", "| chapter | " + " | ".join(Status) + " |", "|---" * (len(Status) + 1) + "|"]
    for chapter in dict.fromkeys(rule.chapter for rule in verdict.rules):
        rules = [rule for rule in verdict.rules if rule.chapter == chapter]
        counts = [str(sum(rule.status is status for rule in rules) or "") for status in Status]
        lines.append(f"| {chapter} | " + " | ".join(counts) + " |")
    lines += ["", "## Not covered", "", *_not_covered(verdict.rules), ""]
    lines += ["## Components", "", *(f"- {each.name} {each.version}" for each in verdict.deployment.components), ""]
    return "\n".join(lines)


def _not_covered(rules: Sequence[Rule]) -> list[str]:
    return [
        f"- {rule.id} ({rule.status}): {_cell(rule.reason)}"
        for rule in rules
        if rule.status in (Status.NOT_RUN, Status.EXCLUDED, Status.UNTESTABLE)
    ]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
