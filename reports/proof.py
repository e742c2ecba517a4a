"""The proof of a suite, `vigie.proof/1`: which faults were put in force, and which of them its checks caught."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, NonNegativeFloat, NonNegativeInt, model_validator

from reports.files import write_atomically
from reports.model import Document, Text, dumped, read_document
from reports.verdict import Component, Verdict

__all__ = ["Counts", "Proof", "Tried", "make_proof", "proved_by", "read", "with_proof", "write"]


class Tried(Document):
    """One fault: `reason` is the failing check's message where it was caught, else why it was not."""

    id: Text
    rule: Text
    how: Literal["config", "module", "wire", "client"]
    says: Text = ""
    caught: bool
    checks_turned: tuple[Text, ...] = ()
    others_turned: tuple[Text, ...] = ()
    others: tuple[Text, ...] = ()
    reason: Text = ""
    in_force: Text = ""
    seconds: NonNegativeFloat = 0.0

    @model_validator(mode="after")
    def _caught_by_something(self) -> Tried:
        if self.caught and (not self.checks_turned or self.others_turned or not self.in_force):
            raise ValueError(f"fault {self.id} is told as caught, and nothing says so")
        return self


class Counts(Document):
    """How many faults there were, and how many were caught."""

    faults: NonNegativeInt
    caught: NonNegativeInt


class Proof(Document):
    """A whole proof. `doubt` is why one that caught everything still does not count (the suite was not green before).

    `baseline` is how many checks were green without any fault, and `healthy` the run that saw it where that was another.
    """

    schema_: Annotated[Literal["vigie.proof/1"], Field(validation_alias="schema", serialization_alias="schema")] = (
        "vigie.proof/1"
    )
    started: AwareDatetime
    seconds: NonNegativeFloat
    components: tuple[Component, ...] = ()
    doubt: Text = ""
    baseline: NonNegativeInt = 0
    healthy: Text = ""
    faults: tuple[Tried, ...]
    counts: Counts

    @model_validator(mode="after")
    def _adds_up(self) -> Proof:
        if self.counts != _count(self.faults):
            raise ValueError("the counts are not those of the faults")
        return self


def _count(faults: Sequence[Tried]) -> Counts:
    return Counts(faults=len(faults), caught=sum(each.caught for each in faults))


def make_proof(
    faults: Sequence[Tried],
    *,
    started: datetime,
    seconds: float,
    baseline: int,
    components: Sequence[Component] = (),
    healthy: str = "",
    doubt: str = "",
) -> Proof:
    """Make the document, with the counts that follow; `baseline` is how many checks were green without any fault."""
    return Proof(
        started=started,
        seconds=seconds,
        components=tuple(components),
        doubt=doubt,
        baseline=baseline,
        healthy=healthy,
        faults=tuple(faults),
        counts=_count(faults),
    )


def proved_by(proof: Proof) -> dict[str, tuple[str, ...]]:
    """Give the caught faults of each rule."""
    found: dict[str, tuple[str, ...]] = {}
    for each in proof.faults:
        if each.caught:
            found[each.rule] = (*found.get(each.rule, ()), each.id)
    return found


def with_proof(verdict: Verdict, proof: Proof) -> Verdict:
    """Give the verdict with what proved each rule."""
    proved = proved_by(proof)
    rules = tuple(rule.model_copy(update={"proved_by": proved.get(rule.id, ())}) for rule in verdict.rules)
    return verdict.model_copy(update={"rules": rules})


def write(proof: Proof, path: Path) -> None:
    """Write the proof, whole or not at all. Raises ReportError."""
    write_atomically(path, dumped(proof.model_dump(mode="json", by_alias=True)))


def read(path: Path) -> Proof:
    """Read a proof. Raises ReportError in one line when it is missing, is not JSON, or does not add up."""
    return read_document(Proof, path)
