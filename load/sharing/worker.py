"""A worker: it is handed circles by the master, has their people come, plays its share, and reports what it measured."""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from gevent.event import Event
from gevent.queue import Empty, Queue
from locust.env import Environment
from zmq.error import ZMQError

from fixtures.errors import FixtureError
from load.agents.user import Agent
from load.measuring.measures import Measures
from load.performing import Performance
from load.profile import Profile
from load.sharing.asking import Asking
from load.sharing.clocks import SAME, clock_id
from load.sharing.messages import BEGIN, CUT, FAILED, HERE, PROTOCOL, REFUSED, REPORT, SHARE, STANDS
from load.sharing.share import HandedMade, HandedRecords, Share, unpack
from load.sharing.steady import keep_locust_steady
from scenarios.visit.ledger import Ledger
from scenarios.wire import WireError

__all__ = ["Part", "work"]

FINISHED, GONE, NOT_SET_UP = 0, 3, 4
_CONNECTING = 300.0
_TELLING = 10.0
_LEAVING = 10.0

Allowed = Callable[[Any, Profile], None]


def work(host: str, port: int, stop: Event, allowed: Allowed, say: Callable[[str], None]) -> int:
    """Be a worker of the master at this address, for one run; gives the exit code. Raises `FixtureError`."""
    keep_locust_steady()
    environment = Environment(user_classes=[Agent])
    say(f"worker: asking for the master at {host}:{port}, for at most {_CONNECTING:.0f} s")
    runner = _connected(environment, host, port, stop, say)
    part = Part(environment, stop, allowed, say)
    code = part.take()
    if code == FINISHED:
        # The master says so when it has the last report; should it not, Locust's heartbeat ends this.
        runner.greenlet.join()
    else:
        part.go()
    return code


def _connected(environment: Any, host: str, port: int, stop: Event, say: Callable[[str], None]) -> Any:
    def connect() -> Any:
        try:
            return environment.create_worker_runner(host, port)
        except (OSError, ZMQError) as error:
            return FixtureError(f"no master can be reached at {host}:{port}: {error or 'it does not answer'}")

    connecting = gevent.spawn(connect)
    told = time.monotonic()
    deadline = told + _CONNECTING
    while not connecting.ready():
        if stop.wait(0.1):
            raise FixtureError("interrupted before the master was there")
        now = time.monotonic()
        if now - told > _TELLING:
            told = now
            say(f"worker: no master at {host}:{port} yet, {deadline - now:.0f} s left")
        if now > deadline:
            connecting.kill(block=False)
            raise FixtureError(f"no master at {host}:{port} within {_CONNECTING:.0f} s")
    if isinstance(connecting.value, FixtureError):
        raise connecting.value
    return connecting.value


