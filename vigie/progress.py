"""Telling a person how far things are: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from reports.verdict import Check, Status
from vigie.outlook import Outlook

__all__ = ["COLOURS", "CheckProgress", "StartProgress"]

COLOURS = {
    Status.PASS: "green",
    Status.FAIL: "bold red",
    Status.ERROR: "bold magenta",
    Status.UNTESTABLE: "yellow",
    Status.NOT_RUN: "dim",
    Status.ACCEPTED: "cyan",
    Status.EXCLUDED: "dim",
}


@dataclass
class StartProgress:
    """The components of a deployment on their way up."""

    console: Console
    _states: dict[str, str] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _live: Live | None = None

    def __enter__(self) -> Self:
        """Show."""
        if self.console.is_terminal:
            self._live = Live(self._table(), console=self.console, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop showing, and tell how long it took."""
        if self._live:
            self._live.stop()
        if kind is None:
            self.console.print(f"deployment ready in {time.monotonic() - self._began:.1f} s", highlight=False)

    def announce(self, names: list[str]) -> None:
        """Take the names of everything that will start."""
        self._states.update(dict.fromkeys(names, "waiting"))

    def progress(self, name: str, state: str) -> None:
        """Take a change of state."""
        if self._states.get(name) == state:
            return
        self._states[name] = state
        if self._live:
            self._live.update(self._table())
        elif state in ("ready", "downloading", "installing"):
            ready = sum(each == "ready" for each in self._states.values())
            seconds = time.monotonic() - self._began
            self.console.print(f"{seconds:6.1f} s  {ready:2}/{len(self._states):<2}  {name}: {state}", highlight=False)

    def _table(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 2))
        for name, state in self._states.items():
            table.add_row(name, Text(state, style="green" if state == "ready" else "yellow"))
        table.caption = f"{time.monotonic() - self._began:.0f} s"
        return table


@dataclass
class CheckProgress:
    """The checks of a run as they end: what is red at once, and how much is left."""

    console: Console
    outlook: Outlook
    total: int = 0
    _done: int = 0
    _began: float = field(default_factory=time.monotonic)

    def expect(self, nodes: Iterable[str]) -> None:
        """Take the checks that there are, by their node ids."""
        if not self.total:
            self.total, self._began = self.outlook.expect(nodes), time.monotonic()

    def result(self, rule: str, check: Check) -> None:
        """Tell of a check that ended."""
        self._done += 1
        self.outlook.ended(check.id, check.seconds)
        left = self.outlook.left(time.monotonic() - self._began)
        line = Text(f"{self._done:4}/{self.total:<4} ")
        line.append(f"{check.status:<10} ", style=COLOURS[check.status])
        line.append(f"{check.id}  {check.seconds:.1f} s   ")
        line.append(f"{left:.0f} s left", style="dim")
        self.console.print(line, soft_wrap=True, highlight=False)
        if check.status is not Status.PASS:
            self.console.print(
                Text(f"           {rule}: {check.message.splitlines()[0] if check.message else ''}"), soft_wrap=True
            )
