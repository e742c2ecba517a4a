"""The proof: every fault in force once, its rule's checks and a sample of the others under it, and what they said.

First the checks that will be used run on the healthy deployments: a check that is red without a fault proves nothing. Where a
run of the same code on such a deployment has just told of them, that is taken, and the sample alone runs (`proving.healthy`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

from conformance.catalogue import Catalogue, UnknownRule
from conformance.markers import checks_by_rule, long_tests, rules_by_test
from conformance.proving.crew import Crew, CrewError, Job
from conformance.proving.healthy import Healthy
from conformance.proving.judging import chosen, judge
from conformance.run import check_id
from conformance.scheduling import shares_search
from fixtures.faults.model import Config, Fault
from fixtures.faults.registry import all_faults
from reports.proof import Proof, Tried, make_proof
from reports.verdict import Component

__all__ = ["SAMPLE", "ProofRun", "UnknownFault", "batches", "choose", "code_of"]

SAMPLE = (
    "REG-1/agent-registers-by-mail[0]",
    "REG-6/weak-password-is-refused-at-change[0]",
    "GST-2/guest-creates-no-room[plain]",
    "GST-3/guest-sees-no-list-of-public-rooms[0]",
    "DIR-1/agent-finds-agent-by-name[0-0]",
    "VIS-1/search-shows-name-organisation-and-picture[0-0]",
    "CNV-2/private-room-is-listed-nowhere[0]",
    "AV-1/clean-encrypted-file-reaches-its-recipient",
    "E2E-1/older-api-version-makes-no-exception",
    "E2E-3/neither-kind-turns-into-the-other[0]",
    "DEV-2/key-backup-is-its-owners-alone",
    "INV-4/identity-server-mails-no-invitation-of-a-guest-or-nobody",
    "INC-5/deactivated-account-does-not-log-in[1]",
)
"""Quick checks from every chapter that stands: one of them, of another rule, runs under each fault and must stay green."""

_OTHERS = 1
_TOGETHER = 5
_IN_VAIN = re.compile("not within|did not see")
"""How a reason begins where something was waited for that did not come."""


class UnknownFault(Exception):
    """A fault or rule that is not there was asked for, or a fault names a check that is not; one line."""


def choose(catalogue: Catalogue, rules: Sequence[str], faults: Sequence[str]) -> list[Fault]:
    """Give the faults of these rules or of these ids, all without any.

    Raises `UnknownFault`, also for a fault whose rule or checks the suite does not have.
    """
    known = all_faults()
    checks = {check for named in checks_by_rule().values() for check in named}
    for each in known:
        lost = [check for check in each.checks if check.split("[")[0] not in checks]
        if lost:
            raise UnknownFault(f"fault {each.id} names the check {lost[0]}, which is not there")
        try:
            catalogue.rule(each.rule)
        except UnknownRule as error:
            raise UnknownFault(f"fault {each.id}: {error}") from None
    try:
        wanted = {rule.id for rule in catalogue.select(rules)} if rules or not faults else set()
    except UnknownRule as error:
        raise UnknownFault(str(error)) from None
    missing = set(faults) - {each.id for each in known}
    if missing:
        raise UnknownFault(f"unknown fault {sorted(missing)[0]!r}; `vigie prove --list` tells them")
    found = [each for each in known if each.rule in wanted or each.id in faults]
    if not found:
        raise UnknownFault("no fault of these rules is there")
    return found


def others_for(fault: Fault) -> list[str]:
    """Give the checks of other rules that run under a fault: by its id, so that one more fault changes none of another's."""
    free = [check for check in SAMPLE if check.split("/")[0] not in (fault.rule, *fault.also)]
    return sorted(free, key=lambda check: crc32(f"{fault.id} {check}".encode()))[:_OTHERS]


