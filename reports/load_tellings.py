"""Everything that is told of a load run, made from `load.json`: page, JUnit of the objectives, summary."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from reports.files import ReportError, write_atomically
from reports.junit import document, end, new_case
from reports.load import LoadReport, read_load
from reports.load_page import figure, load_page
from reports.markdown import plain
from reports.verdict import Outcome
from reports.words import OUTCOMES, load_lead

__all__ = ["load_junit", "load_markdown", "make_load"]


def make_load(folder: Path) -> Path:
    """Write page, JUnit and summary of a load run; gives the page's path. Raises ReportError, one line, where it cannot.

    In a folder that has a verdict too, the verdict's files keep their names and these begin with `load`.
    """
    report = read_load(folder / "load.json")
    try:
        drawn = load_page(report)
    except ReportError as error:
        raise ReportError(f"{folder / 'load.json'}: {error}") from error
    beside = (folder / "verdict.json").exists()
    write_atomically(folder / ("load-junit.xml" if beside else "junit.xml"), load_junit(report))
    write_atomically(folder / ("load-summary.md" if beside else "summary.md"), load_markdown(report))
    page = folder / ("load.html" if beside else "index.html")
    write_atomically(page, drawn)
    return page


def load_junit(report: LoadReport) -> str:
    """Give a case for each objective; a run that cannot be believed is an error of each that looked met."""
    suites = ElementTree.Element("testsuites", name="vigie load")
    suite = ElementTree.SubElement(suites, "testsuite", name=f"load {report.profile.name}")
    suite.set("timestamp", report.started.isoformat(timespec="seconds"))
    believed = not (report.cut_short or report.health.ailments)
    for objective in report.objectives:
        case = new_case(suite, f"load.{report.profile.name}", objective.id)
        told = f"{objective.statement}; found {figure(objective.value, objective.unit)} {objective.detail}".strip()
        if not believed:
            end(case, "error", f"cannot tell: {told}")
        elif not objective.met:
            end(case, "failure", f"missed: {told}")
    if report.outcome is Outcome.CANNOT_TELL:
        end(
            new_case(suite, f"load.{report.profile.name}", "run"),
            "error",
            "cannot tell: " + "; ".join(report.doubts or ("no objectives",)),
        )
    return document(suites)


def load_markdown(report: LoadReport) -> str:
    """Give the summary."""
    lines = [f"# {OUTCOMES[report.outcome]}", "", load_lead(report), ""]
    lines += [f"- **{'cut short' if report.cut_short else 'in doubt'}**: {plain(doubt)}" for doubt in report.doubts]
    lines += [f"- Deployment: {plain(report.deployment.name)} ({plain(report.deployment.kind)})"]
    lines += [f"- Profile: {plain(report.profile.name)}, seed {report.profile.seed}"]
    lines += [f"- Started: {report.started:%Y-%m-%d %H:%M:%S %Z}, took {report.seconds:.0f} s", ""]
    if report.capacity:
        low, high = figure(report.capacity.low), figure(report.capacity.high)
        lines += [f"The limit lies between {low} and {high} {report.capacity.unit}.", ""]
    lines += ["| | objective | asked for | found |", "|---|---|--:|--:|"]
    for each in report.objectives:
        sign = "≤" if each.bound_is == "at-most" else "≥"
        found = f"{figure(each.value, each.unit)} {plain(each.detail)}".strip()
        lines.append(f"| {'✓' if each.met else '✕'} | {plain(each.id)} | {sign} {figure(each.bound, each.unit)} | {found} |")
    lines += ["", "| measured, ms | count | 50 % | 90 % | 99 % | largest |", "|---|--:|--:|--:|--:|--:|"]
    for part in report.latencies:
        if part.window == "measured" and not part.room_size and not part.from_actual:
            values = " | ".join(figure(value) for value in (part.p50, part.p90, part.p99, part.max))
            lines.append(f"| {plain(part.name)} | {part.count} | {values} |")
    bad = {kind: report.counts.get(kind, 0) for kind in sorted({offence.kind for offence in report.offences})}
    lines += [
        "",
        "Messages: " + ("nothing lost, doubled or undecryptable" if not bad else ", ".join(f"{n} {k}" for k, n in bad.items())),
    ]
    return "\n".join(lines) + "\n"
