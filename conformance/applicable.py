"""Which variants of a check a deployment has: those for a second homeserver of agents are none where there is one.

A rule that only one homeserver can break is told by the variants for that one. What needs two, by its story, stays and is
untestable there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

__all__ = ["HOMES", "is_elsewhere", "variants"]

HOMES = frozenset({"home", "newcomer_home", "searcher", "found", "other", "host"})
"""Parameters of checks that are numbers of homeservers of agents."""

T = TypeVar("T")


def is_elsewhere(parameters: Mapping[str, object], homeservers: int) -> bool:
    """Tell whether a variant takes place at a homeserver that is not there."""
    return any(isinstance(value, int) and value >= homeservers for name, value in parameters.items() if name in HOMES)


def variants(checks: Sequence[tuple[T, str, Mapping[str, object]]], homeservers: int) -> list[T]:
    """Give the variants to leave out, of (variant, check, parameters); a check whose every variant is elsewhere keeps them."""
    here = {check for _, check, parameters in checks if not is_elsewhere(parameters, homeservers)}
    return [each for each, check, parameters in checks if check in here and is_elsewhere(parameters, homeservers)]
