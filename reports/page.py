"""stub"""

from pathlib import Path

from reports.verdict import Verdict


def page(verdict: Verdict, folder: Path) -> str:
    return "<html>"
