"""A run of the suite: what was asked, which results came, and the verdict that they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from conformance.catalogue import Catalogue, Rule
from conformance.profiles import Profile
from fixtures.deployment import Deployment
from reports import make
from reports import proof as proof_report
from reports.redaction import Redactor
from reports.verdict import (
    NOT_ASKED,
    Asked,
    Check,
    Component,
    Level,
    Outcome,
    Statement,
    Status,
    Verdict,
    conclude,
    write,
)
from reports.verdict import Deployment as DeploymentTold
from reports.verdict import Rule as RuleTold

__all__ = ["Run", "check_id"]


def check_id(rule: str, test: str) -> str:
    """Give a check's id: the rule, and the test's name without ``test_``; parameters in brackets stay."""
    return f"{rule}/{test.removeprefix('test_')}".replace("_", "-")


@dataclass
class Run:
    """Collects results and writes the verdict; `selection` says how tests were chosen beside rules and levels."""

    catalogue: Catalogue
    out: Path
    rules: Sequence[str] = ()
    levels: Sequence[Level] = ()
    selection: str = ""
    seed: int = 0
    people: str = ""
    adversary: str = ""
    suite: str = ""
    command: str = ""
    profile: Profile = field(default_factory=lambda: Profile("guide"))
    proof: Path | None = None
    deployment: Deployment | None = None
    kind: str = "embedded"
    results: dict[str, list[Check]] = field(default_factory=dict)
    incidents: list[str] = field(default_factory=list)
    on_result: Callable[[str, Check], None] = lambda _rule, _check: None
    _began: float = field(default_factory=time.monotonic)
    _started: datetime = field(default_factory=lambda: datetime.now(UTC))

    selected: frozenset[str] | None = None

    @property
    def asked(self) -> list[Rule]:
        """The rules that decide the outcome: those asked for and, where tests were chosen by name, those they observe."""
        asked = self.catalogue.select(self.rules, self.levels)
        return asked if self.selected is None else [rule for rule in asked if rule.id in self.selected]

    def add(self, rules: Sequence[str], test: str, check: Check) -> None:
        """Take a test's result, as a check of every rule that it observes."""
        for rule in rules:
            self.results.setdefault(rule, []).append(check.model_copy(update={"id": check_id(rule, test)}))
        self.on_result(rules[0], check)

    def incident(self, what: str) -> None:
        """Note what happened to the deployment; a run with an incident cannot tell."""
        if what not in self.incidents:
            self.incidents.append(what)

    def verdict(self) -> Verdict:
        """Judge."""
        asked = {rule.id for rule in self.asked}
        if not asked:
            self.incident("no check was chosen")
        told = DeploymentTold(kind=self.kind, name="")
        if self.deployment is not None:
            components = tuple(Component(name=each.name, version=each.version) for each in self.deployment.components)
            told = DeploymentTold(kind=self.deployment.kind, name=self.deployment.name, components=components)
        return conclude(
            rules=[self._judge(rule, rule.id in asked) for rule in self.catalogue],
            asked=Asked(
                levels=tuple(self.levels) or tuple(Level),
                rules=tuple(rule.id for rule in self.asked) if self.rules or self.selected is not None else (),
                selection=self.selection,
            ),
            deployment=told,
            profile=self.profile.name,
            started=self._started,
            seconds=round(time.monotonic() - self._began, 1),
            command=self.command,
            seed=self.seed,
            people=self.people,
            adversary=self.adversary,
            suite=self.suite,
            doubt="; ".join(self.incidents),
        )

    def finish(self) -> tuple[Outcome, Path]:
        """Write the verdict and what is made from it; gives the outcome and the page's path. Raises `ReportError`."""
        verdict = self.verdict()
        if self.proof is not None:
            verdict = proof_report.with_proof(verdict, proof_report.read(self.proof))
        write(verdict, self.out / "verdict.json", Redactor())
        return verdict.outcome, make.make_all(self.out)

    def _judge(self, rule: Rule, asked: bool) -> RuleTold:
        checks = tuple(sorted(self.results.get(rule.id, []), key=lambda check: check.id))
        status, reason = self.profile.judge(rule.id, checks)
        if rule.excluded:
            status, reason = Status.EXCLUDED, rule.excluded
        elif status is Status.NOT_RUN:
            reason = "no check of it ran" if asked else NOT_ASKED
        elif status is not Status.PASS and not reason:
            worst = next(check for check in checks if check.status is status)
            reason = worst.message.splitlines()[0] if worst.message else ""
        return RuleTold(
            id=rule.id,
            chapter=rule.chapter,
            level=rule.level,
            statement=Statement(en=rule.en, fr=rule.fr),
            source=rule.source,
            status=status,
            reason=reason,
            checks=checks,
        )