@dataclass
class ProofRun:
    """A proof on its way: `on_phase` is told what comes next and how many jobs it has, `on_tried` of each fault.

    With `healthy`, what the checks were seen to say without a fault (`proving.healthy`), the sample alone is looked at again.
    """

    faults: Sequence[Fault]
    out: Path
    workers: int = 2
    healthy: Healthy | None = None
    on_phase: Callable[[str, int], None] = lambda _what, _jobs: None
    on_step: Callable[[], None] = lambda: None
    on_tried: Callable[[Tried], None] = lambda _tried: None
    tried: list[Tried] = field(default_factory=list)
    _healthy: dict[str, dict[str, Any]] = field(default_factory=dict)
    _doubts: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def run(self) -> Proof:
        """Do it all; raises `CrewError` when no deployment comes up."""
        self.out.mkdir(parents=True, exist_ok=True)
        components: list[dict[str, str]] = []
        self.on_phase("starting deployments", self.workers)
        try:
            with Crew(min(self.workers, len(self.faults)), self.out) as crew:
                components = crew.components
                self._baseline(crew)
                self._all(crew)
        except CrewError as error:
            if not components:
                raise
            self._doubts.append(str(error))
        except KeyboardInterrupt:
            self._doubts.append("the proof was interrupted")
        return self._proof(components)

    def jobs(self) -> list[Job]:
        """Give what is to be done under each fault, in their order."""
        return [{"fault": fault.id, "checks": _all_checks(fault)} for fault in self.faults]

    def _baseline(self, crew: Crew) -> None:
        used = sorted({check for fault in self.faults for check in (others_for if self.healthy else _all_checks)(fault)})
        if self.healthy:
            self._take(self.healthy)
        # A check that is wanted whole needs no variant of its own.
        used = [check for check in used if "[" not in check or check.split("[")[0] not in used]
        # What shares a search is one job, and the first: there is least to search in.
        searching, others = [each for each in used if _searches(each)], [each for each in used if not _searches(each)]
        together = max(1, min(_TOGETHER, -(-len(others) // self.workers)))
        jobs: list[Job] = [{"checks": searching}] if searching else []
        jobs += [{"checks": others[start : start + together]} for start in range(0, len(others), together)]
        self.on_phase(f"{len(used)} checks without a fault", len(jobs))

        def done(job: Job, told: dict[str, Any]) -> None:
            self._healthy.update(told["results"])
            if told["problem"]:
                self._doubts.append(f"without a fault: {told['problem']}")
            self.on_step()

        crew.run([[job] for job in jobs], done)
        ill = [check for check, result in self._healthy.items() if result["status"] != "pass"]
        for check in sorted(ill):
            self._doubts.append(f"without a fault, {check} is {self._healthy[check]['status']}")

    def _take(self, healthy: Healthy) -> None:
        own = {check for fault in self.faults for check in fault.checks}
        self._healthy |= {check: told for check, told in healthy.results.items() if chosen(own, check)}
        lost = sorted(each for each in own if not any(chosen([each], check) for check in self._healthy))
        self._doubts += [f"without a fault, {check} did not run" for check in lost]

    def _all(self, crew: Crew) -> None:
        self.on_phase("faults", len(self.faults))
        by_id = {fault.id: fault for fault in self.faults}

        def done(job: Job, told: dict[str, Any]) -> None:
            tried = judge(by_id[job["fault"]], told, self._healthy)
            self.tried.append(tried)
            self.on_tried(tried)

        crew.run(batches(self.faults, self.jobs()), done)

    def _proof(self, components: Iterable[dict[str, str]]) -> Proof:
        order = {fault.id: number for number, fault in enumerate(self.faults)}
        left = [fault for fault in self.faults if fault.id not in {each.id for each in self.tried}]
        if left:
            self._doubts.append(f"{len(left)} faults were not tried, among them {left[0].id}")
        return make_proof(
            sorted(self.tried, key=lambda each: order[each.id]),
            started=self._started,
            seconds=round(time.monotonic() - self._began, 1),
            baseline=sum(result["status"] == "pass" for result in self._healthy.values()),
            components=[Component(**each) for each in components],
            healthy=self.healthy.run if self.healthy else "",
            doubt="; ".join(self._doubts)[:2_000],
        )


def _all_checks(fault: Fault) -> list[str]:
    return [*fault.checks, *others_for(fault)]


def batches(faults: Sequence[Fault], jobs: Sequence[Job]) -> list[list[Job]]:
    """Put together what changes the configuration of the same services: they start once a fault, and not twice.

    Then come faults whose checks search stores, for these grow, those that take long, and those under which somebody waits in
    vain until a deadline: no worker is left with one at last.
    """
    together: dict[tuple[str, ...], list[Job]] = {}
    single: list[list[Job]] = []
    for fault, job in zip(faults, jobs, strict=True):
        services = sorted({each.service for each in fault.effects if isinstance(each, Config) and each.restart})
        if services:
            together.setdefault(tuple(services), []).append(job)
        else:
            single.append([job])
    in_vain = {fault.id for fault in faults if _IN_VAIN.search(fault.reason)}

    def is_quick(batch: list[Job]) -> list[bool]:
        checks = batch[0]["checks"]
        return [not any(map(_searches, checks)), not any(map(_takes_long, checks)), batch[0]["fault"] not in in_vain]

    # False comes before True.
    single.sort(key=is_quick)
    return [*sorted(together.values(), key=len, reverse=True), *single]


def _searches(check: str) -> bool:
    """Tell whether a check looks through all that a deployment stores."""
    return check.split("/")[1].split("[", maxsplit=1)[0] in _tests()[0]


def _takes_long(check: str) -> bool:
    return check.split("/")[1].split("[", maxsplit=1)[0] in _tests()[1]


@cache
def _tests() -> tuple[frozenset[str], frozenset[str]]:
    """Give the tests that search, and those that are marked `long`, named as checks name them."""
    searching = (test for file, test in rules_by_test() if shares_search(file))
    long = (test for _file, test in long_tests())
    return frozenset(check_id("", test)[1:] for test in searching), frozenset(check_id("", test)[1:] for test in long)


def code_of(proof: Proof, healthy: Callable[[Tried], bool] = lambda each: "not green without a fault" in each.reason) -> int:
    """Give the exit code: 0 all caught, 1 a fault was not, 3 nothing could be told of some."""
    missed = [each for each in proof.faults if not each.caught]
    if any(not healthy(each) for each in missed):
        return 1
    return 3 if missed or proof.doubt or not proof.faults else 0