class Part:
    """What a worker does between Locust's first message and its last."""

    def __init__(self, environment: Any, stop: Event, allowed: Allowed, say: Callable[[str], None]) -> None:
        """Listen; `stop` set from outside ends it, and its share is then lost."""
        self._environment, self._runner = environment, environment.runner
        self._stop, self._allowed, self._say = stop, allowed, say
        self._told: Queue[tuple[str, Any]] = Queue()
        self._asking = Asking(self._runner)
        self._performance: Performance | None = None
        self._records: HandedRecords | None = None
        self._clock = SAME
        self._failures = self._number = 0
        self._last: dict[str, Any] = {}
        self._cut = self._over = False
        gevent.spawn(self._stop_with_the_master)
        for name in (SHARE, BEGIN, REFUSED):
            self._runner.register_message(name, lambda environment, msg: self._told.put((msg.type, msg.data)))
        self._runner.register_message(CUT, lambda environment, msg: self._cut_short())
        environment.events.report_to_master.add_listener(self._report)

    def take(self) -> int:
        """Take part from the beginning to the end; gives the exit code. Raises `FixtureError`, which the master is told too."""
        try:
            return self._take()
        except (FixtureError, WireError) as error:
            self._over = True
            self._runner.send_message(FAILED, {"why": str(error)})
            self.go()
            raise FixtureError(str(error)) from None

    def go(self) -> None:
        """Go before the end: Locust's master is told, and it is waited for that it knows."""
        self._environment.events.quitting.fire(environment=self._environment)
        if not self._alone:
            with suppress(WireError):
                self._asking.ask([], _LEAVING)
            self._runner.quit()

    @property
    def _alone(self) -> bool:
        """Whether the master ended this, or fell silent for as long as Locust waits."""
        return len(self._runner.greenlet) == 0

    def _stop_with_the_master(self) -> None:
        self._runner.greenlet.join()
        self._stop.set()

    def _cut_short(self) -> None:
        self._cut = True
        self._stop.set()

    def _take(self) -> int:
        content = self._wait_for(SHARE, self._say_so)
        if content is None:
            return GONE
        share = unpack(content)
        self._say(f"worker {share.shard} of {share.shards}: {len(share.plan.people)} people")
        if content["clock"] != clock_id():
            self._clock = self._asking.offset()
        performance = self._stand(share)
        self._runner.send_message(STANDS, {})
        begin = self._wait_for(BEGIN)
        if begin is None:
            self._runner.stop()
            return GONE
        assert performance.around is not None
        performance.measured(performance.around, self._clock.here(begin["start"]))
        self._close(performance, same=content["clock"] == clock_id())
        return GONE if performance.cut_short and not self._cut else FINISHED

    def _say_so(self) -> None:
        self._runner.send_message(HERE, {"host": socket.gethostname(), "pid": os.getpid(), "protocol": PROTOCOL})

    def _wait_for(self, name: str, meanwhile: Callable[[], None] = lambda: None) -> Any:
        """Give what the master says under this name; None when this was stopped or the master is gone."""
        while not self._stop.is_set():
            meanwhile()
            try:
                said, content = self._told.get(timeout=0.5)
            except Empty:
                continue
            if said == REFUSED:
                raise FixtureError(content["why"])
            if said == name:
                return content
        if not self._cut:
            self._say("worker: interrupted" if not self._alone else "worker: the master has ended the run, or fell silent")
        return None

    def _stand(self, share: Share) -> Performance:
        self._allowed(share.deployment, share.profile)
        self._records = HandedRecords(share.records, self._asking.keep)
        performance = Performance(
            share.deployment,
            share.profile,
            share.plan,
            self._records,
            shard=share.shard,
            shards=share.shards,
            stop=self._stop,
            authority=share.authority,
            canaries=share.canaries,
            ledger=self._ledger(share),
        )
        performance.stand(self._environment)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        self._performance = performance
        return performance

    def _ledger(self, share: Share) -> Ledger | None:
        return Ledger(share.deployment, HandedMade(share, self._asking.keep), people_stay=True) if share.tag else None

    def _close(self, performance: Performance, *, same: bool) -> None:
        """Let everybody go, and send the last report: nothing comes after it."""
        self._runner.stop()
        later = self._clock if same else self._asking.offset()
        self._last = {
            "final": True,
            "cut": bool(performance.cut_short),
            "noticed": performance.noticed(),
            "clock_bound": self._clock.within(later),
        }
        data: dict[str, Any] = {}
        self._environment.events.report_to_master.fire(client_id=self._runner.client_id, data=data)
        self._over = True
        self._runner.send_message("stats", data)

    def _report(self, client_id: str, data: dict[str, Any]) -> None:
        """Put into Locust's report what came since the one before."""
        del client_id
        performance = self._performance
        if self._over or performance is None or performance.crowd is None or self._records is None:
            return
        crowd, measures = performance.crowd, performance.crowd.around.measures
        report = {
            "number": self._number,
            "came": crowd.came_so_far,
            "failed": crowd.failed_to_come[self._failures :],
            "busy": crowd.busy(),
            "records": self._records.changed(),
            **self._last,
        }
        if measures is not None:
            report |= {"outstanding": measures.delivery.outstanding(), "measures": self._drained(measures)}
        self._number += 1
        self._failures = len(crowd.failed_to_come)
        data[REPORT] = report

    def _drained(self, measures: Measures) -> dict[str, Any]:
        """Drain the books; what is told by the clock is told by the master's."""
        content = measures.drain()
        for entry in content["health"]["series"]:
            entry[1] = self._clock.there(entry[1])
        return content
