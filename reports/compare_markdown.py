"""The summary of a comparison in Markdown."""

from __future__ import annotations

from reports.compare import Comparison, Judgement
from reports.markdown import plain

__all__ = ["comparison_markdown"]

_TITLES = {
    Judgement.WORSE: "Worse",
    Judgement.BETTER: "Better",
    Judgement.SAME: "The same",
    Judgement.CANNOT_TELL: "Cannot tell",
}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def comparison_markdown(found: Comparison) -> str:
    """Give the document."""
    lines = [f"# {_TITLES[found.judgement]}", "", f"- Before: {plain(found.a)}", f"- After: {plain(found.b)}"]
    lines += [f"- Too small to matter: up to {found.margin:.0%}"] + [f"- {plain(note)}" for note in found.notes] + [""]
    changed = [rule for rule in found.rules if rule.judgement is not Judgement.SAME]
    if changed:
        lines += ["| rule | before | after | |", "|---|---|---|---|"]
        for rule in changed:
            lines.append(f"| {plain(rule.id)} | {' '.join(rule.a)} | {' '.join(rule.b)} | {rule.judgement} |")
        lines.append("")
    if found.rules_same:
        lines += [f"{found.rules_same} rules are told as before.", ""]
    if found.figures:
        lines += ["| figure | before | after | change | 90 % interval | |", "|---|--:|--:|--:|--:|---|"]
        for figure in found.figures:
            change = "" if figure.change is None else f"{figure.change:+.1%}"
            interval = "" if figure.low is None or figure.high is None else f"{figure.low:+.0%} to {figure.high:+.0%}"
            told = f"{figure.judgement}{f', {plain(figure.detail)}' if figure.detail else ''}"
            lines.append(
                f"| {plain(figure.name)} | {_number(figure.a)} | {_number(figure.b)} | {change} | {interval} | {told} |"
            )
    return "\n".join(lines) + "\n"
