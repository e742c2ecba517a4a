"""The page of a load run: outcome, objectives, plots on one axis of time, and the figures behind them. Readable offline."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from hdrh.histogram import HdrHistogram
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from reports.files import ReportError
from reports.load import Bands, Latency, LoadReport, Slice
from reports.page import content_hash, duration
from reports.plots import Axis, Band, Line, Shade, plot, tail_axis, time_axis, value_axis
from reports.words import OUTCOMES, load_lead

__all__ = ["load_page"]

_TAIL = tuple(1 - 10 ** (-n / 12) for n in range(49))
_MOST_LINES = 6
"""So many homeservers or components have a line in one plot, the highest; the rest is in load.json."""

_FIRST = ("send-p99", "events-persisted", "processing-lag", "reactor-tick", "synapse: processor", "component: processor",
          "component: memory", "5xx", "rate-limit", "components: ", "generator: ")  # fmt: skip


def load_page(report: LoadReport) -> str:
    """Give the page."""
    environment = Environment(loader=FunctionLoader(_template), autoescape=True, undefined=StrictUndefined)
    environment.filters["figure"] = figure
    style = Markup(_template("page.css") + _template("load.css"))  # noqa: S704 -- the package's own files
    measured = [part for part in report.latencies if part.window == "measured"]
    return environment.get_template("load.html").render(
        report=report,
        title=OUTCOMES[report.outcome],
        lead=load_lead(report),
        plots=_plots(report),
        server=_server_plots(report),
        stages=[part for part in measured if part.of == "message" and not part.room_size],
        rooms=[part for part in measured if part.of == "message" and part.room_size],
        acts=[part for part in measured if part.of == "act" and not part.from_actual],
        others=[part for part in measured if part.of == "other"],
        offences=_by_kind(report),
        duration=duration,
        style=style,
        style_hash=content_hash(style),
    )


def figure(value: float | None, unit: str = "") -> str:
    """Give a figure as a person reads it; a dash when there is none."""
    if value is None:
        return "–"
    if unit == "share":
        return f"{value * 100:.4g} %"
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".strip()


@cache
def _template(name: str) -> str:
    return files("reports").joinpath("templates", name).read_text(encoding="utf-8")


def _plots(report: LoadReport) -> list[tuple[str, str, Markup]]:
    """Give title, explanation and drawing of every plot that has something to show."""
    x, shades = _time(report), _shades(report)
    found = []
    for title, said, bands in (
        ("Acknowledgement over time", "from the moment somebody meant to send to the server's answer",
         [(s, s.acknowledged) for s in report.slices if s.acknowledged]),
        ("Delivery over time", "from the moment somebody meant to send to the moment another's device saw it",
         [(s, s.delivered) for s in report.slices if s.delivered]),
    ):  # fmt: skip
        if bands:
            found.append((title, f"{said}; by the moment it was meant to be sent", _over_time(title, x, shades, bands)))
    measured = [part for part in report.latencies if part.window == "measured" and part.of == "message"]
    tail = [part for part in measured if part.histogram and not part.room_size]
    if tail:
        title = "Distribution by percentile"
        found.append((title, "measured window; every nine as wide as the one before", _by_percentile(title, tail)))
    if report.slices:
        title = "Offered and achieved"
        found.append(
            (title, "arrivals a second that were meant, and acts that were done", _rates(title, x, shades, report.slices))
        )
        deliveries = [(s.at, s.deliveries) for s in report.slices]
        axis = value_axis([value for _, value in deliveries], label="per second")
        lines = [Line("deliveries", deliveries, 3)]
        found.append(("Deliveries", "messages seen by devices, a second", plot("Deliveries", x, axis, lines, shades=shades)))
    return found


def _over_time(title: str, x: Axis, shades: list[Shade], bands: list[tuple[Slice, Bands]]) -> Markup:
    y = value_axis([value for _, band in bands for value in (band.p50, band.max)], log=True, label="ms")
    return plot(
        title,
        x,
        y,
        [
            Line("median", [(s.at, b.p50) for s, b in bands], 1),
            Line("largest", [(s.at, b.max) for s, b in bands], 6, dashed=True),
        ],
        [
            Band("90th to 99th percentile", [(s.at, b.p90, b.p99) for s, b in bands], 2),
            Band("median to 90th percentile", [(s.at, b.p50, b.p90) for s, b in bands], 1),
        ],
        shades,
    )


def _by_percentile(title: str, parts: Sequence[Latency]) -> Markup:
    lines, values = [], []
    for number, part in enumerate(parts, start=1):
        histogram = _decoded(part)
        # Beyond the last record a curve would only repeat it.
        ranks = [p for p in _TAIL if p <= 1 - 0.5 / max(part.count, 1)]
        points = [(1 / (1 - p), histogram.get_value_at_percentile(p * 100) / 1000) for p in ranks]
        lines.append(Line(part.name, points, (number - 1) % 6 + 1, dashed=number > 6))
        values += [value for _, value in points]
    return plot(title, tail_axis(), value_axis(values, log=True, label="ms"), lines)


def _decoded(part: Latency) -> HdrHistogram:
    try:
        return HdrHistogram.decode(part.histogram.encode("ascii"))
    except Exception as error:  # the library's own have nothing in common
        said = " ".join(str(error).split()) or type(error).__name__
        raise ReportError(f"latencies: the histogram of {part.name} cannot be read: {said}") from error


def _rates(title: str, x: Axis, shades: list[Shade], slices: Sequence[Slice]) -> Markup:
    lines = [
        Line("offered", [(s.at, s.offered) for s in slices], 1, dashed=True),
        Line("achieved", [(s.at, s.achieved) for s in slices], 3),
    ]
    for name, style in (("errors", 5), ("dropped", 6), ("limited", 4)):
        points = [(s.at, getattr(s, name)) for s in slices]
        if any(value for _, value in points):
            lines.append(Line({"limited": "429"}.get(name, name), points, style))
    y = value_axis([value for line in lines for _, value in line.points], label="per second")
    return plot(title, x, y, lines, shades=shades)


def _server_plots(report: LoadReport) -> list[tuple[str, Markup]]:
    """Give a plot for each figure, with a line for each homeserver, component or worker; those with most to say first."""
    x, shades = _time(report), _shades(report)
    groups: dict[str, dict[str, Sequence[tuple[float, float]]]] = {}
    for series in report.series:
        if series.points and not series.name.startswith("run:"):
            family, *who, name = ["", *series.name.split(":")] if ":" not in series.name else series.name.split(":")
            groups.setdefault(f"{family}: {name}" if family else name, {})[":".join(who)] = series.points
    found = []
    for title, parts in sorted(groups.items(), key=lambda group: (_rank(group[0]), group[0])):
        highest = sorted(parts, key=lambda who: -max(value for _, value in parts[who]))[:_MOST_LINES]
        lines = [Line(who or title, parts[who], style) for style, who in enumerate(sorted(highest), start=1)]
        y = value_axis([value for line in lines for _, value in line.points])
        found.append((title, plot(title, x, y, lines, shades=shades, height=130)))
    return found


def _rank(title: str) -> int:
    return next((rank for rank, part in enumerate(_FIRST) if part in title), len(_FIRST))


def _time(report: LoadReport) -> Axis:
    meant = sum(window.seconds for window in report.windows)
    last = max((s.at + report.step for s in report.slices), default=0.0)
    return time_axis(max(meant, last))


def _shades(report: LoadReport) -> list[Shade]:
    found, at = [], 0.0
    for window in report.windows:
        if window.window != "measured" and window.seconds:
            found.append(Shade(window.window, at, at + window.seconds))
        at += window.seconds
    return found


def _by_kind(report: LoadReport) -> dict[str, list[object]]:
    kinds: dict[str, list[object]] = {}
    for offence in report.offences:
        kinds.setdefault(offence.kind, []).append(offence)
    return kinds
