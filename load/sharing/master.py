"""A run of several processes, under Locust's master: workers are handed circles, and their measures become one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.exception import RPCError

from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError, FixtureError
from load.agents.crowd import canaries_of
from load.agents.user import Agent
from load.measuring.export import Exporter
from load.measuring.losses import enter_losses, workers_told
from load.measuring.measures import Measures
from load.population.gathering import SPAWN_RATE, ensure_enough, time_to_come
from load.population.plan import Plan, circles_of
from load.population.store import Records
from load.profile import Profile
from load.report import Worker
from load.sharing.clocks import clock_id
from load.sharing.dispatch import open_roster
from load.sharing.messages import BEGIN, CUT, SHARE
from load.sharing.processes import Processes
from load.sharing.roster import Roster
from load.sharing.share import pack
from scenarios.visit.ledger import Ledger

__all__ = ["Conductor", "ensure_shareable"]

Told = Callable[[str], None]
# Every worker has heard of second 0 before it comes.
_A_MOMENT = 2.0
_TOLD_EVERY = 5.0
_WAITED_FOR_WORKERS = 600.0
_CUT_GRACE = 6.0
# What a worker has after its grace to break off, let its people go and report.
_HANDING_OVER = 45.0


def ensure_shareable(profile: Profile, workers: int) -> None:
    """Raise `DeploymentError` where there are more workers than circles: one without people could only drop its share."""
    circles = circles_of(profile.population)
    if workers > circles:
        people = profile.population.people + profile.population.guests
        raise DeploymentError(
            f"{workers} workers: {people} people are {circles} circle{'s' if circles > 1 else ''} (people who write to each"
            " other, at most 250), and a worker has whole ones; fewer workers, or more --people"
        )


@dataclass
class Conductor:
    """One run shared by workers; `stop` set from outside cuts it short. `processes` are started here, others awaited."""

    deployment: Deployment
    profile: Profile
    plan: Plan
    store: Records
    tell: Told = lambda _line: None
    processes: int = 0
    expected: int = 0
    bind: tuple[str, int] = ("127.0.0.1", 0)
    stop: Event = field(default_factory=Event)
    web_port: int = 0
    prometheus_port: int = 0
    ledger: Ledger | None = None
    environment: Any = None
    cut_short: str = ""
    start: float = 0.0
    roster: Roster | None = None
    _lost: set[str] = field(default_factory=set)

    def perform(self) -> Measures:
        """Do it all; gives the books of all workers together. Raises `FixtureError` when workers or people cannot come."""
        environment = Environment(user_classes=[Agent])
        runner = self._listening(environment)
        web = environment.create_web_ui("127.0.0.1", self.web_port) if self.web_port else None
        own = Processes(self.processes, runner.server.port) if self.processes else None
        try:
            return self.conduct(environment, open_roster(environment, own), self.processes or self.expected)
        finally:
            runner.quit()
            if own is not None:
                own.end()
            if web is not None:
                web.stop()  # type: ignore[no-untyped-call]

    def _listening(self, environment: Any) -> Any:
        host, port = self.bind
        try:
            runner = environment.create_master_runner(host, port)
        except (RPCError, OSError, SystemExit) as error:
            why = "the port is taken" if isinstance(error, SystemExit) else error
            raise FixtureError(f"no worker can be awaited at {host}:{port}: {why}") from None
        if self.expected:
            self.tell(
                f"awaiting {self.expected} workers at {host}:{runner.server.port}, over a channel that is neither encrypted nor"
                " authenticated: it belongs on a private network"
            )
        return runner

    def conduct(self, environment: Any, roster: Roster, workers: int) -> Measures:
        """Share the run by so many workers of a master's roster, from their coming to the books."""
        self.environment, self.roster = environment, roster
        roster.store, roster.journal = self.store, self.ledger.made if self.ledger else None
        self._until(lambda: roster.here >= workers, _WAITED_FOR_WORKERS, lambda: f"{roster.here} of {workers} workers are here")
        self._hand_out(roster, workers)
        self._gather(roster)
        return self._measured(roster)

    def _hand_out(self, roster: Roster, workers: int) -> None:
        canaries, tag = canaries_of(self.plan, self.profile), self.ledger.made.tag if self.ledger else ""
        for shard, place in enumerate(roster.complete(workers)):
            share = pack(self.deployment, self.profile, self.plan, canaries, self.store, shard, workers, tag)
            place.people = roster.allotment.wanted[place.client] = len(share["people"])
            roster.runner.send_message(SHARE, {**share, "clock": clock_id()}, client_id=place.client)
        places = roster.places.values()
        self._until(
            lambda: all(place.stands for place in places),
            time_to_come(self.plan, self.profile),
            lambda: f"{sum(place.stands for place in places)} of {workers} workers have their share",
        )

    def _gather(self, roster: Roster) -> None:
        """Let everybody come, at all workers."""
        places, wanted, began = roster.places.values(), len(self.plan.people), time.monotonic()
        spawning = gevent.spawn(roster.runner.start, wanted, SPAWN_RATE)

        def failed() -> list[str]:
            return [each for place in places for each in place.failed]

        self._until(
            lambda: sum(place.came for place in places) + len(failed()) >= wanted,
            time_to_come(self.plan, self.profile),
            lambda: f"{sum(place.came for place in places)} of {wanted} people are there",
        )
        ensure_enough(wanted, failed())
        spawning.join(timeout=5)
        came = sum(place.came for place in places)
        self.tell(f"{came} people are there after {time.monotonic() - began:.1f} s, at {len(places)} workers")

    def _until(self, done: Callable[[], bool], patience: float, far: Callable[[], str]) -> None:
        """Wait for something before second 0; raises `FixtureError` where it does not come, or a worker is gone."""
        roster = self.roster
        assert roster is not None
        told = time.monotonic()
        deadline = told + patience
        while not done():
            if self.stop.wait(0.1):
                raise FixtureError(f"{self._why()} when {far()}; nothing was measured")
            if roster.complaint:
                raise FixtureError(roster.complaint)
            gone = [place.name for place in roster.places.values() if place.name and not roster.is_there(place)]
            if gone or (roster.processes and roster.processes.any_ended()):
                raise FixtureError(f"a worker was lost when {far()}; nothing was measured")
            now = time.monotonic()
            if now > deadline:
                raise FixtureError(f"only {far()} after {patience:.0f} s")
            if now - told > _TOLD_EVERY:
                told = now
                self.tell(far())

    # From second 0 on.

    def _measured(self, roster: Roster) -> Measures:
        windows = self.profile.windows
        self.start = time.monotonic() + _A_MOMENT
        measures = roster.measures = Measures(windows, self.start, "master")
        roster.send(BEGIN, {"start": self.start})
        deadline = self.start + windows.total + 3 * windows.grace + _HANDING_OVER
        with self._exported(measures, roster):
            told = self.start
            while roster.waited_for() and time.monotonic() < deadline:
                if self.cut_short:
                    gevent.sleep(0.1)
                elif self.stop.wait(0.1):
                    self.cut_short = self._why()
                    measures.cut_short(time.monotonic())
                    roster.send(CUT, {})
                    deadline = min(deadline, time.monotonic() + _CUT_GRACE + _HANDING_OVER)
                self._tell_of_the_lost(roster)
                if time.monotonic() - told > _TOLD_EVERY:
                    told = time.monotonic()
                    self._tell_how_far(roster, told - self.start)
        self._tell_of_the_lost(roster)
        enter_losses(roster, self.profile, measures, time.monotonic() - self.start, cut=bool(self.cut_short))
        return measures

    def _why(self) -> str:
        return self.store.trouble or "interrupted"

    @contextmanager
    def _exported(self, measures: Measures, roster: Roster) -> Iterator[None]:
        if not self.prometheus_port:
            yield
            return
        outstanding = lambda: sum(place.outstanding for place in roster.places.values())  # noqa: E731
        exporter = Exporter(measures, self.prometheus_port, outstanding=outstanding)
        exporter.start()
        try:
            yield
        finally:
            exporter.stop()

    def _tell_how_far(self, roster: Roster, at: float) -> None:
        windows, places = self.profile.windows, roster.places.values()
        name = windows.at(at) if at < windows.total else "grace"
        busy, waiting = sum(place.busy for place in places), sum(place.outstanding for place in places)
        self.tell(
            f"{at:5.0f} s of {windows.total:.0f}  {name}: {busy} at something, {waiting} deliveries to come,"
            f" {len(roster.waited_for())} of {len(places)} workers at it"
        )

    def _tell_of_the_lost(self, roster: Roster) -> None:
        """Say at once who went, and who is back: a silence can end."""
        for place in roster.places.values():
            gone = not place.final and not roster.is_there(place)
            if gone and place.name not in self._lost:
                self._lost.add(place.name)
                self.tell(f"worker {place.name} on {place.host} is gone: its share of the load is lost")
            elif not gone and place.name in self._lost:
                self._lost.discard(place.name)
                self.tell(f"worker {place.name} on {place.host} is heard of again")

    # What is told.

    def noticed(self) -> dict[str, int]:
        """Give what was noticed at the workers and is no figure, with how often."""
        found: dict[str, int] = {}
        for place in self.roster.places.values() if self.roster else ():
            for what, number in place.noticed.items():
                found[what] = found.get(what, 0) + number
        return found

    def workers(self) -> list[Worker]:
        """Tell of the processes that made the load."""
        measures = self.roster.measures if self.roster else None
        return workers_told(self.roster, self.profile, measures) if self.roster and measures else []
