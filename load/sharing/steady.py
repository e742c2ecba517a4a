"""Locust's bookkeeping between master and workers, by a clock that nobody sets, and with patience for a busy machine."""

from __future__ import annotations

import time
from typing import Any

from locust import runners
from zmq.green.core import _Socket

__all__ = ["keep_locust_steady"]

_LOOKS_AGAIN_AFTER = 0.25


class _Steady:
    """The module `time` with a `time()` that goes on evenly, whatever becomes of the machine's date."""

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def time(self) -> float:
        return time.monotonic() + self._ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def keep_locust_steady() -> None:
    """Set what Locust's runners keep of each other.

    A worker ends itself when its last heartbeat is a minute old by the date: one that is set forward would end them all.
    """
    its_module: Any = runners
    if not isinstance(its_module.time, _Steady):
        its_module.time = _Steady()
    # A process that encrypts or a machine that is busy is silent for longer than the three seconds that Locust gives it.
    runners.HEARTBEAT_LIVENESS = 30
    runners.WORKER_REPORT_INTERVAL = 1.0
    # The sockets of zmq.green can miss that a message came, and look again by themselves after 11.6 s: heartbeats, shares and
    # reports lay there for as long.
    _Socket._gevent_bug_timeout = _LOOKS_AGAIN_AFTER
