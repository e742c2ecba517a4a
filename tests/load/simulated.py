"""A server on paper: what it does to a schedule is known exactly, so that what is told of it can be held against that."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fixtures.deployment import Deployment
from load.arrivals import schedule
from load.measuring.measures import Measures
from load.profile import Profile
from load.report import conclude
from reports.load import LoadReport, Worker

ROOM, SENDER, RECEIVER = "!room:simulated", 1, 2

TEXT = """
schema = "vigie.profile/1"
name = "simulated"
title = "On paper"
population = { people = 10 }
arrivals = { shape = "constant", rate = 50 }
mix = { send = 1 }
windows = { warm_up = 10, measured = 60, cool_down = 5 }

[[objectives]]
id = "acknowledged-p99"
figure = "latency"
stage = "intended-acknowledged"
at_most = 1000

[[objectives]]
id = "decrypted-p99"
figure = "latency"
stage = "intended-decrypted"
by = "room-size"
at_most = 2000

[[objectives]]
id = "nothing-lost"
figure = "lost"
at_most = 0

[[objectives]]
id = "crowd-decrypts"
figure = "undecryptable-share"
of = "crowd"
at_most = 0.0001

[[objectives]]
id = "achieved"
figure = "achieved"
at_least = 0.99
"""


def profile(text: str = TEXT) -> Profile:
    return Profile.parse(text, "simulated.toml")


def deployment() -> Deployment:
    content = {
        "schema": "vigie.deployment/1",
        "name": "simulated",
        "homeservers": [{"name": "one", "server_name": "one.test", "url": "http://127.0.0.1:1"}],
    }
    return Deployment.model_validate(content)


@dataclass
class Server:
    """Answers after `service(when asked)` seconds, one request at a time on each of `lanes`; `lose` says which are lost."""

    service: Callable[[float], float] = lambda _: 0.02
    lanes: int = 10_000
    lose: Callable[[int], bool] = lambda _: False
    stalls: tuple[tuple[float, float], ...] = ()
    _free: list[float] = field(default_factory=list)

    def answer(self, asked: float) -> float:
        """Give the moment of the answer to what was asked then."""
        begin = max(asked, heapq.heappop(self._free)) if len(self._free) >= self.lanes else asked
        for stalled, length in self.stalls:
            if stalled <= begin < stalled + length:
                begin = stalled + length
        done = begin + self.service(begin)
        heapq.heappush(self._free, done)
        return done


def play(
    played: Profile, server: Server, *, agents: int = 10_000, slip: float = 0.001, start: float = 1000.0, processor: float = 0.3
) -> Measures:
    """Let agents act by the schedule against a server, as the crowd does."""
    measures = Measures(played.windows, start)
    measures.delivery.room(ROOM, "direct", {SENDER: "one", RECEIVER: "one"})
    busy: list[float] = []
    for arrival in schedule(played):
        intended = start + arrival.at
        actual = intended + slip
        measures.dispatched(arrival.act, intended, actual)
        while busy and busy[0] <= actual:
            heapq.heappop(busy)
        if len(busy) >= agents:
            measures.dropped(arrival.act, intended)
            continue
        answered = server.answer(actual - start) + start
        heapq.heappush(busy, answered)
        event = f"${arrival.number}"
        measures.delivery.acknowledged(ROOM, SENDER, event, intended, actual, answered)
        if not server.lose(arrival.number):
            measures.delivery.seen(ROOM, RECEIVER, event, answered + 0.01, decrypts=True)
            measures.delivery.decrypted(RECEIVER, event, answered + 0.011)
    for second in range(int(played.windows.total)):
        measures.health.lag.record(0.002)
        measures.health.series.append(("0", start + second, processor, 0.002))
    measures.finish()
    return measures


def report(played: Profile, measures: Measures, **more: Any) -> LoadReport:
    arguments: dict[str, Any] = {"workers": [Worker(name="0")], **more}
    return conclude(
        played, measures, deployment=deployment(), started=datetime(2026, 3, 2, 9, tzinfo=UTC), seconds=75.0, **arguments
    )
