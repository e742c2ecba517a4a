"""Which variants of a check a deployment has: those for a second homeserver of agents are none where there is one.

A rule that only one homeserver can break is told by the variants for that one. What needs two, by its story, stays and is
untestable there. So it is with guests where nobody can bring one on, and with addresses where no identity server knows any:
what holds for agents and accounts as well is told by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

__all__ = ["GUESTS", "HOMES", "is_elsewhere", "of_guests", "variants"]

HOMES = frozenset({"home", "newcomer_home", "searcher", "found", "other", "host"})
"""Parameters of checks that are numbers of homeservers of agents."""

GUESTS = -1
"""The number that stands for the guests' homeserver."""

T = TypeVar("T")


def is_elsewhere(parameters: Mapping[str, object], homeservers: int) -> bool:
    """Tell whether a variant takes place at a homeserver that is not there."""
    return any(isinstance(value, int) and value >= homeservers for name, value in parameters.items() if name in HOMES)


def of_guests(parameters: Mapping[str, object]) -> bool:
    """Tell whether a variant is that of guests, of a check that has others."""
    return any(value == GUESTS for name, value in parameters.items() if name in HOMES)


def variants(checks: Sequence[tuple[T, str, Mapping[str, object]]], homeservers: int, *, guests: bool = True) -> list[T]:
    """Give the variants to leave out, of (variant, check, parameters); a check whose every variant is elsewhere keeps them."""

    def away(parameters: Mapping[str, object]) -> bool:
        return is_elsewhere(parameters, homeservers) or (not guests and of_guests(parameters))

    here = {check for _, check, parameters in checks if not away(parameters)}
    return [each for each, check, parameters in checks if check in here and away(parameters)]
