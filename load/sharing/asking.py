"""A worker's questions to the master: what time it is there, and to keep records. Whoever asks waits for the answer."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

from gevent.event import AsyncResult
from gevent.timeout import Timeout

from load.sharing.clocks import Offset, estimate
from load.sharing.messages import ASK, TOLD
from scenarios.wire import TimedOut

__all__ = ["Asking"]

_PATIENCE = 30.0
_TRIPS = 20


class Asking:
    """Asks over Locust's connection; several may ask at a time."""

    def __init__(self, runner: Any) -> None:
        """Take a worker's runner."""
        self._runner, self._numbers = runner, count()
        self._asked: dict[int, AsyncResult] = {}
        runner.register_message(TOLD, self._told)

    def ask(self, records: list[list[Any]], patience: float = _PATIENCE) -> float:
        """Have records kept, of which there may be none; gives the master's time. Raises `TimedOut`."""
        number = next(self._numbers)
        answer = self._asked[number] = AsyncResult()
        try:
            self._runner.send_message(ASK, {"number": number, "records": records})
            at: float = answer.get(timeout=patience)
        except Timeout:
            raise TimedOut("the master of this run does not answer") from None
        finally:
            del self._asked[number]
        return at

    def keep(self, records: list[list[Any]]) -> None:
        """Have records kept."""
        self.ask(records)

    def offset(self) -> Offset:
        """Estimate the offset of the clock here to the master's."""
        trips = []
        for _ in range(_TRIPS):
            asked = time.monotonic()
            told = self.ask([])
            trips.append((asked, told, time.monotonic()))
        return estimate(trips)

    def _told(self, environment: Any, msg: Any) -> None:
        del environment
        waiting = self._asked.get(msg.data["number"])
        if waiting is not None:
            waiting.set(msg.data["at"])
