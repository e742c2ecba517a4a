"""What checks say without a fault, told by a run of the suite: a proof need not see again what was seen a moment ago."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from conformance.fingerprint import fingerprint
from reports.verdict import Verdict

__all__ = ["Healthy", "NotTheSame", "healthy_by"]


class NotTheSame(Exception):
    """A run was given that says nothing of what the proof puts faults in; one line."""


@dataclass(frozen=True)
class Healthy:
    """What checks said without a fault, by id and as a worker of the proof tells it, and in which run."""

    run: str
    results: Mapping[str, dict[str, Any]]


def healthy_by(verdict: Verdict) -> Healthy:
    """Give what a run without a fault says of each check.

    Raises `NotTheSame` for a run of another state of the code, on anything but a deployment that it started as the proof starts
    its own (embedded, on PostgreSQL, no overlay), or that was cut short.
    """
    if verdict.suite != fingerprint():
        raise NotTheSame("it was made by another state of the code; run `vigie check` again")
    if verdict.deployment.kind != "embedded" or verdict.profile != "guide":
        where = f"on {verdict.deployment.kind}, by the profile {verdict.profile}"
        raise NotTheSame(f"it was made {where}; the proof needs an embedded deployment, by the profile guide")
    words = shlex.split(verdict.command)
    given = dict(pairwise(words))
    if given.get("--breakable") != "own" or given.get("--database") != "postgresql" or "--overlay" in words:
        raise NotTheSame("its deployment was none of its own, on SQLite or with an overlay; run `vigie check` without")
    if verdict.doubt:
        raise NotTheSame(f"it cannot tell: {verdict.doubt}")
    checks = (check for rule in verdict.rules for check in rule.checks)
    results = {each.id: {"status": str(each.status), "message": each.message, "seconds": each.seconds} for each in checks}
    return Healthy(f"the run of {verdict.started.isoformat(timespec='seconds')} with seed {verdict.seed}", results)
