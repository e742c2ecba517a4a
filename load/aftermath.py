"""What is left of a run: its folder, Locust's own files beside the report, and a few lines on the console."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from locust.html import get_html_report
from locust.stats import PERCENTILES_TO_REPORT, StatsCSV

from fixtures.deployment import Deployment
from load.folder import link_latest
from load.folder import run_folder as folder
from load.population.store import Records
from reports.load import LoadReport, load_outcome
from reports.load_page import figure
from reports.redaction import Redactor

__all__ = [
    "folder",
    "forget_trials",
    "link_latest",
    "redactor",
    "summarise",
    "trial_folder",
    "with_left_behind",
    "write_locusts",
]

_TRIALS = "trials"


def redactor(deployment: Deployment, store: Records) -> Redactor:
    """Know every secret of the run, so that none gets into a report."""
    found = Redactor()
    for record in store.all("device").values():
        if record is not None:
            found.learn(record["token"])
    for home in deployment.homeservers:
        if home.admin_token is not None:
            found.learn(home.admin_token.get_secret_value())
    return found


def trial_folder(out: Path, number: int, rate: float) -> Path:
    """Give the folder of one rate of a search."""
    return out / _TRIALS / f"{number:02}-at-{rate:.4g}"


def forget_trials(out: Path) -> None:
    """Remove the rates of an earlier search that was told into the same folder, and nothing else."""
    for told in (out / _TRIALS).glob("*-at-*/load.json"):
        shutil.rmtree(told.parent)


def with_left_behind(report: LoadReport, stays: str) -> LoadReport:
    """Say in a report what could not be taken away: it is no green then."""
    outcome = load_outcome(report.objectives, report.health, report.cut_short, stays)
    return report.model_copy(update={"left_behind": stays, "outcome": outcome})


def write_locusts(environment: Any, out: Path) -> None:
    """Write Locust's own CSV files and page, as those who know Locust look for them."""
    told = StatsCSV(environment, PERCENTILES_TO_REPORT)
    for name, write in (("stats", told.requests_csv), ("failures", told.failures_csv), ("exceptions", told.exceptions_csv)):
        with (out / f"locust_{name}.csv").open("w", newline="", encoding="utf-8") as file:
            write(csv.writer(file))
    page: str = get_html_report(environment)  # type: ignore[no-untyped-call]
    (out / "locust.html").write_text(page, encoding="utf-8")


def summarise(report: LoadReport, noticed: dict[str, int], say: Callable[[str], None]) -> None:
    """Tell the objectives, what keeps the run from being believed, and what was noticed."""
    for objective in report.objectives:
        mark = "ok  " if objective.met else "FAIL"
        value = "no figure" if objective.value is None else figure(objective.value, objective.unit)
        bound = f"{objective.bound_is.replace('-', ' ')} {figure(objective.bound, objective.unit)}"
        say(f"{mark} {objective.id}: {value} ({bound}){' ' + objective.detail if objective.detail else ''}")
    for ailment in report.health.ailments:
        say(f"the generator was not well: {ailment}")
    for what, number in sorted(noticed.items()):
        say(f"noticed: {what} ({number})")
    if report.left_behind:
        say(report.left_behind)
    say(f"{report.outcome.upper().replace('-', ' ')}" + (f", cut short: {report.cut_short}" if report.cut_short else ""))
