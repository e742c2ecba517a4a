"""How long a run of checks still takes: long checks come first, so the number of those that are done says little of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from conformance.markers import long_tests, rules_by_test
from conformance.run import check_id
from conformance.scheduling import breaks_parts

__all__ = ["Outlook"]

# Seconds that a check takes, by its kind, with four side by side on two cores: measured, and only their ratios matter, since
# what this machine takes is learnt from what is done.
_LONG, _BREAKING, _OTHER = 20.0, 8.0, 2.0
# How much must be done before what was expected is forgotten for what was seen.
_TRUSTED = 100.0


class Outlook:
    """What is expected of the checks of a run that `workers` share; those that break parts are all on one of them."""

    def __init__(self, workers: int) -> None:
        """Expect nothing yet."""
        self._workers = workers
        self._waiting: dict[str, list[float]] = {}
        self._expected = self._took = self._whole = 0.0

    def expect(self, nodes: Iterable[str]) -> int:
        """Take the checks of the run by their node ids, as pytest gives them; gives how many there are."""
        count = 0
        for node in nodes:
            file, _, test = node.rpartition("::")
            name = test.partition("[")[0]
            count += 1
            kind = (Path(file).name, name)
            self._waiting.setdefault(_name_of(kind), []).append(_cost(kind))
        self._whole = sum(map(sum, self._waiting.values()))
        self._workers = max(1, min(self._workers, count))
        return count

    def ended(self, check: str, seconds: float) -> None:
        """Take what a check took, by its id."""
        waiting = self._waiting.get(check.partition("[")[0])
        self._expected += waiting.pop() if waiting else 0.0
        self._took += seconds

    def left(self, elapsed: float) -> float:
        """Give the seconds that are left, `elapsed` after the first check was begun."""
        pace = (self._took + _TRUSTED) / (self._expected + _TRUSTED)
        alone = sum(cost for costs in self._waiting.values() for cost in costs if cost == _BREAKING)
        waiting = sum(map(sum, self._waiting.values()))
        # What is under way is in none of the sums; all that was expected, less the time that has gone by, has it in.
        return max(pace * self._whole / self._workers - elapsed, pace * waiting / self._workers, pace * alone)


@cache
def _names() -> Mapping[tuple[str, str], str]:
    return {test: check_id(rules[0], test[1]) for test, rules in rules_by_test().items()}


def _name_of(test: tuple[str, str]) -> str:
    return _names().get(test, check_id("", test[1]))


def _cost(test: tuple[str, str]) -> float:
    if test in long_tests():
        return _LONG
    return _BREAKING if test in _names() and breaks_parts(test[0]) else _OTHER
