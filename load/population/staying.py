"""The crowd on somebody else's deployment: its population stays there until it is swept, what a run adds goes at its end.

Both are in journals (:mod:`scenarios.visit.made`) before they are there. On Vigie's own deployments nothing is written down:
they end with all that is in them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gevent
from gevent.pool import Pool

from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError
from load.driver import drive
from load.population.store import Store
from load.transport import GeventTransport, Observer, PatientTransport, trusting
from scenarios.visit.clearing import Clearing
from scenarios.visit.departing import depart, keepers
from scenarios.visit.ledger import Ledger
from scenarios.visit.made import Made, home, is_visited, new_tag
from scenarios.visit.pace import PATIENCE, Pace, retry_after
from scenarios.wire import Request, Response, Unreachable

__all__ = ["Visit", "VisitorTransport", "discard", "pace_of", "settle"]

_SIDE_BY_SIDE = 6
# What can make or end something that is written down; all else, which is nearly everything, goes by unread.
_MAKES = re.compile(
    r"/(?:register|login|logout|createRoom|upgrade|requestToken|password|deactivate)(?:\?|$)"
    r"|/directory/room/|/_synapse/admin/|/_matrix/media/[^/]+/upload(?:\?|$)"
)


class VisitorTransport(PatientTransport):
    """A transport that writes down what is made, and keeps to the harness's own rate where there is one to keep to."""

    __slots__ = ("_ledger", "_pace")

    def __init__(
        self,
        context: object,
        observer: Observer | None = None,
        on_limited: Callable[[], None] = lambda: None,
        *,
        ledger: Ledger | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Write into this ledger, at this pace; without a pace it is the profile's."""
        super().__init__(context, observer, on_limited)  # type: ignore[arg-type]
        self._ledger, self._pace = ledger, pace

    def exchange(self, request: Request) -> Response:
        """Send a request; raises `TooMany` where the deployment's owner wants no more accounts."""
        ledger = self._ledger
        if ledger is None or not _MAKES.search(request.url):
            return self._carry(request)
        if ledger.made.is_closing():
            raise Unreachable("what was made is being taken away: nothing more may be made")
        request = ledger.intend(request)
        answer = self._carry(request)
        ledger.note(request, answer)
        return answer

    def _carry(self, request: Request) -> Response:
        pace, patience = self._pace, PATIENCE
        while pace is not None:
            gevent.sleep(pace.turn())
            answer = GeventTransport.exchange(self, request)
            if answer.status != 429:
                return answer
            patience -= retry_after(answer)
            if patience < 0:
                return answer
            pace.hold(retry_after(answer))
        return super().exchange(request)


def pace_of(deployment: Deployment) -> Pace | None:
    """Give the rate to keep to while preparing and tidying up; none on one's own deployment."""
    return Pace(deployment.limits.requests_per_second) if is_visited(deployment) else None


def settle(deployment: Deployment, store: Store) -> Ledger | None:
    """Give the ledger of a population, begun with it; none on one's own deployment.

    The tag and what the people's passwords follow from are in the store: a profile's seed is known to everybody.
    """
    if not is_visited(deployment):
        return None
    tag = store.get("tag", "")
    if tag is None:
        made = Made(home() / f"{new_tag()}.jsonl")
        made.begin(deployment, "population", store=str(store.path.resolve()))
        store.put("secret", "", secrets.token_hex(16))
        store.put("tag", "", made.tag)
        return Ledger(deployment, made)
    made = Made(home() / f"{tag}.jsonl")
    if made.is_closing():
        raise DeploymentError(f"{store.path}: the journal of this population, {made.path}, is gone or was being swept")
    return Ledger(deployment, made)


def discard(made: Made) -> None:
    """Forget sessions and keys of a population that is about to be taken away; raises `DeploymentError` while it is used."""
    path = Path(made.head().get("store", ""))
    if not path.is_file():
        return
    store = Store(path)
    is_its = store.get("tag", "") == made.tag
    store.close()
    if is_its:
        path.unlink()


@dataclass
class Visit:
    """A run's visit: what it adds to the deployment, and what of that could not be taken away, once it is over."""

    deployment: Deployment
    ledger: Ledger
    stays: str | None = None

    @classmethod
    def begin(cls, deployment: Deployment) -> Visit | None:
        """Begin the run's journal; none on one's own deployment."""
        if not is_visited(deployment):
            return None
        made = Made(home() / f"{new_tag()}.jsonl")
        made.begin(deployment)
        return cls(deployment, Ledger(deployment, made, people_stay=True))

    def end(self, tell: Callable[[str], None]) -> str:
        """Take away what the run made, once; gives in a line what could not be, or nothing."""
        if self.stays is None:
            self.stays = depart(self.ledger.made, self._clear, tell)
        return self.stays

    def _clear(self) -> Clearing:
        transport = VisitorTransport(trusting(self.deployment.ca), pace=pace_of(self.deployment))
        clearing, pool = Clearing(self.deployment, self.ledger.made, transport, keepers(self.deployment)), Pool(_SIDE_BY_SIDE)
        try:
            for stage in clearing.stages():
                done = [pool.spawn(drive, step()) for step in stage]
                gevent.joinall(done, raise_error=True)
        finally:
            transport.close()
        return clearing
