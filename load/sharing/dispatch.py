"""How Locust's master hands its users out: to each worker as many as its circles have people, and never anybody twice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import gevent
from locust.dispatch import UsersDispatcher

from load.sharing.allotment import Allotment
from load.sharing.processes import Processes
from load.sharing.roster import Roster
from load.sharing.steady import keep_locust_steady

__all__ = ["open_roster"]

Users = dict[str, dict[str, int]]


def open_roster(environment: Any, processes: Processes | None = None) -> Roster:
    """Listen to the workers of a master's runner, and have Locust hand out its users as the roster says."""
    keep_locust_steady()
    roster = Roster(environment, processes)
    environment.dispatcher_class = partial(_AllottingDispatcher, roster.allotment)
    return roster


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
