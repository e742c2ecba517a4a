"""The words in which every telling says the same."""

from __future__ import annotations

from reports.load import LoadReport
from reports.verdict import Asked, Level, Outcome, Status, Verdict

__all__ = ["OUTCOMES", "lead", "load_lead", "names"]

OUTCOMES = {
    Outcome.HOLDS: "Holds",
    Outcome.DOES_NOT_HOLD: "Does not hold",
    Outcome.CANNOT_TELL: "Cannot tell",
}
"""The outcome in plain words."""


def _rules(number: int) -> str:
    return "1 rule" if number == 1 else f"{number} rules"


def lead(verdict: Verdict) -> str:
    """Give what the run comes to, in a sentence or two."""
    told = [rule.status for rule in verdict.rules if verdict.asked.covers(rule)]
    passed, failed = told.count(Status.PASS), told.count(Status.FAIL)
    unknown = sum(told.count(status) for status in (Status.UNTESTABLE, Status.ERROR, Status.NOT_RUN))
    decisive = passed + failed + unknown
    accepted = told.count(Status.ACCEPTED)
    sentences = []
    if not decisive:
        sentences.append("No rule that could be judged was asked for.")
    elif passed == decisive:
        sentences.append(f"All {_rules(passed)} that were asked for hold." if passed > 1 else "The rule asked for holds.")
    elif failed:
        sentences.append(f"{_rules(failed)} of {decisive} asked for {'is' if failed == 1 else 'are'} broken.")
    if unknown:
        sentences.append(f"{_rules(unknown)} of {decisive} could not be told.")
    if passed and passed != decisive:
        sentences.append(f"{passed} hold{'s' if passed == 1 else ''}.")
    if accepted:
        sentences.append(f"{accepted} known deviation{'s are' if accepted > 1 else ' is'} accepted by the profile.")
    missing = sorted(set(verdict.asked.rules) - {rule.id for rule in verdict.rules})
    if missing:
        sentences.append(f"Asked for, but not in the catalogue: {', '.join(missing)}.")
    if verdict.doubt and verdict.outcome is Outcome.CANNOT_TELL:
        sentences.append("The run itself is in doubt.")
    return " ".join(sentences)


def load_lead(report: LoadReport) -> str:
    """Give what a load run comes to, in a sentence or two."""
    missed = [objective.id for objective in report.objectives if not objective.met]
    number = len(report.objectives)
    sentences = []
    if report.outcome is Outcome.CANNOT_TELL:
        sentences.append("This run judges nobody.")
    if missed:
        sentences.append(f"{len(missed)} of {number} objectives missed: {', '.join(missed)}.")
    elif number:
        sentences.append(
            f"All {number} objectives met." if report.outcome is Outcome.HOLDS else f"{number} objectives looked met."
        )
    measured = next((window for window in report.windows if window.window == "measured"), None)
    if measured:
        sentences.append(
            f"{measured.achieved_per_second:.3g} of {measured.offered_per_second:.3g} acts a second achieved, "
            f"{measured.deliveries_per_second:.3g} deliveries a second."
        )
    return " ".join(sentences)


def names(asked: Asked) -> str:
    """Give what was asked for in a few words."""
    levels = "all levels" if set(asked.levels) == set(Level) else ", ".join(asked.levels) or "no level"
    rules = "" if not asked.rules else f"; {', '.join(asked.rules[:8])}{' …' if len(asked.rules) > 8 else ''}"
    return levels + rules + (f"; {asked.selection}" if asked.selection else "")
