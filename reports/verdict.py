"""The verdict of a run, `vigie.verdict/1`: which rules hold, which do not, and what nobody can tell.

Everything a run tells is made from this document and the evidence beside it. Its rules are checked whenever it is made
or read, so that no hand and no bug can write `holds` over checks that say otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, NonNegativeFloat, field_validator, model_validator

from reports.files import write_atomically
from reports.model import Document, Text, dumped, read_document
from reports.redaction import Redactor

__all__ = [
    "NOT_ASKED",
    "Asked",
    "Check",
    "Component",
    "Deployment",
    "Level",
    "Outcome",
    "Rule",
    "Statement",
    "Status",
    "Verdict",
    "conclude",
    "counts",
    "exit_code",
    "outcome",
    "read",
    "rule_status",
    "with_deviation",
    "write",
]

NOT_ASKED = "not asked for"
"""The reason of a rule that the run left out because nobody asked for it."""


class Status(StrEnum):
    """What became of a check or a rule; `accepted` and `excluded` are for rules only."""

    PASS = "pass"  # noqa: S105 -- a status, no password
    FAIL = "fail"
    UNTESTABLE = "untestable"
    ERROR = "error"
    NOT_RUN = "not-run"
    ACCEPTED = "accepted"
    EXCLUDED = "excluded"


class Outcome(StrEnum):
    """What a run comes to."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does-not-hold"
    CANNOT_TELL = "cannot-tell"


class Level(StrEnum):
    """How strongly the guide speaks: it promises, it advises, or it says nothing and yet means it."""

    MUST = "must"
    SHOULD = "should"
    DERIVED = "derived"


class Statement(Document):
    """A rule in a sentence, in both languages."""

    en: Text
    fr: Text


class Check(Document):
    """One check of a rule: `seconds` it took, and its evidence file's path relative to the run's folder."""

    id: Text
    status: Status
    seconds: NonNegativeFloat = 0.0
    message: Text = ""
    title: Text = ""
    evidence: Text | None = None

    @field_validator("status")
    @classmethod
    def _is_of_a_check(cls, status: Status) -> Status:
        if status in {Status.ACCEPTED, Status.EXCLUDED}:
            raise ValueError(f"a rule can be {status}, a check cannot")
        return status


class Rule(Document):
    """One rule of the charter and what became of it.

    Refuses a status that its checks do not bear out: `pass` without a check that passed, `accepted` without a failure,
    `excluded` or `accepted` without a reason.
    """

    id: Text
    chapter: Text
    level: Level
    statement: Statement
    source: Text
    status: Status
    reason: Text = ""
    checks: tuple[Check, ...] = ()
    proved_by: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _status_follows_from_checks(self) -> Rule:
        told = rule_status(self.checks)
        match self.status:
            case Status.PASS if told is not Status.PASS:
                raise ValueError(f"{self.id} is told as pass, its checks say {told}")
            case Status.ACCEPTED if told is not Status.FAIL:
                raise ValueError(f"{self.id} is told as an accepted deviation, its checks say {told}")
            case Status.EXCLUDED if self.checks:
                raise ValueError(f"{self.id} is told as excluded, and has checks")
            case Status.NOT_RUN | Status.UNTESTABLE | Status.ERROR if told is Status.FAIL:
                raise ValueError(f"{self.id} is told as {self.status}, and a check of it failed")
            case Status.ACCEPTED | Status.EXCLUDED if not self.reason.strip():
                raise ValueError(f"{self.id} is told as {self.status} without a reason")
            case _:
                return self


class Component(Document):
    """A part of the deployment, and its version as far as it is known."""

    name: Text
    version: Text = ""


class Deployment(Document):
    """What was looked at; `kind` is `embedded`, `containers` or `remote`."""

    kind: Text
    name: Text
    components: tuple[Component, ...] = ()


class Asked(Document):
    """What the run was asked for: it alone decides the outcome.

    A rule is asked for when its level is among `levels` and its id among `rules` (empty: every id).
    `selection` is told only: the words by which the checks were picked.
    """

    levels: tuple[Level, ...] = tuple(Level)
    rules: tuple[str, ...] = ()
    selection: Text = ""

    def covers(self, rule: Rule) -> bool:
        """Tell whether this rule was asked for."""
        return rule.level in self.levels and (not self.rules or rule.id in self.rules)


