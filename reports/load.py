"""What a load run comes to, `vigie.load/1`: objectives and their figures, and everything that the figures were made from.

As for a verdict, the outcome is checked against the objectives whenever the document is made or read: no hand and no bug
writes `holds` over an objective that failed, a figure that is missing, or a run that cannot be believed.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, model_validator

from reports.files import write_atomically
from reports.model import Amount, Count, Document, Moment, Seconds, Text, dumped, read_document
from reports.redaction import Redactor
from reports.verdict import Deployment, Outcome

__all__ = [
    "FIXED_WORK",
    "Bands",
    "Capacity",
    "Health",
    "Latency",
    "LoadReport",
    "Objective",
    "Offence",
    "Probe",
    "ProfileTold",
    "RateTried",
    "Series",
    "Slice",
    "Violation",
    "WindowFigures",
    "Worker",
    "load_outcome",
    "read_load",
    "write_load",
]

Window = Literal["warm-up", "measured", "cool-down"]
FIXED_WORK = "machine:fixed-work-ms"
"""The series that says how fast the generator's machine is: processor time of the same piece of work, in milliseconds."""


class ProfileTold(Document):
    """The profile that was played; `content` is all of it."""

    name: Text
    title: Text = ""
    seed: int
    content: dict[str, Any] = Field(default_factory=dict)


class Objective(Document):
    """An objective: its figure (None when there is none), its bound, and whether it was met."""

    id: Text
    statement: Text
    figure: Text
    value: float | None
    bound: float
    bound_is: Literal["at-most", "at-least"]
    unit: Text = ""
    met: bool
    detail: Text = ""

    @model_validator(mode="after")
    def _met_follows(self) -> Objective:
        within = self.value is not None and (
            self.value <= self.bound if self.bound_is == "at-most" else self.value >= self.bound
        )
        if self.met != within:
            raise ValueError(f"objective {self.id} is told as {'met' if self.met else 'not met'}, its value is {self.value}")
        return self


class WindowFigures(Document):
    """Counts and rates of one window of the run."""

    window: Window
    seconds: Seconds
    offered: Count
    done: Count
    dropped: Count
    offered_per_second: Amount
    achieved_per_second: Amount
    sends_per_second: Amount
    deliveries_per_second: Amount
    counts: dict[Text, Count] = Field(default_factory=dict)


class Latency(Document):
    """One distribution of latencies, in milliseconds; `histogram` is an HdrHistogram of microseconds, compressed, base64.

    `of` is `message` (then `name` is a stage), `act` (from intention, or `from_actual`), or `other`.
    """

    of: Literal["message", "act", "other"]
    name: Text
    from_actual: bool = False
    window: Window
    room_size: Text = ""
    kind: Text = ""
    count: Count
    negative: Count = 0
    mean: Amount | None = None
    p50: Amount | None = None
    p90: Amount | None = None
    p99: Amount | None = None
    p999: Amount | None = None
    max: Amount | None = None
    histogram: str = ""


class Offence(Document):
    """Something that must not become of a message, by event id; `at` is when it was meant to be sent."""

    kind: Text
    event_id: Text
    device: int
    at: Moment
    reason: Text = ""


class Probe(Document):
    """A rule that was probed under load, and how often it held."""

    name: Text
    held: Count = 0
    violated: Count = 0
    broken: Count = 0


class Violation(Document):
    """What a probe found that did not hold, or why it came to no answer."""

    name: Text
    at: Moment
    result: Literal["violated", "broken"]
    message: Text = ""


class Worker(Document):
    """A process of the generator; one that was lost took its share of the load with it.

    `offered` arrivals were handed out there; `missing` ones of its share were not, or nobody heard of them.
    `clock_bound_ms` is how far its second 0 may lie from the master's.
    """

    name: Text
    state: Literal["finished", "lost"] = "finished"
    host: Text = ""
    processor: Amount | None = None
    people: Count | None = None
    offered: Count | None = None
    missing: Count = 0
    clock_bound_ms: Amount | None = None


class Health(Document):
    """The generator's own figures, and what keeps the run from being believed."""

    processor: Amount | None = None
    loop_lag_ms: Amount | None = None
    slip_ms: Amount | None = None
    dropped: Amount | None = None
    bounds: dict[Text, float] = Field(default_factory=dict)
    ailments: tuple[Text, ...] = ()
    flattering: tuple[Text, ...] = ()


class Bands(Document):
    """Latencies of a moment, in milliseconds."""

    p50: Amount
    p90: Amount
    p99: Amount
    max: Amount


