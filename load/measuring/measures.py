"""What a worker measures, in one place: the schedule's fate, acts, deliveries, probes, and the generator's own health."""

from __future__ import annotations

from typing import Any, Literal

from load.measuring.delivery import Delivery
from load.measuring.health import HealthProbe
from load.measuring.tally import Tally
from load.profile import ACTS
from load.windows import Window, Windows

__all__ = ["FAILURES", "Failure", "Measures", "ProbeResult", "kind_of"]

Failure = Literal["429", "4xx", "5xx", "timeout", "unreachable", "bad-body", "other"]
FAILURES: tuple[Failure, ...] = Failure.__args__  # type: ignore[attr-defined]
ProbeResult = Literal["held", "violated", "broken"]

MOST_PROBE_MESSAGES = 50


def kind_of(status: int) -> Failure:
    """Give the kind of failure that an HTTP status is."""
    if status == 429:
        return "429"
    if 400 <= status < 500:
        return "4xx"
    return "5xx" if 500 <= status < 600 else "other"


class Measures:
    """The measures of one process; the master's absorbs those of the workers."""

    def __init__(self, windows: Windows, start: float, worker: str = "0") -> None:
        """Measure a run whose second 0 is at `start` of the monotonic clock."""
        self.tally = Tally(windows, start)
        self.delivery = Delivery(self.tally)
        self.health = HealthProbe(worker)
        self.violations: list[tuple[str, float, str, str]] = []
        self._cut: float | None = None

    def cut_short(self, moment: float) -> None:
        """Enter that the run ends at this moment, before its time: rates are of what came of each window."""
        self._cut = moment - self.tally.start

    def length(self, window: Window) -> float:
        """Give how long a window was, in seconds."""
        return self.tally.windows.length(window, self._cut)

    def dispatched(self, act: str, intended: float, now: float) -> None:
        """Enter an arrival, whatever becomes of it: it is offered load."""
        del act
        self.tally.add("offered", intended)
        self.tally.slip.record(max(0.0, now - intended))

    def dropped(self, act: str, intended: float) -> None:
        """Enter that nobody was idle for an arrival."""
        del act
        self.tally.add("dropped", intended)

    def done(self, act: str, intended: float, actual: float, finished: float) -> None:
        """Enter an act that went well; messages are entered with `delivery.acknowledged`.

        What is no act of the schedule (fetching a file that was shared) is a latency, and no achieved arrival.
        """
        if act in ACTS:
            self.tally.act(act, intended, actual, finished)
        else:
            self.tally.latency(act, finished - intended, intended)

    def failed(self, act: str, intended: float, actual: float, finished: float, kind: Failure) -> None:
        """Enter an act that went wrong, and how. How long it took does not go into the latencies of those that went well."""
        del actual, finished
        known = "429" if kind == "429" else "errors"
        self.tally.add(known if act in ACTS else f"background-{known}", intended)
        self.tally.count(f"failed:{kind}", 1, intended)
        self.tally.count(f"failed-act:{act}", 1, intended)

    def limited(self, moment: float | None = None) -> None:
        """Enter a 429 that the act itself waited out."""
        self.tally.count("limited", 1, moment)

    def stage(self, name: str, seconds: float, at: float) -> None:
        """Enter a latency of any other kind."""
        self.tally.latency(name, seconds, at)

    def probe(self, name: str, at: float, result: ProbeResult, message: str = "") -> None:
        """Enter what a probe of a rule found."""
        self.tally.add(f"probe:{result}", at)
        self.tally.count(f"probe:{name}:{result}", 1, at)
        if result != "held" and len(self.violations) < MOST_PROBE_MESSAGES:
            self.violations.append((name, at - self.tally.start, result, message[:500]))

    def finish(self) -> None:
        """Give up on what is outstanding."""
        self.delivery.finish()

    def drain(self) -> dict[str, Any]:
        """Give everything since the last time, as JSON and msgpack take it."""
        content = {"tally": self.tally.drain(), "health": self.health.drain(), "violations": [list(v) for v in self.violations]}
        self.violations.clear()
        return content

    def absorb(self, content: dict[str, Any]) -> None:
        """Add what a worker drained."""
        self.tally.absorb(content["tally"])
        self.health.absorb(content["health"])
        for name, at, result, message in content["violations"]:
            if len(self.violations) < MOST_PROBE_MESSAGES:
                self.violations.append((name, at, result, message))
