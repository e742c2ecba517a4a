"""``vigie compare`` and ``vigie gate``: two sides held against each other, and one exit code before a release."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conformance.proof import code_of
from reports.compare import Comparison, Found, Judgement, compare, exit_code, read_side
from reports.compare_markdown import comparison_markdown
from reports.files import unfinished, write_atomically
from reports.load import read_load
from reports.model import dumped
from reports.proof import read as read_proof
from reports.verdict import Outcome, read
from vigie.commands import WrongUse

__all__ = ["add_to", "compare_runs", "gate"]

_STYLES = {Judgement.WORSE: "bold red", Judgement.BETTER: "green", Judgement.SAME: "default", Judgement.CANNOT_TELL: "yellow"}
_WORDS = {
    Judgement.WORSE: "WORSE",
    Judgement.BETTER: "BETTER",
    Judgement.SAME: "THE SAME",
    Judgement.CANNOT_TELL: "CANNOT TELL",
}


def compare_runs(options: Namespace, console: Console) -> int:
    """Compare two sides and tell."""
    found = _compared(options.a, options.b, options.margin)
    if options.out:
        write_atomically(options.out / "comparison.json", dumped(found.model_dump(mode="json", by_alias=True)))
        write_atomically(options.out / "comparison.md", comparison_markdown(found))
    if options.json:
        console.file.write(dumped(found.model_dump(mode="json", by_alias=True)))
    else:
        _tell(found, console)
    return exit_code(found)


def _compared(a: Path, b: Path, margin: float) -> Comparison:
    _ensure_share(margin)
    return compare(read_side(a), read_side(b), margin)


def _ensure_share(margin: float) -> None:
    if not 0 <= margin < 10:
        raise WrongUse(f"--margin {margin:g}: give a share, such as 0.1 for a tenth")


def _tell(found: Comparison, console: Console) -> None:
    changed = [rule for rule in found.rules if rule.judgement is not Judgement.SAME]
    for rule in changed:
        line = f"{rule.id}: {' '.join(rule.a) or 'not there'} → {' '.join(rule.b) or 'not there'}"
        console.print(Text(f"{rule.judgement} {line}", style=_STYLES[rule.judgement]), soft_wrap=True)
    if found.rules_same:
        console.print(f"{found.rules_same} rules are told as before", highlight=False)
    if found.figures:
        table = Table(box=None, padding=(0, 1))
        for name, side in (("figure", "left"), ("before", "right"), ("after", "right"), ("change", "right"), ("", "left")):
            table.add_column(name, justify="right" if side == "right" else "left")
        for figure in found.figures:
            told = f"{figure.judgement}{f', {figure.detail}' if figure.detail else ''}"
            row = (figure.name, _number(figure.a), _number(figure.b), _change(figure))
            table.add_row(*row, Text(told, style=_STYLES[figure.judgement]))
        console.print(table)
    for note in found.notes:
        console.print(Text(note, style="yellow"), soft_wrap=True)
    console.print(Text(_WORDS[found.judgement], style=_STYLES[found.judgement]))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _change(figure: Found) -> str:
    if figure.change is None:
        return ""
    interval = f" [{figure.low:+.0%} {figure.high:+.0%}]" if figure.low is not None and figure.high is not None else ""
    return f"{figure.change:+.1%}{interval}"


def gate(options: Namespace, console: Console) -> int:
    """Judge runs by what they wrote: the worst decides, a baseline is compared with, a proof must be whole."""
    _ensure_share(options.margin)
    codes = [code for run in options.runs for code in _of_run(run, console)]
    if options.baseline:
        for run in options.runs:
            found = _compared(options.baseline, run, options.margin)
            _tell(found, console)
            codes.append(exit_code(found))
    # Broken is worse than slower, slower is worse than unknown.
    code = next((each for each in (1, 2, 3) if each in codes), 0)
    words = {0: "OPEN", 1: "CLOSED: does not hold", 2: "CLOSED: worse than the baseline", 3: "CLOSED: cannot tell"}
    console.print(Text(f"gate {words[code]}", style="bold green" if code == 0 else "bold red"))
    return code


def _of_run(folder: Path, console: Console) -> list[int]:
    """Give what the documents of a run, or of each run in a folder, come to."""
    folders = [folder, *sorted(_folders(folder))]
    documents = sorted({path for each in folders for path in _documents(each)})
    killed = [(each, missing) for each in folders if (missing := unfinished(each))]
    if not documents and not killed:
        raise WrongUse(f"{folder}: no verdict.json or load.json in it, nor in its folders; is this a run, or a folder of runs?")
    codes = []
    for each, missing in killed:
        console.print(Text(f"{each}: {Outcome.CANNOT_TELL}, its run never wrote its {missing}", style="yellow"), soft_wrap=True)
        codes.append(3)
    for path in documents:
        outcome, said = _outcome(path)
        code = {Outcome.HOLDS: 0, Outcome.DOES_NOT_HOLD: 1, Outcome.CANNOT_TELL: 3}[outcome]
        style = {0: "green", 1: "bold red", 3: "yellow"}[code]
        console.print(Text(f"{path}: {outcome}{f', {said}' if said else ''}", style=style), soft_wrap=True)
        codes.append(code)
    return codes


def _documents(folder: Path) -> list[Path]:
    return [path for name in ("verdict.json", "load.json", "proof.json") if (path := folder / name).is_file()]


def _folders(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if each.is_dir()] if folder.is_dir() else []


def _outcome(path: Path) -> tuple[Outcome, str]:
    if path.name == "verdict.json":
        verdict = read(path)
        return verdict.outcome, verdict.doubt
    if path.name == "load.json":
        report = read_load(path)
        missed = [objective.id for objective in report.objectives if not objective.met]
        said = [*report.doubts, *([f"missed {', '.join(missed)}"] if missed else [])]
        if report.capacity is None:
            return report.outcome, "; ".join(said)
        # A search asks where the limit lies; its report is that of one rate, which held or did not.
        if report.capacity.confirmed and not (report.cut_short or report.left_behind):
            return Outcome.HOLDS, ""
        return Outcome.CANNOT_TELL, "; ".join(report.doubts or ("the limit that was looked for is not confirmed",))
    return _proof(path)


def _proof(path: Path) -> tuple[Outcome, str]:
    proof = read_proof(path)
    outcome = {0: Outcome.HOLDS, 1: Outcome.DOES_NOT_HOLD, 3: Outcome.CANNOT_TELL}[code_of(proof)]
    missed = proof.counts.faults - proof.counts.caught
    caught = f"{missed} of {proof.counts.faults} faults not caught" if missed else ""
    return outcome, "; ".join(filter(None, (proof.doubt, caught, "" if proof.faults else "no fault was tried")))


def add_to(commands: Any) -> None:
    """Add both commands."""
    compared = commands.add_parser("compare", help="hold two runs, or two folders of repeated runs, against each other")
    compared.add_argument("a", type=Path, metavar="BEFORE", help="a run's folder, or a folder of repeated runs")
    compared.add_argument("b", type=Path, metavar="AFTER", help="the same of what is to be judged")
    _add_margin(compared)
    compared.add_argument("--out", type=Path, help="folder for comparison.json and comparison.md")
    compared.add_argument("--json", action="store_true", help="as JSON")
    compared.set_defaults(run=compare_runs)

    gated = commands.add_parser("gate", help="one exit code for a release: of runs that were made, and against a baseline")
    gated.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run's folder, or a folder of runs")
    gated.add_argument("--baseline", type=Path, help="runs of before, to compare with")
    _add_margin(gated)
    gated.set_defaults(run=gate)


def _add_margin(parser: ArgumentParser) -> None:
    said = "differences up to this share are too small to matter (default 0.1)"
    parser.add_argument("--margin", type=float, default=0.1, metavar="SHARE", help=said)
