"""``vigie doctor``: what of a deployment works, what is missing, and which rules nobody can tell without it."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from conformance.catalogue import load
from conformance.examination import Patient, compact
from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError

__all__ = ["MISSING", "add_to", "doctor"]

MISSING = 3


def doctor(options: Namespace, console: Console) -> int:
    """Try each part of a deployment; gives 0 when all is there, 3 when something is missing."""
    if options.schema:
        console.file.write(json.dumps(Deployment.json_schema(), indent=2) + "\n")
        return 0
    if options.file is None:
        raise DeploymentError("name the deployment's TOML file")
    patient = Patient(Deployment.read(options.file), [rule.id for rule in load()])
    missing = 0
    for finding in patient.findings():
        missing += not finding.works and not finding.off
        word = "works" if finding.works else "off" if finding.off else "missing"
        line = Text(f"{word:9}", style="green" if finding.works else "yellow")
        line.append(f"{finding.part}: {finding.said}", style="default")
        if finding.rules:
            line.append(f"; untestable: {compact(finding.rules)}", style="yellow")
        console.print(line, soft_wrap=True)
    return MISSING if missing else 0


def add_to(commands: object) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(  # type: ignore[attr-defined]
        "doctor", help="try each part of a deployment: what works, what is missing"
    )
    parser.add_argument("file", type=Path, nargs="?", help="the deployment's TOML file")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of the file instead")
    parser.set_defaults(run=doctor)