class Verdict(Document):
    """A whole run. `doubt` is why a run whose rules all passed still cannot be told (it was interrupted, say).

    `seed`, and `people` where the deployment had stood before, replay it; `adversary` is how long the adversaries looked, and
    `suite` the state of the code that looked (a digest).
    """

    schema_: Annotated[Literal["vigie.verdict/1"], Field(validation_alias="schema", serialization_alias="schema")] = (
        "vigie.verdict/1"
    )
    outcome: Outcome
    doubt: Text = ""
    started: AwareDatetime
    seconds: NonNegativeFloat
    profile: Text
    command: Text = ""
    seed: int | None = None
    people: Text = ""
    adversary: Text = ""
    suite: Text = ""
    deployment: Deployment
    asked: Asked = Asked()
    rules: tuple[Rule, ...]
    counts: dict[Status, int]

    @model_validator(mode="after")
    def _adds_up(self) -> Verdict:
        for what, ids in (
            ("rule", [rule.id for rule in self.rules]),
            ("check", [check.id for rule in self.rules for check in rule.checks]),
        ):
            twice = [id_ for id_, times in Counter(ids).items() if times > 1]
            if twice:
                raise ValueError(f"{what} {twice[0]} is told twice")
        if self.counts != counts(self.rules):
            raise ValueError("the counts are not those of the rules")
        due = _doubted(outcome(self.rules, self.asked), self.doubt)
        if self.outcome is not due:
            raise ValueError(f"the outcome is told as {self.outcome}, the rules say {due}")
        return self


def rule_status(checks: Iterable[Check]) -> Status:
    """Give what a rule's checks come to: the worst of them, and `not-run` when there are none."""
    told = {check.status for check in checks}
    for status in (Status.FAIL, Status.ERROR, Status.UNTESTABLE, Status.NOT_RUN, Status.PASS):
        if status in told:
            return status
    return Status.NOT_RUN


def with_deviation(status: Status, deviation: str) -> tuple[Status, str]:
    """Give status and reason of a rule for which the profile accepts a deviation, with its written reason.

    A failure is accepted; a pass is a failure, since the deviation no longer occurs; anything else stays as it is.
    """
    if status is Status.FAIL:
        return Status.ACCEPTED, deviation
    if status is Status.PASS:
        return Status.FAIL, f"the accepted deviation no longer occurs: {deviation}"
    return status, ""


def outcome(rules: Sequence[Rule], asked: Asked) -> Outcome:
    """Give what the rules asked for come to.

    A failure decides; else whatever is neither pass, accepted nor excluded leaves it open, and so does a run in which
    no rule passed or in which a rule was asked for that is not there.
    """
    told = [rule.status for rule in rules if asked.covers(rule)]
    if Status.FAIL in told:
        return Outcome.DOES_NOT_HOLD
    if {Status.UNTESTABLE, Status.ERROR, Status.NOT_RUN} & set(told) or Status.PASS not in told:
        return Outcome.CANNOT_TELL
    if set(asked.rules) - {rule.id for rule in rules}:
        return Outcome.CANNOT_TELL
    return Outcome.HOLDS


def _doubted(found: Outcome, doubt: str) -> Outcome:
    """A doubt takes a green away; it never hides a red."""
    return Outcome.CANNOT_TELL if doubt and found is Outcome.HOLDS else found


def exit_code(found: Outcome) -> int:
    """Give the exit code of a run: 0 holds, 1 does not hold, 3 cannot tell."""
    return {Outcome.HOLDS: 0, Outcome.DOES_NOT_HOLD: 1, Outcome.CANNOT_TELL: 3}[found]


def counts(rules: Iterable[Rule]) -> dict[Status, int]:
    """Count the rules by status; every status is there, also with 0."""
    told = Counter(rule.status for rule in rules)
    return {status: told[status] for status in Status}


def conclude(
    *,
    rules: Sequence[Rule],
    asked: Asked,
    deployment: Deployment,
    profile: str,
    started: datetime,
    seconds: float,
    command: str = "",
    seed: int | None = None,
    people: str = "",
    adversary: str = "",
    suite: str = "",
    doubt: str = "",
) -> Verdict:
    """Make the verdict, with the outcome and counts that follow; `started` bears a time zone.

    Raises pydantic.ValidationError (a ValueError) when the rules contradict themselves.
    """
    return Verdict(
        outcome=_doubted(outcome(rules, asked), doubt),
        doubt=doubt,
        started=started,
        seconds=seconds,
        profile=profile,
        command=command,
        seed=seed,
        people=people,
        adversary=adversary,
        suite=suite,
        deployment=deployment,
        asked=asked,
        rules=tuple(rules),
        counts=counts(rules),
    )


def write(verdict: Verdict, path: Path, redactor: Redactor) -> None:
    """Write the verdict, whole or not at all, with secrets taken out of whatever a check or a person worded.

    Raises ReportError when it cannot be written; the file that was there then stays.
    """
    rules = tuple(
        rule.model_copy(
            update={
                "reason": redactor.clean(rule.reason),
                "checks": tuple(
                    check.model_copy(update={"message": redactor.clean(check.message), "title": redactor.clean(check.title)})
                    for check in rule.checks
                ),
            }
        )
        for rule in verdict.rules
    )
    told = verdict.model_copy(
        update={
            "rules": rules,
            "command": redactor.clean(verdict.command),
            "doubt": redactor.clean(verdict.doubt),
            "asked": verdict.asked.model_copy(update={"selection": redactor.clean(verdict.asked.selection)}),
        }
    )
    write_atomically(path, dumped(told.model_dump(mode="json", by_alias=True)))


def read(path: Path) -> Verdict:
    """Read a verdict. Raises ReportError in one line when it is missing, is not JSON, or does not add up."""
    return read_document(Verdict, path)
