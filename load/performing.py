"""A run in this process, under Locust's runner: people come, the schedule is handed out, the books are closed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment

from fixtures.deployment import Deployment
from fixtures.errors import FixtureError
from load.agents.crowd import Crowd
from load.agents.surroundings import Surroundings
from load.agents.user import Agent
from load.arrivals import schedule
from load.driver import drive
from load.measuring.export import Exporter
from load.measuring.measures import Measures
from load.population.gathering import SPAWN_RATE, ensure_enough, time_to_come
from load.population.plan import Plan
from load.population.store import Records
from load.probes import run_probe
from load.profile import Profile
from load.report import Worker
from load.transport import trusting
from scenarios.visit.ledger import Ledger

__all__ = ["Performance", "Told"]

Told = Callable[[str], None]
_A_MOMENT = 0.5
_CUT_GRACE = 3.0
_TOLD_EVERY = 5.0


@dataclass
class Performance:
    """One run of one process; `stop` set from outside cuts it short."""

    deployment: Deployment
    profile: Profile
    plan: Plan
    store: Records
    tell: Told = lambda _line: None
    shard: int = 0
    shards: int = 1
    authority: str = ""
    canaries: set[int] | None = None
    stop: Event = field(default_factory=Event)
    web_port: int = 0
    prometheus_port: int = 0
    environment: Any = None
    ledger: Ledger | None = None
    cut_short: str = ""
    crowd: Crowd | None = None
    around: Surroundings | None = None
    start: float = 0.0

    def perform(self) -> Measures:
        """Do it all; gives the books, closed. Raises `FixtureError` when the people cannot come."""
        with self.gathered() as around:
            return self.measured(around)

    @contextmanager
    def gathered(self) -> Iterator[Surroundings]:
        """Have the people be there for the length of a block. Raises `FixtureError` when they cannot come."""
        environment = Environment(user_classes=[Agent])
        around = self.stand(environment)
        runner = environment.create_local_runner()
        web = environment.create_web_ui("127.0.0.1", self.web_port) if self.web_port else None
        try:
            self.gather(runner)
            yield around
        finally:
            if self.crowd is not None:
                self.crowd.abandon()
            runner.quit()
            if web is not None:
                web.stop()  # type: ignore[no-untyped-call]

    def stand(self, environment: Any) -> Surroundings:
        """Make the crowd, and give it to Locust's users by their environment."""
        around = Surroundings(
            self.deployment,
            self.profile,
            trusting(self.deployment.ca, self.authority),
            ledger=self.ledger,
        )
        self.crowd = Crowd(around, self.plan, self.store, shard=self.shard, shards=self.shards, canaries=self.canaries)
        self.around, self.environment = around, environment
        environment.crowd = self.crowd
        return around

    def again(self, profile: Profile) -> Measures:
        """Hand out another schedule to the people who are there; gives its books, closed."""
        around = self.around
        assert around is not None
        self.profile = around.profile = profile
        return self.measured(around)

    def noticed(self) -> dict[str, int]:
        """Give what was noticed and is no figure, with how often."""
        return self.crowd.noticed() if self.crowd else {}

    def workers(self) -> list[Worker]:
        """Tell of the processes that made the load."""
        crowd, windows = self.crowd, self.profile.windows
        if crowd is None or crowd.around.measures is None:
            return []
        measures, begin = crowd.measures, self.start + windows.warm_up
        worker = Worker(
            name=str(self.shard),
            host="localhost",
            processor=measures.health.share_of(str(self.shard), begin, begin + windows.measured),
            people=len(crowd.members),
            offered=measures.tally.total("offered"),
        )
        return [worker]

    def gather(self, runner: Any) -> None:
        """Let everybody come, and wait until they have synced once."""
        crowd = self.crowd
        assert crowd is not None
        wanted = len(crowd.members)
        runner.start(wanted, spawn_rate=SPAWN_RATE)
        began = told = time.monotonic()
        deadline = began + time_to_come(self.plan, self.profile)
        while crowd.came_so_far + len(crowd.failed_to_come) < wanted:
            if self.stop.wait(0.1):
                raise FixtureError(f"{self._why()} while people were coming; nothing was measured")
            now = time.monotonic()
            if now > deadline:
                raise FixtureError(f"only {crowd.came_so_far} of {wanted} people {_far(crowd)} after {now - began:.0f} s")
            if now - told > _TOLD_EVERY:
                told = now
                self.tell(f"{crowd.came_so_far} of {wanted} people {_far(crowd)}")
        ensure_enough(wanted, crowd.failed_to_come)
        self.tell(f"{crowd.came_so_far} people {_far(crowd)} after {time.monotonic() - began:.1f} s")

    def measured(self, around: Surroundings, start: float | None = None) -> Measures:
        """Hand out the schedule from second 0 to the end, wait for what is under way, and close the books.

        `start` is the moment of second 0 where it is somebody else's to say.
        """
        crowd = self.crowd
        assert crowd is not None
        self.start = time.monotonic() + _A_MOMENT if start is None else start
        measures = crowd.begin(self.start)
        exporter = Exporter(measures, self.prometheus_port) if self.prometheus_port else None
        if exporter:
            exporter.start()
        windows = self.profile.windows

        def at_rest() -> bool:
            return not crowd.busy()

        # Nothing is acknowledged any more when this is waited for: the last message has its whole grace, too.
        def all_told() -> bool:
            return not measures.delivery.outstanding()

        with self._watching(measures, around):
            dispatcher = gevent.spawn(crowd.dispatch, schedule(self.profile, self.shard, self.shards), self.start)
            cut = self._until(self.start + windows.total, lambda: False)
            cut = cut or self._until(time.monotonic() + windows.grace, dispatcher.ready)
            cut = cut or self._until(time.monotonic() + windows.grace, at_rest)
            if not cut:
                dispatcher.kill()
                crowd.abandon()
                cut = self._until(time.monotonic() + windows.grace, all_told)
            if cut:
                # What is still to come is waited for, but nobody is held up who wants to end it.
                dispatcher.kill()
                self.cut_short = self._why()
                measures.cut_short(time.monotonic())
                self._until(time.monotonic() + _CUT_GRACE, at_rest, heed_stop=False)
                crowd.abandon()
                self._until(time.monotonic() + _CUT_GRACE, all_told, heed_stop=False)
        measures.finish()
        if exporter:
            exporter.stop()
        return measures

    def _why(self) -> str:
        return self.store.trouble or "interrupted"

    def _until(self, moment: float, done: Callable[[], bool], *, heed_stop: bool = True) -> bool:
        """Wait until a moment, or until it is done; tells whether it was cut short."""
        while (left := moment - time.monotonic()) > 0 and not done():
            if heed_stop:
                if self.stop.wait(min(left, 0.25)):
                    return True
            else:
                gevent.sleep(min(left, 0.1))
        return False

    @contextmanager
    def _watching(self, measures: Measures, around: Surroundings) -> Iterator[None]:
        watchers = [
            gevent.spawn(_watch_lag, measures),
            gevent.spawn(self._hand_on, around),
            gevent.spawn(self._report, measures),
        ]
        watchers += [gevent.spawn(self._probe, each.name, each.every, measures) for each in self.profile.probes]
        try:
            yield
        finally:
            gevent.killall(watchers)
            around.figures.hand_on(self.environment.stats)

    def _probe(self, name: str, every: float, measures: Measures) -> None:
        """Ask again and again whether a rule still holds. One process does it for all."""
        assert self.crowd is not None
        context = self.crowd.probe_context() if self.shard == 0 else None
        due = self.start + every
        while context is not None:
            gevent.sleep(max(0.0, due - time.monotonic()))
            result, message = drive(run_probe(name, context))
            measures.probe(name, due, result, message)
            # One that took longer than its turn leaves out those it missed.
            due += every * max(1.0, (time.monotonic() - due) // every + 1)

    def _hand_on(self, around: Surroundings) -> None:
        while True:
            gevent.sleep(1.0)
            around.figures.hand_on(self.environment.stats)

    def _report(self, measures: Measures) -> None:
        windows, crowd = self.profile.windows, self.crowd
        assert crowd is not None
        while True:
            gevent.sleep(_TOLD_EVERY)
            at = time.monotonic() - self.start
            if at >= 0:
                name = windows.at(at) if at < windows.total else "grace"
                waiting = measures.delivery.outstanding()
                self.tell(
                    f"{at:5.0f} s of {windows.total:.0f}  {name}: {crowd.busy()} at something, {waiting} deliveries to come"
                )


def _far(crowd: Crowd) -> str:
    return "have given the keys of their rooms" if crowd.preparing else "are there"


def _watch_lag(measures: Measures) -> None:
    """Measure how late the loop wakes who asked for it, ten times a second: that is what everybody else waits too."""
    while True:
        due = time.monotonic() + 0.1
        gevent.sleep(0.1)
        now = time.monotonic()
        measures.health.sample(now, now - due)
