"""Plots as SVG, drawn by hand: no script, no library, colours from the page's own style in light and dark.

Shapes carry classes (``s1`` to ``s6``, ``band``, ``grid`` …) and no style: the page's content security policy allows none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup, escape

__all__ = ["Axis", "Band", "Line", "Shade", "plot", "tail_axis", "time_axis", "value_axis"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 250, 64, 12, 10, 34
Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, with the places of its ticks and what stands there."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    scale: Literal["linear", "log"] = "linear"
    label: str = ""

    def share(self, value: float) -> float:
        """Give where on the axis a value lies, from 0 to 1."""
        low, high = self.low, self.high
        if self.scale == "log":
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        return min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.5


@dataclass(frozen=True)
class Line:
    """A line through points; `style` is the number of its colour, `dashed` draws it so."""

    name: str
    points: Sequence[Point]
    style: int = 1
    dashed: bool = False


@dataclass(frozen=True)
class Band:
    """An area between two curves: points of x, lower and upper y."""

    name: str
    points: Sequence[tuple[float, float, float]]
    style: int = 1


@dataclass(frozen=True)
class Shade:
    """A part of the x axis that is told apart."""

    name: str
    begin: float
    end: float


@dataclass
class _Drawing:
    parts: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.parts.append(text)


def value_axis(values: Sequence[float], *, log: bool = False, label: str = "") -> Axis:
    """Give an axis that holds the values, with round ticks."""
    # A figure between these is drawn to scale; beyond, its powers of ten have no float.
    positive = [value for value in values if 1e-12 < value < 1e300]
    if log:
        low = 10 ** math.floor(math.log10(min(positive, default=1.0)))
        high = 10 ** math.ceil(math.log10(max(positive, default=10.0)) + 1e-9)
        high = high if high > low else low * 10
        powers = range(round(math.log10(low)), round(math.log10(high)) + 1)
        return Axis(low, high, tuple((10.0**power, _number(10.0**power)) for power in powers), "log", label)
    highest = max(positive, default=1.0)
    step = _round_step(highest / 4)
    count = max(1, math.ceil(highest / step - 1e-9))
    return Axis(0, step * count, tuple((step * n, _number(step * n)) for n in range(count + 1)), "linear", label)


def time_axis(seconds: float) -> Axis:
    """Give the axis of a run's seconds; every plot of a run has the same."""
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)
    step = next((each for each in steps if seconds / each <= 12), 28800)
    ticks = tuple((float(at), _clock(at)) for at in range(0, int(seconds) + 1, step))
    return Axis(0, max(seconds, 1.0), ticks, "linear", "time since the start")


def tail_axis() -> Axis:
    """Give the axis of percentiles on which every nine is as wide as the one before: 1/(1-p), logarithmic."""
    marks = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
    return Axis(1, 1e4, tuple((1 / (1 - mark / 100), f"{mark:g}%") for mark in marks), "log", "percentile")


def plot(
    title: str,
    x: Axis,
    y: Axis,
    lines: Sequence[Line] = (),
    bands: Sequence[Band] = (),
    shades: Sequence[Shade] = (),
    height: int = HEIGHT,
) -> Markup:
    """Draw; a legend names what there is more than one of."""
    drawing, bottom = _Drawing(), height - BOTTOM
    legend = [(band.name, f"band b{band.style}") for band in bands] + [
        (line.name, f"line s{line.style}{' dashed' if line.dashed else ''}") for line in lines
    ]

    def px(value: float) -> float:
        return LEFT + x.share(value) * (WIDTH - LEFT - RIGHT)

    def py(value: float) -> float:
        return bottom - y.share(value) * (bottom - TOP)

    drawing.add(f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {height}" aria-label="{escape(title)}">')
    drawing.add(f"<title>{escape(title)}</title>")
    for shade in shades:
        left, right = px(shade.begin), px(shade.end)
        if right - left > 0.5:
            drawing.add(f'<rect class="shade" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{bottom - TOP}"/>')
            if height >= HEIGHT:
                drawing.add(f'<text class="shade-name" x="{left + 3:.1f}" y="{TOP + 11}">{escape(shade.name)}</text>')
    for value, name in y.ticks:
        drawing.add(f'<path class="grid" d="M{LEFT} {py(value):.1f}H{WIDTH - RIGHT}"/>')
        drawing.add(f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{py(value) + 4:.1f}">{escape(name)}</text>')
    for value, name in x.ticks:
        drawing.add(f'<path class="grid" d="M{px(value):.1f} {bottom}v4"/>')
        drawing.add(f'<text class="tick" text-anchor="middle" x="{px(value):.1f}" y="{bottom + 17}">{escape(name)}</text>')
    if y.label:
        drawing.add(f'<text class="axis" x="{-(TOP + bottom) / 2:.0f}" y="13" transform="rotate(-90)">{escape(y.label)}</text>')
    if x.label:
        drawing.add(f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{height - 3}">{escape(x.label)}</text>')
    for band in bands:
        if band.points:
            upper = " ".join(f"{px(at):.1f},{py(high):.1f}" for at, _, high in band.points)
            lower = " ".join(f"{px(at):.1f},{py(low):.1f}" for at, low, _ in reversed(band.points))
            drawing.add(f'<polygon class="band b{band.style}" points="{upper} {lower}"/>')
    for line in lines:
        _line(drawing, line, [(px(at), py(value)) for at, value in line.points])
    drawing.add("</svg>")
    if len(legend) > 1:
        drawing.add('<ul class="plot-legend">')
        drawing.add("".join(f'<li><svg class="key" viewBox="0 0 22 10" aria-hidden="true">{_key(kind)}</svg>{escape(name)}</li>'
                            for name, kind in legend))  # fmt: skip
        drawing.add("</ul>")
    return Markup("".join(drawing.parts))  # noqa: S704 -- every text was escaped as it was drawn


def _line(drawing: _Drawing, line: Line, places: Sequence[Point]) -> None:
    style = f"line s{line.style}{' dashed' if line.dashed else ''}"
    if len(places) == 1:
        drawing.add(f'<circle class="dot d{line.style}" cx="{places[0][0]:.1f}" cy="{places[0][1]:.1f}" r="3"/>')
    elif places:
        drawing.add(f'<polyline class="{style}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in places)}"/>')


def _key(kind: str) -> str:
    if kind.startswith("band"):
        return f'<rect class="{kind}" width="22" height="10"/>'
    return f'<path class="{kind}" d="M0 5H22"/>'


def _round_step(least: float) -> float:
    power = 10 ** math.floor(math.log10(least)) if least > 0 else 1.0
    return next(power * digit for digit in (1, 2, 2.5, 5, 10) if power * digit >= least * 0.999)


def _number(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{sign}"
    return f"{value:.3g}"


def _clock(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"
