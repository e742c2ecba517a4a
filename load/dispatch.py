"""How Locust's master hands its users out: to each worker as many as its circles have people, and never anybody twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gevent
from locust.dispatch import UsersDispatcher

__all__ = ["Allotment", "by_allotment"]

Users = dict[str, dict[str, int]]


@dataclass
class Allotment:
    """How many users each worker is to have, by Locust's name for it, and how many it was told to have."""

    wanted: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)

    def more(self, number: int) -> None:
        """Tell of so many more, worker by worker in turn."""
        for _ in range(number):
            behind = [name for name, wanted in self.wanted.items() if self.told.get(name, 0) < wanted]
            if not behind:
                return
            last = min(behind, key=lambda name: self.told.get(name, 0) / self.wanted[name])
            self.told[last] = self.told.get(last, 0) + 1

    @property
    def complete(self) -> bool:
        """Whether everybody was told of."""
        return all(self.told.get(name, 0) >= wanted for name, wanted in self.wanted.items())


def by_allotment(allotment: Allotment) -> Any:
    """Give what `Environment.dispatcher_class` takes."""
    return partial(_AllottingDispatcher, allotment)


class _AllottingDispatcher(UsersDispatcher):
    """Locust's own spreads users evenly and moves them when a worker goes; people live where their circle is."""

    def __init__(self, allotment: Allotment, worker_nodes: list[Any], user_classes: list[Any]) -> None:
        super().__init__(worker_nodes=worker_nodes, user_classes=user_classes)
        self._allotment, self._named = allotment, user_classes[0].__name__
        self._steps: Iterator[Users] = iter(())

    def new_dispatch(self, target_user_count: int, spawn_rate: float, user_classes: Any = None) -> None:
        """Begin, or go on where it stands."""
        del target_user_count, user_classes
        self._steps = self._in_steps(max(1, int(spawn_rate)))

    def __next__(self) -> Users:
        return next(self._steps)

    def _in_steps(self, rate: int) -> Iterator[Users]:
        allotment = self._allotment
        self._dispatch_in_progress = True
        try:
            while True:
                allotment.more(rate)
                # Before shares are handed out Locust may begin already: with nobody.
                names = list(allotment.wanted) or [node.id for node in self._worker_nodes]
                yield {name: {self._named: allotment.told.get(name, 0)} for name in names}
                if allotment.complete:
                    return
                gevent.sleep(1.0)
        finally:
            self._dispatch_in_progress = False

    def add_worker(self, worker_node: Any) -> None:
        """Leave everybody where they are."""
        del worker_node

    def remove_worker(self, worker_node: Any) -> None:
        """Leave everybody where they are: nobody else knows the people of a worker that went."""
        del worker_node
