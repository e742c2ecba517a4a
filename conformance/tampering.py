"""A server that lies to one client: what it answers is changed on the way, in the client's own transport.

What is tried so is the client, which has to notice; the homeserver behind is as honest as ever. The reference client of this
suite is `scenarios` (matrix-nio's machine and what that lacks); an operator's own clients are not reached by it.

::

    lies = Tampering(cast.transport)
    lies.in_answers("/sync", change)      # `change` takes the answer's JSON and changes it in place
    device = await liars_client(cast, person, lies)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from conformance.cast import Cast
from scenarios.devices import Device
from scenarios.people import Person
from scenarios.wire import Request, Response, Transport

__all__ = ["Tampering", "client_lied_to", "events_in", "to_device_in"]

Change = Callable[[dict[str, Any]], None]


@dataclass
class Tampering:
    """Carries requests as another transport does, and changes answers; keeps those to `/sync` as they truly were."""

    transport: Transport
    syncs: list[dict[str, Any]] = field(default_factory=list)
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _changes: list[tuple[str, Change]] = field(default_factory=list)

    def in_answers(self, suffix: str, change: Change) -> None:
        """Change the answers to paths that end so, from now on."""
        self._changes.append((suffix, change))

    def honest(self) -> None:
        """Change nothing more."""
        self._changes.clear()

    async def send(self, request: Request) -> Response:
        """Send a request, and give what the lying server makes of the answer."""
        where = urlsplit(request.url).path
        if request.method in ("PUT", "POST") and request.body and request.body[:1] == b"{":
            self.sent.append((where, json.loads(request.body)))
        response = await self.transport.send(request)
        changes = [change for suffix, change in self._changes if where.endswith(suffix)]
        if response.status != 200 or not (changes or where.endswith("/sync")):
            return response
        content = response.json()
        if where.endswith("/sync"):
            self.syncs.append(json.loads(response.body))
        for change in changes:
            change(content)
        return response._replace(body=json.dumps(content).encode())

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self.transport.sleep(seconds)

    def now(self) -> float:
        """Tell the time."""
        return self.transport.now()


async def client_lied_to(cast: Cast, person: Person, lies: Tampering) -> Device:
    """Give a device with keys whose homeserver lies to it so."""
    device = await cast.device(person)
    device.session.transport = lies
    return device


def events_in(answer: dict[str, Any], room_id: str) -> list[dict[str, Any]]:
    """Give the timeline of a room in an answer to `/sync`, to be changed in place."""
    events: list[dict[str, Any]] = (
        answer.get("rooms", {}).get("join", {}).get(room_id, {}).get("timeline", {}).get("events", [])
    )
    return events


def to_device_in(syncs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give every to-device message of these answers."""
    for sync in syncs:
        yield from sync.get("to_device", {}).get("events", [])
