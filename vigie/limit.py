"""``vigie load --find-capacity``: one load process after the other, at the rates that the search asks for."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from fixtures.errors import FixtureError
from load.arrivals import peak_rate
from load.capacity import Search, Trial, answer, find
from load.folder import link_latest, run_folder
from load.profile import Profile
from load.report import tell_capacity
from reports.load import Capacity, LoadReport, read_load
from vigie.process import NOT_SET_UP, run_load

__all__ = ["find_limit"]


def find_limit(command: list[str], options: Namespace, console: Console) -> int:
    """Search, tell each trial as it ends, and write the answer; an interrupted search tells what it knows."""
    out = run_folder(options.out and options.out.resolve(), "capacity")
    profile = Profile.read(options.profile)
    reports: dict[float, LoadReport] = {}
    search = Search(options.rate or peak_rate(profile), precision=options.precision)

    def run(rate: float) -> Trial:
        folder = out / f"trial-{len(search.trials) + 1:02}"
        console.print(f"trial {len(search.trials) + 1}: {rate:.4g} acts a second", highlight=False)
        if run_load([*command, "--rate", f"{rate:.6g}", "--out", str(folder)]) == NOT_SET_UP:
            raise FixtureError(f"the trial at {rate:.4g} acts a second could not be made")
        reports[rate] = read_load(folder / "load.json")
        if reports[rate].cut_short:
            raise KeyboardInterrupt
        return Trial.of(rate, reports[rate])

    cut_short = ""
    try:
        found = find(run, search, lambda trial: _tell_trial(trial, console))
    except KeyboardInterrupt:
        if not search.trials:
            raise
        found, cut_short = answer(search), "interrupted"
    code = tell_capacity(reports, found, out, cut_short)
    if options.out is None:
        link_latest(out)
    _tell(found, console, out)
    return code


def _tell_trial(trial: Trial, console: Console) -> None:
    if trial.invalid:
        console.print(Text(f"{trial.rate:.4g}: not to be believed: {trial.invalid}", style="yellow"), soft_wrap=True)
    elif trial.held:
        console.print(Text(f"{trial.rate:.4g}: held", style="green"))
    else:
        console.print(Text(f"{trial.rate:.4g}: gave way: {', '.join(trial.gave_way)}", style="red"), soft_wrap=True)


def _tell(found: Capacity, console: Console, out: Path) -> None:
    if found.low is None and found.high is None:
        said = "nothing could be told"
    elif found.low is None:
        said = f"below {found.high:.4g} {found.unit}"
    elif found.high is None:
        said = f"above {found.low:.4g} {found.unit}"
    else:
        said = f"between {found.low:.4g} and {found.high:.4g} {found.unit}"
    sure = "both ends confirmed" if found.confirmed else "not confirmed"
    console.print(Text(f"the limit lies {said} ({sure})", style="bold green" if found.confirmed else "bold yellow"))
    if found.gave_way:
        console.print(f"what gave way: {', '.join(found.gave_way)}", highlight=False, soft_wrap=True)
    console.print(f"page: {out / 'index.html'}", highlight=False, soft_wrap=True)
