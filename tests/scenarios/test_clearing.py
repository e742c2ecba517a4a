"""Taking a room away from a real deployment while its homeserver breaks down over the request now and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.transport import AsyncTransport
from fixtures.deployment import Deployment
from scenarios.session import path
from scenarios.visit.clearing import Clearing
from scenarios.visit.made import Made
from scenarios.wire import Request, Response

from .conftest import People

_BROKE = b'{"errcode": "M_UNKNOWN", "error": "Internal server error"}'


class BreaksDown:
    """The way to the homeserver, on which it breaks down over so many removals of rooms; waiting only moves the clock."""

    def __init__(self, transport: AsyncTransport, times: int) -> None:
        self.transport, self.times, self.clock, self.broken = transport, times, 0.0, 0

    async def send(self, request: Request) -> Response:
        if request.method == "DELETE" and self.broken < self.times:
            self.broken += 1
            return Response(500, {}, _BROKE, request)
        return await self.transport.send(request)

    async def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def now(self) -> float:
        return self.clock


@pytest.mark.parametrize(("times", "goes"), [(3, True), (10_000, False)])
async def test_room_is_removed_by_a_server_that_breaks_down_a_few_times(
    people: People, transport: AsyncTransport, deployment: Deployment, tmp_path: Path, times: int, goes: bool
) -> None:
    """A few failures pass; of those that do not, the last is told, and the journal keeps the room for the next sweep."""
    alice = await people.person("alice")
    room_id = await people.gather(alice)
    made = Made(tmp_path / "tags.jsonl")
    made.begin(deployment)
    made.note("room", room_id=room_id, server=people.homeserver.server_name, user_id=alice.user_id)
    breaks_down = BreaksDown(transport, times)
    clearing = Clearing(deployment, made, breaks_down)
    for stage in clearing.stages():
        for step in stage:
            await step()
    there = await alice.session.get(path("rooms", room_id, "state", "m.room.create"))
    if goes:
        assert clearing.stays == [] and not made.things()
        assert len(clearing.broke_down) == times, "that it was asked again is not told"
        assert there.status == 403, f"the room is still there: {there}"
    else:
        (why,) = clearing.stays
        assert room_id in why and "500 M_UNKNOWN Internal server error" in why and "broke down" in why, why
        assert list(made.things().rooms) == [room_id]
        assert there.status == 200, f"nothing was there to stay: {there}"


class Unknown(BreaksDown):
    """The way to a homeserver that knows no deactivation, as behind a proxy that lets other requests pass."""

    async def send(self, request: Request) -> Response:
        if "/deactivate/" in request.url:
            return Response(404, {}, b'{"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}', request)
        return await self.transport.send(request)


async def test_account_whose_deactivation_is_unknown_stays(
    people: People, transport: AsyncTransport, deployment: Deployment, tmp_path: Path
) -> None:
    """Only an account that is deactivated is gone: it is told, kept in the journal, and goes when the server does it."""
    alice = await people.person("alice")
    made = Made(tmp_path / "tags.jsonl")
    made.begin(deployment)
    made.note("account", key=alice.user_id, user_id=alice.user_id, server=people.homeserver.server_name, sure=True)
    for way, stays in ((Unknown(transport, 0), 1), (transport, 0)):
        clearing = Clearing(deployment, made, way)
        for stage in clearing.stages():
            for step in stage:
                await step()
        assert len(clearing.stays) == len(made.things().accounts) == stays, clearing.stays
        here = await alice.session.get("/account/whoami")
        assert here.status == (200 if stays else 401), f"{here}"