class Slice(Document):
    """A moment of the run: `at` in seconds since the start, rates a second, latencies by the time of intention."""

    at: Moment
    offered: Amount = 0
    achieved: Amount = 0
    sends: Amount = 0
    deliveries: Amount = 0
    errors: Amount = 0
    limited: Amount = 0
    dropped: Amount = 0
    acknowledged: Bands | None = None
    delivered: Bands | None = None


class Series(Document):
    """A figure over time, the server's or the generator's: pairs of seconds since the start and value."""

    name: Text
    unit: Text = ""
    points: tuple[tuple[Moment, float], ...] = ()


class RateTried(Document):
    """One trial of a search: whether this rate held, near its bounds or not, and what gave way; `load.capacity.Trial`."""

    rate: Amount
    held: bool = False
    near: bool = False
    gave_way: tuple[Text, ...] = ()
    invalid: Text = ""
    fixed_work_ms: Amount | None = None


class Capacity(Document):
    """The answer of a search for the limit: it lies between two rates, and this gave way first."""

    low: Amount | None
    high: Amount | None
    unit: Text = "arrivals per second"
    confirmed: bool = False
    gave_way: tuple[Text, ...] = ()
    trials: tuple[RateTried, ...] = ()


class LoadReport(Document):
    """A whole load run. `cut_short` is why it ended before its time, `left_behind` what of it is still on the deployment."""

    schema_: Annotated[Literal["vigie.load/1"], Field(validation_alias="schema", serialization_alias="schema")] = "vigie.load/1"
    outcome: Outcome
    cut_short: Text = ""
    left_behind: Text = ""
    started: AwareDatetime
    seconds: Seconds
    step: Annotated[Seconds, Field(gt=0)] = 1.0
    profile: ProfileTold
    command: Text = ""
    deployment: Deployment
    objectives: tuple[Objective, ...]
    windows: tuple[WindowFigures, ...] = ()
    latencies: tuple[Latency, ...] = ()
    counts: dict[Text, Count] = Field(default_factory=dict)
    offences: tuple[Offence, ...] = ()
    probes: tuple[Probe, ...] = ()
    violations: tuple[Violation, ...] = ()
    health: Health
    workers: tuple[Worker, ...] = ()
    slices: tuple[Slice, ...] = ()
    series: tuple[Series, ...] = ()
    capacity: Capacity | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> LoadReport:
        due = load_outcome(self.objectives, self.health, self.cut_short, self.left_behind)
        if self.outcome is not due:
            raise ValueError(f"the outcome is told as {self.outcome}, objectives and health say {due}")
        return self

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the run cannot be believed, if it cannot."""
        cut = (f"cut short: {self.cut_short}",) if self.cut_short else ()
        left = (f"left behind: {self.left_behind}",) if self.left_behind else ()
        return (*cut, *left, *self.health.ailments, *self.health.flattering)

    @property
    def fixed_work_ms(self) -> float | None:
        """How fast the generator's machine was in the measured window, by the series `FIXED_WORK`; None where nobody looked.

        The median: what else a moment held is no matter.
        """
        seconds = {window.window: window.seconds for window in self.windows}
        begin = seconds.get("warm-up", 0.0)
        end = begin + seconds.get("measured", 0.0)
        points = next((series.points for series in self.series if series.name == FIXED_WORK), ())
        taken = [value for at, value in points if begin <= at <= end]
        return statistics.median(taken) if taken else None


def load_outcome(objectives: tuple[Objective, ...], health: Health, cut_short: str, left_behind: str = "") -> Outcome:
    """Give what a run comes to.

    A run that was cut short, or whose generator was unwell, judges nobody. What only flatters the server (arrivals that were
    dropped) takes a green away and leaves a red, as does what the run left on the deployment.
    """
    if cut_short or health.ailments:
        return Outcome.CANNOT_TELL
    if any(not objective.met for objective in objectives):
        return Outcome.DOES_NOT_HOLD
    if health.flattering or left_behind or not objectives:
        return Outcome.CANNOT_TELL
    return Outcome.HOLDS


def write_load(report: LoadReport, path: Path, redactor: Redactor | None = None) -> None:
    """Write the report, whole or not at all, with secrets taken out of whatever was worded elsewhere."""
    clean = (redactor or Redactor()).clean
    told = report.model_copy(
        update={
            "command": clean(report.command),
            "offences": tuple(o.model_copy(update={"reason": clean(o.reason)}) for o in report.offences),
            "violations": tuple(v.model_copy(update={"message": clean(v.message)}) for v in report.violations),
        }
    )
    write_atomically(path, dumped(told.model_dump(mode="json", by_alias=True)))


def read_load(path: Path) -> LoadReport:
    """Read a report. Raises ReportError in one line when it is missing, is not JSON, or does not add up."""
    return read_document(LoadReport, path)
