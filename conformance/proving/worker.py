"""One deployment with faults in reach, and what is tried on it: ``python -m conformance.proving.worker FOLDER``.

Takes jobs as JSON on standard input, one a line, and answers each in a line. It ends with its standard input: nothing is
left of it when the proof is killed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from conformance.proving.checks import run_checks
from conformance.proving.configs import Configurations
from fixtures.embedded import Embedded
from fixtures.errors import FixtureError
from fixtures.faults.model import Config, Fault
from fixtures.faults.probe import Probe
from fixtures.faults.registry import fault
from fixtures.seeding.control import Control
from fixtures.seeding.patching import patch_clients
from fixtures.seeding.site import SeededSite
from fixtures.stack import Plan

__all__ = ["Worker"]


class Worker:
    """Does the jobs, on a deployment of its own."""

    def __init__(self, embedded: Embedded, out: Path) -> None:
        """Begin without any fault."""
        self.embedded, self.out = embedded, out
        self.control = Control(embedded.launcher.folder / "seeding")
        self.configurations = Configurations(embedded)

    def do(self, job: dict[str, Any]) -> dict[str, Any]:
        """Do a job: `fault` (or none) in force, `checks` run; tells results, how it is in force, and for how long."""
        began = time.monotonic()
        told: dict[str, Any] = {"results": {}, "in_force": "", "notes": [], "problem": ""}
        tried = fault(job["fault"]) if job.get("fault") else None
        try:
            told |= self._under(tried, job) if tried else self._healthy(job)
        except Exception as error:
            told["problem"] = f"{type(error).__name__}: {error}"[:600]
        return told | {"seconds": round(time.monotonic() - began, 1)}

    def _healthy(self, job: dict[str, Any]) -> dict[str, Any]:
        self.control.turn()
        self.configurations.set([])
        return {"results": self._run(job["checks"], "healthy")}

    def _under(self, tried: Fault, job: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        # What was changed before is put back together with what is changed now: a service starts once.
        self.control.turn(tried.id)
        self.configurations.set([effect for effect in tried.effects if isinstance(effect, Config)])
        take_back = patch_clients(self.control)
        try:
            if tried.in_force is not None:
                told["in_force"] = tried.in_force(self._probe())
            told["results"] = self._run(job["checks"], tried.id)
            told["notes"] = self.control.notes(tried.id)
        finally:
            take_back()
            self.control.turn()
            restart = [each for each in tried.effects if isinstance(each, Config) and not each.restart]
            if restart:
                self.configurations.set([])
        return told

    def _run(self, checks: list[str], name: str) -> dict[str, Any]:
        toml, out = self.embedded.toml, self.out / "evidence" / name
        return {check: result.plain() for check, result in run_checks(toml, checks, out).items()}

    def _probe(self) -> Probe:
        deployment = self.embedded.deployment
        assert deployment.ca is not None
        return Probe(
            urls={each.name: each.url for each in deployment.homeservers}
            | ({"identity": deployment.identity.url} if deployment.identity else {}),
            admin={
                each.name: (each.admin_url, each.admin_token.get_secret_value())
                for each in deployment.homeservers
                if each.admin_url and each.admin_token
            },
            names={each.name: each.server_name for each in deployment.homeservers},
            ca=deployment.ca,
            folder=self.embedded.launcher.folder,
        )


def main() -> int:
    """Start the deployment, and do jobs until there are no more."""
    # Whatever a check or pytest prints goes to the log: the answers alone go to whoever asked.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    out = Path(sys.argv[1])
    try:
        embedded = Embedded.start(Plan(durable=True), make_site=SeededSite)
    except FixtureError as error:
        answers.write(json.dumps({"failed": str(error)}) + "\n")
        return 4
    with embedded:
        components = [each.model_dump() for each in embedded.deployment.components]
        answers.write(json.dumps({"ready": embedded.deployment.name, "components": components}) + "\n")
        worker = Worker(embedded, out)
        for line in sys.stdin:
            answers.write(json.dumps(worker.do(json.loads(line))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
