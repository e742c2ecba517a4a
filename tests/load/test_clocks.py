"""What is measured is measured on a clock that nobody sets: the wall clock is told to people, and no more."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import load

HOME = Path(load.__file__).parent
WALL = {"time", "time_ns", "now", "utcnow", "today", "localtime", "gmtime", "ctime", "getatime", "getmtime"}
ALLOWED = {
    "folder.py": "the name of a run's folder",
    "locustfile.py": "when a run began, for its reader",
    "measuring/figures.py": "Locust keeps its statistics by the wall clock's seconds; no figure of Vigie's comes from them",
    "run.py": "when a run began, for its reader",
    "sharing/steady.py": "what Locust takes for the wall clock: read once, and gone on from by the monotonic one",
}


def readings() -> Iterator[tuple[str, str]]:
    """Give every reading of the wall clock: a call of such a name on a module or class that has a clock, and loops' `now`."""
    for path in sorted(HOME.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WALL:
                whose = ast.unparse(node.func.value)
                if whose.split(".")[-1] in ("time", "datetime", "date", "loop"):
                    yield str(path.relative_to(HOME)), f"{whose}.{node.func.attr}"
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                yield str(path.relative_to(HOME)), f"from time import {', '.join(each.name for each in node.names)}"


def test_the_wall_clock_measures_nothing() -> None:
    """Whoever reads it is on the list, with a reason; the list names nobody who does not."""
    found = dict.fromkeys(where for where, _ in readings())
    assert sorted(found) == sorted(ALLOWED), list(readings())
