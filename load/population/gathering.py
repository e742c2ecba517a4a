"""Before second 0: how fast people come, how long that may take, and how many may stay away."""

from __future__ import annotations

from collections.abc import Sequence

from fixtures.errors import FixtureError
from load.population.plan import Plan
from load.profile import Profile

__all__ = ["SPAWN_RATE", "ensure_enough", "time_to_come"]

SPAWN_RATE = 50
# How many of the people may fail to come before the run is called off: nobody measures a crowd that is not there.
_MOST_ABSENT = 0.02


def time_to_come(plan: Plan, profile: Profile) -> float:
    """Give how many seconds the people of a plan have to come, and to give the keys of their rooms where they are to."""
    keys = sum(len(each.members) for each in plan.rooms) if profile.population.keys_given else 0
    return 60 + len(plan.people) / 5 + keys


def ensure_enough(people: int, failed: Sequence[str]) -> None:
    """Raise `FixtureError` where too many could not come."""
    if len(failed) > _MOST_ABSENT * people:
        raise FixtureError(f"{len(failed)} of {people} people could not come, the first: {failed[0]}")
