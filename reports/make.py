"""Everything that is told, made from ``verdict.json`` and the evidence beside it: at any time, without a run."""

from __future__ import annotations

from pathlib import Path

from reports.files import write_atomically
from reports.junit import junit
from reports.markdown import markdown
from reports.page import page
from reports.verdict import read

__all__ = ["make_all"]


def make_all(folder: Path) -> Path:
    """Write ``junit.xml``, ``summary.md`` and ``index.html`` into a run's folder; gives the page's path.

    Raises `ReportError`, one line.
    """
    verdict = read(folder / "verdict.json")
    write_atomically(folder / "junit.xml", junit(verdict))
    write_atomically(folder / "summary.md", markdown(verdict))
    index = folder / "index.html"
    write_atomically(index, page(verdict, folder))
    return index
