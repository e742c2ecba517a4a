"""``vigie sweep``: finish what killed runs left on somebody else's deployment, from their journals on this disk.

Populations are kept for the next run; they go when that is asked for.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from conformance.visiting import take_away
from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError
from fixtures.preflight import ensure_answers
from load.population.staying import discard
from scenarios.visit.made import Made, journals, populations

__all__ = ["STAYS", "sweep"]

STAYS = 3


def sweep(options: Namespace, console: Console) -> int:
    """Take away what is left; gives 0 when nothing is that should not be, 3 when something stays."""
    deployment = Deployment.read(options.file)

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    runs, kept = journals(deployment), populations(deployment)
    if not options.populations:
        kept = [made for made in kept if made.things()]
    if not runs and not (kept and options.populations):
        say(f"nothing is left on {deployment.name}" + (" but what is kept there on purpose" if kept else ""))
    else:
        ensure_answers(deployment)
    # Runs first: it takes their people to log out of what a run added to them.
    stays = [_run(deployment, made, say) for made in runs]
    if options.populations:
        stays += [_population(deployment, made, say) for made in kept]
    else:
        for made in kept:
            say(
                f"population {made.tag} is kept for later runs: {made.things().told()}; "
                f"`vigie sweep {options.file} --populations` takes it away"
            )
    return STAYS if any(stays) else 0


def _run(deployment: Deployment, made: Made, say: Callable[[str], None]) -> bool:
    """Take a run's away; tells whether something stays that should not."""
    if made.under_way():
        say(f"run {made.tag} is under way and takes its own away at its end")
        return False
    return _taken_away(deployment, made, say)


def _population(deployment: Deployment, made: Made, say: Callable[[str], None]) -> bool:
    try:
        # Before anybody goes: the next run must not find people who are half gone.
        discard(made)
    except DeploymentError as error:
        say(f"population {made.tag} stays: {error}")
        return True
    return _taken_away(deployment, made, say)


def _taken_away(deployment: Deployment, made: Made, say: Callable[[str], None]) -> bool:
    stays = take_away(deployment, made, say)
    if stays:
        say(stays)
    return bool(stays)


def add_to(commands: object) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser("sweep", help="take away what a killed run left on a remote deployment")  # type: ignore[attr-defined]
    parser.add_argument("file", type=Path, help="the deployment's TOML file")
    parser.add_argument("--populations", action="store_true", help="and the people and rooms that `vigie populate` made there")
    parser.set_defaults(run=sweep)
