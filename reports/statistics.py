"""Statistics over few repeated runs: the run is the unit, since the messages within one are no independent witnesses.

Welch's test against a margin: *worse* means by more than what matters, *same* means within it on both sides (two one-sided
tests), anything else is open. Over several figures the p-values are corrected by Holm, so that a long list finds no more by
chance than a short one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Difference", "difference", "holm", "student_tail"]


@dataclass(frozen=True)
class Difference:
    """How much B is above A, with its 90 % interval, and the p-values of "above the margin", "below it" and "outside it"."""

    estimate: float
    low: float
    high: float
    above: float
    below: float
    outside: float


def difference(a: Sequence[float], b: Sequence[float], margin: float) -> Difference | None:
    """Compare the means of two samples; None when one of them is a single run, and so without a spread."""
    if len(a) < 2 or len(b) < 2:
        return None
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    part_a = math.fsum((x - mean_a) ** 2 for x in a) / (len(a) - 1) / len(a)
    part_b = math.fsum((x - mean_b) ** 2 for x in b) / (len(b) - 1) / len(b)
    found, error = mean_b - mean_a, math.sqrt(part_a + part_b)
    if error < 1e-12 * max(abs(mean_a), abs(mean_b), 1e-300):
        # All runs of each side are equal: nothing is left to chance.
        above, below = float(found <= margin), float(found >= -margin)
        return Difference(found, found, found, above, below, float(abs(found) >= margin > 0))
    freedom = (part_a + part_b) ** 2 / (part_a**2 / (len(a) - 1) + part_b**2 / (len(b) - 1))
    reach = _quantile(0.05, freedom) * error
    return Difference(
        estimate=found,
        low=found - reach,
        high=found + reach,
        above=student_tail((found - margin) / error, freedom),
        below=student_tail((-margin - found) / error, freedom),
        outside=max(student_tail((margin - found) / error, freedom), student_tail((found + margin) / error, freedom)),
    )


def holm(values: Mapping[str, float]) -> dict[str, float]:
    """Correct p-values of several tests (Holm 1979)."""
    corrected, highest = {}, 0.0
    for rank, name in enumerate(sorted(values, key=lambda each: values[each])):
        highest = max(highest, min(1.0, (len(values) - rank) * values[name]))
        corrected[name] = highest
    return corrected


def student_tail(t: float, freedom: float) -> float:
    """Give the probability that Student's t with these degrees of freedom lies above `t`."""
    x = freedom / (freedom + t * t)
    tail = 0.5 * _beta(x, freedom / 2, 0.5)
    return tail if t >= 0 else 1 - tail


def _quantile(tail: float, freedom: float) -> float:
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, freedom) > tail else (low, middle)
    return high


def _beta(x: float, a: float, b: float) -> float:
    """Give the regularised incomplete beta function, by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny, c, d, fraction = 1e-300, 1.0, 0.0, 1.0
    for step in range(400):
        m = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / ((1 + term * d) or tiny)
        c = (1 + term / c) or tiny
        fraction *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return front * (fraction - 1)
