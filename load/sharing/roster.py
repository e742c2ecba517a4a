"""The workers of a run as the master knows them: who is here, what each was handed, what it reported, and who was lost."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from load.measuring.measures import Measures
from load.population.store import Records
from load.sharing.allotment import Allotment
from load.sharing.messages import ASK, FAILED, HERE, PROTOCOL, REFUSED, REPORT, STANDS, TOLD
from load.sharing.processes import Processes
from load.sharing.share import MADE
from load.windows import Window
from scenarios.visit.made import Made
from scenarios.wire import Unreachable

__all__ = ["Place", "Roster"]

# What Locust's master calls a worker that is silent; Locust itself changes Python at its import, and is not needed here.
_MISSING = "missing"


@dataclass
class Place:
    """One worker: `client` is Locust's name for it, `name` its share's number."""

    client: str
    host: str
    pid: int
    name: str = ""
    people: int = 0
    stands: bool = False
    came: int = 0
    failed: list[str] = field(default_factory=list)
    busy: int = 0
    outstanding: int = 0
    offered: dict[Window, int] = field(default_factory=dict)
    noticed: dict[str, int] = field(default_factory=dict)
    clock_bound: float | None = None
    lost: bool = False
    missing: int = 0
    """How many arrivals of its share nobody heard of."""
    final: bool = False
    cut: bool = False
    gap: bool = False
    due: int = 0
    """The number of the report that comes next."""


class Roster:
    """Listens to what workers say and takes it down."""

    def __init__(self, environment: Any, processes: Processes | None = None) -> None:
        """Listen at a master's runner; `processes` are those that the master started itself."""
        self.runner = environment.runner
        self.processes = processes
        self.places: dict[str, Place] = {}
        self.store: Records | None = None
        self.journal: Made | None = None
        self.measures: Measures | None = None
        self.complaint = ""
        self.allotment = Allotment()
        self._complete = False
        for name, listener in ((HERE, self._here), (STANDS, self._stands), (FAILED, self._failed), (ASK, self._asked)):
            self.runner.register_message(name, lambda environment, msg, listener=listener: listener(msg.node_id, msg.data))
        environment.events.worker_report.add_listener(self._report)

    def complete(self, expected: int) -> list[Place]:
        """Take no more, and give those whom the run is shared by: as many as were expected, in the order of their coming."""
        self._complete = True
        chosen = [place for place in self.places.values() if self.is_there(place)][:expected]
        for place in [place for place in self.places.values() if place not in chosen]:
            self._refuse(place.client)
        self.places = {place.client: place for place in chosen}
        for number, place in enumerate(chosen):
            place.name = str(number)
        return chosen

    @property
    def here(self) -> int:
        """How many workers are here."""
        return sum(self.is_there(place) for place in self.places.values())

    def is_there(self, place: Place) -> bool:
        """Tell whether a worker lives and is heard of."""
        if self.processes and self.processes.ended(place.pid):
            return False
        node = self.runner.clients.get(place.client)
        return node is not None and node.state != _MISSING

    def waited_for(self) -> list[Place]:
        """Give those from whom a last report is still to come."""
        return [place for place in self.places.values() if not place.final and self.is_there(place)]

    def is_lost(self, place: Place, *, cut: bool) -> bool:
        """Tell, at the end, whether a worker's share is not whole: no last report, one missing, or it went by itself."""
        return not place.final or place.gap or (place.cut and not cut)

    def send(self, message: str, content: dict[str, Any]) -> None:
        """Say something to every worker of the run."""
        for client in self.places:
            self.runner.send_message(message, content, client_id=client)

    # What workers say.

    def _here(self, client: str, said: dict[str, Any]) -> None:
        if client in self.places:
            return
        if said["protocol"] != PROTOCOL:
            self.runner.send_message(REFUSED, {"why": "the master is of another version of Vigie"}, client_id=client)
        elif self._complete:
            self._refuse(client)
        else:
            self.places[client] = Place(client, said["host"], said["pid"])

    def _refuse(self, client: str) -> None:
        self.runner.send_message(REFUSED, {"why": "the master has its workers already"}, client_id=client)

    def _stands(self, client: str, _said: dict[str, Any]) -> None:
        if client in self.places:
            self.places[client].stands = True

    def _failed(self, client: str, said: dict[str, Any]) -> None:
        if client in self.places:
            self.complaint = self.complaint or f"worker {self.places[client].name}: {said['why']}"

    def _asked(self, client: str, said: dict[str, Any]) -> None:
        """Write down what a worker has changed, and tell it so, and the time."""
        # Keys that cannot be written down are not to be published: nobody says so then.
        with suppress(Unreachable):
            self._keep(said["records"])
            self.runner.send_message(TOLD, {"number": said["number"], "at": time.monotonic()}, client_id=client)

    def _keep(self, records: list[list[Any]]) -> None:
        for kind, name, value in records:
            if kind == MADE:
                assert self.journal is not None
                self.journal.note(**value)
            else:
                assert self.store is not None
                self.store.put(kind, name, value)

    def _report(self, client_id: str, data: dict[str, Any]) -> None:
        told, place = data.get(REPORT), self.places.get(client_id)
        if told is None or place is None:
            return
        # Each report is absorbed once; one that is missing makes the worker's figures incomplete, which is told.
        if told["number"] < place.due:
            return
        place.gap = place.gap or told["number"] > place.due
        place.due = told["number"] + 1
        with suppress(Unreachable):
            self._keep(told["records"])
        place.came, place.busy = told["came"], told["busy"]
        place.failed += told["failed"]
        place.outstanding = told.get("outstanding", 0)
        if "measures" in told and self.measures is not None:
            for window, name, number in told["measures"]["tally"]["counts"]:
                if name == "offered":
                    place.offered[window] = place.offered.get(window, 0) + number
            self.measures.absorb(told["measures"])
        if told.get("final"):
            place.final, place.cut = True, told["cut"]
            place.noticed, place.clock_bound = told["noticed"], told["clock_bound"]
