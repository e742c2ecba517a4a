"""A canary's new device is known to the homeservers of those who write to it before anything is measured."""

from __future__ import annotations

import json

from load.agents.introduction import is_shown
from load.driver import drive
from scenarios.session import Session
from scenarios.wire import Request, Response, Unreachable

CANARY = "@anne:a.example"


class Abroad:
    """Another homeserver, which shows the device after so many seconds; its clock goes on while somebody waits."""

    def __init__(self, hears_after: float, *, reachable: bool = True) -> None:
        self.hears_after, self.reachable = hears_after, reachable
        self.time, self.asked = 0.0, 0

    async def send(self, request: Request) -> Response:
        if not self.reachable:
            raise Unreachable("POST /keys/query: it is away")
        self.asked += 1
        shown = "CANARI" if self.time >= self.hears_after else "AUTREFOIS"
        return Response(200, {}, json.dumps({"device_keys": {CANARY: {shown: {}}}, "failures": {}}).encode(), request)

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    def now(self) -> float:
        return self.time


def session(server: Abroad, user_id: str = "@paul:b.example") -> Session:
    return Session(server, "http://b", "b.example", user_id, "CANARI", "t")


def test_a_canary_waits_until_the_other_homeserver_knows_its_device() -> None:
    server = Abroad(hears_after=1.5)
    assert drive(is_shown(session(server, CANARY), lambda: session(server)))
    assert 1.5 <= server.time < 2 and server.asked > 1


def test_whoever_is_to_tell_may_come_later() -> None:
    server = Abroad(hears_after=0)
    assert drive(is_shown(session(server, CANARY), lambda: session(server) if server.time > 3 else None))
    assert server.time > 3 and server.asked == 1


def test_a_homeserver_that_never_hears_of_it_or_is_away_holds_nobody_up_for_ever() -> None:
    for server in (Abroad(hears_after=1e9), Abroad(hears_after=0, reachable=False)):
        assert not drive(is_shown(session(server, CANARY), lambda server=server: session(server)))  # type: ignore[misc]
        assert server.time < 30
