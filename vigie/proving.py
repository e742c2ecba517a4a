"""``vigie prove``: show, rule by rule, that the suite turns red when a deployment breaks it."""

from __future__ import annotations

import argparse
import secrets
import time
from argparse import Namespace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from conformance.catalogue import load
from conformance.proof import ProofRun, UnknownFault, choose, code_of
from conformance.proving.crew import CrewError
from conformance.proving.healthy import Healthy, NotTheSame, healthy_by
from fixtures.errors import FixtureError
from reports.files import ReportError
from reports.proof import Proof, Tried, write
from reports.verdict import read as read_verdict

__all__ = ["add_prove", "prove"]

PROJECT = Path(__file__).parent.parent


def add_prove(commands: Any) -> None:
    """Add the command to the others."""
    parser: argparse.ArgumentParser = commands.add_parser("prove", help="put faults in force, and see that checks turn red")
    parser.add_argument("--rule", action="append", default=[], help="faults of a rule, a chapter or a pattern; may be repeated")
    parser.add_argument("--fault", action="append", default=[], help="a fault by its id; may be repeated")
    parser.add_argument("--out", type=Path, help="folder for proof.json and evidence; reports/proofs/<time> by default")
    parser.add_argument("--workers", type=int, default=4, help="deployments side by side (default 4)")
    parser.add_argument(
        "--healthy", type=Path, metavar="FOLDER", help="a run of `vigie check` that tells what holds without a fault"
    )
    parser.add_argument("--list", action="store_true", help="tell the faults, and do nothing")
    parser.set_defaults(run=prove)


def prove(options: Namespace, console: Console) -> int:
    """Try every fault asked for; exit code 0 all caught, 1 one was not, 3 cannot tell."""
    try:
        faults = choose(load(), options.rule, options.fault)
    except UnknownFault as error:
        raise FixtureError(str(error)) from None
    if options.list:
        for each in faults:
            console.print(Text(f"{each.rule:<8} {each.how:<7} {each.id}: {each.says}"), soft_wrap=True)
        return 0
    healthy = _healthy(options.healthy) if options.healthy else None
    default = PROJECT / "reports" / "proofs" / f"{datetime.now():%Y-%m-%dT%H-%M-%S}-{secrets.token_hex(2)}"
    out = (options.out or default).resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FixtureError(f"--out {out}: cannot be made: {error.strerror or error}; name another folder") from None
    shown = _Progress(console)
    run = ProofRun(faults, out, options.workers, healthy, shown.phase, shown.step, shown.tried)
    try:
        proof = run.run()
    except CrewError as error:
        raise FixtureError(str(error)) from None
    write(proof, out / "proof.json")
    if out == default.resolve():
        _link_latest(out)
    _conclude(console, proof, out)
    return code_of(proof)


def _healthy(folder: Path) -> Healthy:
    try:
        return healthy_by(read_verdict(folder / "verdict.json"))
    except (NotTheSame, ReportError) as error:
        named = "" if str(folder) in str(error) else f"{folder}: "
        raise FixtureError(f"--healthy {named}{error}") from None


def _link_latest(out: Path) -> None:
    scratch = PROJECT / "reports" / f".latest-proof-{secrets.token_hex(4)}"
    scratch.symlink_to(out.relative_to(PROJECT / "reports"))
    scratch.replace(PROJECT / "reports" / "latest-proof")


def _conclude(console: Console, proof: Proof, out: Path) -> None:
    for each in proof.faults:
        if not each.caught:
            console.print(Text(f"{each.rule} {each.id}: {each.reason}", style="bold red"), soft_wrap=True)
    if proof.doubt:
        console.print(Text(proof.doubt, style="yellow"), soft_wrap=True)
    counts = proof.counts
    style = "bold green" if counts.caught == counts.faults and not proof.doubt else "bold red"
    rules = len({each.rule for each in proof.faults if each.caught})
    line = Text(f"{counts.caught} of {counts.faults} faults caught", style=style)
    line.append(f"  ({rules} rules; {proof.baseline} checks green before; {proof.seconds:.0f} s)", style="default")
    console.print(line)
    console.print(f"proof: {out / 'proof.json'}", highlight=False, soft_wrap=True)


class _Progress:
    """Lines as faults are tried, with the time left."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._total, self._done, self._began = 0, 0, time.monotonic()

    def phase(self, what: str, jobs: int) -> None:
        self._total, self._done, self._began = jobs, 0, time.monotonic()
        self.console.print(f"{what} ({jobs})" if what == "faults" else what, highlight=False)

    def _left(self) -> str:
        self._done += 1
        elapsed = time.monotonic() - self._began
        return f"{elapsed / self._done * (self._total - self._done):.0f} s left"

    def step(self) -> None:
        self.console.print(Text(f"{self._done + 1:4}/{self._total:<4} {self._left()}", style="dim"))

    def tried(self, tried: Tried) -> None:
        left = self._left()
        line = Text(f"{self._done:4}/{self._total:<4} ")
        line.append("caught " if tried.caught else "MISSED ", style="green" if tried.caught else "bold red")
        line.append(f"{tried.rule:<7} {tried.id}  {tried.seconds:.1f} s   ")
        line.append(left, style="dim")
        self.console.print(line, soft_wrap=True, highlight=False)
        if not tried.caught:
            self.console.print(Text(f"           {tried.reason}"), soft_wrap=True, highlight=False)
