"""``vigie sweep``: finish what a killed run left on somebody else's deployment, from its journal on this disk."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from rich.console import Console

from conformance.made import journals
from conformance.visiting import take_away
from fixtures.deployment import Deployment
from fixtures.preflight import ensure_answers

__all__ = ["STAYS", "sweep"]

STAYS = 3


def sweep(options: Namespace, console: Console) -> int:
    """Take away what is left; gives 0 when nothing is, 3 when something stays."""
    deployment = Deployment.read(options.file)
    found = journals(deployment)
    if not found:
        console.print(f"nothing is left on {deployment.name}", highlight=False)
        return 0
    ensure_answers(deployment)
    code = 0
    for made in found:
        if made.under_way():
            console.print(f"run {made.tag} is under way and takes its own away at its end", highlight=False)
            continue
        stays = take_away(deployment, made, lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True))
        if stays:
            console.print(stays, markup=False, highlight=False, soft_wrap=True)
            code = STAYS
    return code


def add_to(commands: object) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser("sweep", help="take away what a killed run left on a remote deployment")  # type: ignore[attr-defined]
    parser.add_argument("file", type=Path, help="the deployment's TOML file")
    parser.set_defaults(run=sweep)
