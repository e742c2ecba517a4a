"""The verdict of a run, schema ``vigie.verdict/1``: everything else that is told is made from it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = [
    "Asked",
    "Check",
    "Component",
    "Deployment",
    "Level",
    "Outcome",
    "ReportError",
    "RuleResult",
    "Statement",
    "Status",
    "Verdict",
    "exit_code",
    "outcome_of",
    "read",
    "rule_status",
    "write",
    "write_atomically",
]

FILE = "verdict.json"


class ReportError(Exception):
    """A report cannot be read or written; the message is one line for a person."""


class Status(StrEnum):
    """What became of a check or a rule; the last four are a rule's alone."""

    PASS = "pass"
    FAIL = "fail"
    UNTESTABLE = "untestable"
    ERROR = "error"
    NOT_RUN = "not-run"
    ACCEPTED = "accepted"
    EXCLUDED = "excluded"


class Level(StrEnum):
    """How a rule follows from the guide: promised, advised, or derived from a promise."""

    MUST = "must"
    SHOULD = "should"
    DERIVED = "derived"


class Outcome(StrEnum):
    """What a run says of the deployment."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does-not-hold"
    CANNOT_TELL = "cannot-tell"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Statement(_Part):
    """A rule's statement in both languages."""

    en: str
    fr: str


class Check(_Part):
    """One check's result; `evidence` is a path relative to the run's folder, `seconds` a duration."""

    id: str
    status: Status
    seconds: float = 0.0
    message: str = ""
    evidence: str = ""
    title: str = ""


class RuleResult(_Part):
    """One rule's result; `asked` tells whether it decides the outcome."""

    id: str
    chapter: str
    level: Level
    statement: Statement
    source: str
    status: Status
    reason: str = ""
    asked: bool = True
    observed: str = ""
    checks: list[Check] = []
    proved_by: list[str] = []


class Component(_Part):
    """A component of the deployment."""

    name: str
    version: str


class Deployment(_Part):
    """What was tested."""

    kind: str
    name: str
    components: list[Component] = []


class Asked(_Part):
    """What the run was asked to judge; empty lists mean everything."""

    levels: list[Level] = []
    rules: list[str] = []
    selection: str = ""


class Verdict(_Part):
    """A run's verdict; `started` is ISO 8601, `incidents` are what happened to the deployment during the run."""

    format: Literal["vigie.verdict/1"] = Field(default="vigie.verdict/1", alias="schema")
    outcome: Outcome
    started: str
    seconds: float
    profile: str = "guide"
    asked: Asked = Asked()
    seed: str = ""
    deployment: Deployment
    incidents: list[str] = []
    rules: list[RuleResult]
    counts: dict[Status, int] = {}

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    def with_counts(self) -> Verdict:
        """Give the verdict with its rules counted by status."""
        counted = Counter(rule.status for rule in self.rules)
        return self.model_copy(update={"counts": {status: counted.get(status, 0) for status in Status}})


_WORST_FIRST = (Status.FAIL, Status.ERROR, Status.UNTESTABLE)


def rule_status(checks: Sequence[Check]) -> Status:
    """Judge a rule by its checks: it passes when at least one passed and none did otherwise."""
    found = {check.status for check in checks}
    for status in _WORST_FIRST:
        if status in found:
            return status
    return Status.PASS if found == {Status.PASS} else Status.NOT_RUN


def outcome_of(rules: Iterable[RuleResult], incidents: Sequence[str] = ()) -> Outcome:
    """Judge a run by the rules asked for: one that fails is enough, and everything else but a pass leaves it open."""
    asked = [rule for rule in rules if rule.asked and rule.status is not Status.EXCLUDED]
    if any(rule.status is Status.FAIL for rule in asked):
        return Outcome.DOES_NOT_HOLD
    if incidents or not asked or any(rule.status not in (Status.PASS, Status.ACCEPTED) for rule in asked):
        return Outcome.CANNOT_TELL
    return Outcome.HOLDS


def exit_code(outcome: Outcome) -> int:
    """Give the exit code: 0 holds, 1 does not hold, 3 cannot tell."""
    return {Outcome.HOLDS: 0, Outcome.DOES_NOT_HOLD: 1, Outcome.CANNOT_TELL: 3}[outcome]


def write_atomically(path: Path, content: str) -> None:
    """Write a file whole or not at all: a full disk or a kill leaves what was there.

    Raises `ReportError`.
    """
    scratch = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp is for secrets; a report is for whoever may read the folder.
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except OSError as error:
        if scratch:
            with contextlib.suppress(OSError):
                Path(scratch).unlink()
        raise ReportError(f"{path} cannot be written: {error.strerror or error}") from None


def write(folder: Path, verdict: Verdict) -> Path:
    """Write ``verdict.json`` into the run's folder, and give its path; raises `ReportError`."""
    path = folder / FILE
    write_atomically(path, verdict.model_dump_json(by_alias=True, indent=1) + "\n")
    return path


def read(folder: Path) -> Verdict:
    """Read a run's verdict; raises `ReportError`, one line."""
    path = folder / FILE
    try:
        return Verdict.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReportError(f"{path}: no verdict here; give the folder of a run") from None
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        raise ReportError(f"{path}: {where}: {first['msg']}") from None
