"""Everything that is told, made from `verdict.json` and the evidence beside it: at any time, without a run."""

from __future__ import annotations

from pathlib import Path

from reports import evidence
from reports.files import ReportError, write_atomically
from reports.junit import junit
from reports.load_tellings import make_load
from reports.markdown import markdown
from reports.page import Found, page
from reports.verdict import Verdict, read

__all__ = ["ReportError", "find_evidence", "forget_load", "forget_verdict", "make_all"]


def make_all(folder: Path) -> Path:
    """Write `junit.xml`, `summary.md` and `index.html` into a run's folder, and what a load run tells; gives the page's path.

    Raises ReportError, one line, when `verdict.json` is missing, corrupt or does not add up, or when a file cannot be
    written. Evidence that is missing or corrupt is no error: the page says so where it belongs.
    """
    if (folder / "load.json").exists():
        page_of_load = make_load(folder)
        if not (folder / "verdict.json").exists():
            return page_of_load
    verdict = read(folder / "verdict.json")
    write_atomically(folder / "junit.xml", junit(verdict))
    write_atomically(folder / "summary.md", markdown(verdict))
    index = folder / "index.html"
    write_atomically(index, page(verdict, find_evidence(folder, verdict)))
    return index


def find_evidence(folder: Path, verdict: Verdict) -> dict[str, Found]:
    """Give the evidence of every check that has some, by the path that the verdict names."""
    paths = [check.evidence for rule in verdict.rules for check in rule.checks if check.evidence]
    return {path: _found(folder, path) for path in paths}


def _found(folder: Path, relative: str) -> Found:
    path = folder / relative
    if "\0" in relative:
        return Found(problem="its name is none that a file can have")
    # A verdict that came by mail must not make the page carry files from elsewhere.
    if not path.resolve().is_relative_to(folder.resolve()):
        return Found(problem=f"{relative} lies outside the run's folder")
    try:
        return Found(evidence=evidence.read(path))
    except ReportError as error:
        return Found(problem=str(error).replace(str(folder), folder.name))


def forget_verdict(folder: Path) -> None:
    """Remove what an earlier run told into this folder: of the next one, killed before its end, it would be taken for.

    Raises ReportError where that cannot be.
    """
    _forget(folder, "verdict.json", "index.html", "junit.xml", "summary.md")


def forget_load(folder: Path) -> None:
    """Remove what an earlier load run told into this folder; raises ReportError where that cannot be."""
    told = ("load.html", "load-junit.xml", "load-summary.md")
    if not (folder / "verdict.json").exists():
        told = ("index.html", "junit.xml", "summary.md")
    _forget(folder, "load.json", *told)


def _forget(folder: Path, *names: str) -> None:
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise ReportError(f"{folder / name}: of an earlier run, cannot be removed: {error.strerror or error}") from error
