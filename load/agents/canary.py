"""A canary: a device with a full client's machine, whose every message is checked, among a crowd that does with less."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from load.agents.devices import Hooks
from load.agents.surroundings import Surroundings
from scenarios.devices import Device
from scenarios.devices import Room as SeenRoom
from scenarios.session import Session
from scenarios.wire import NotInTime

__all__ = ["Canary"]

_KEPT = 400


class Canary(Device):
    """A device by matrix-nio's machine; its one greenlet syncs, and whoever waits for something waits for that one."""

    def __init__(self, around: Surroundings, number: int, session: Session) -> None:
        """Take a session that has just been logged in."""
        super().__init__(session)
        self._around, self.number = around, number
        self._unread: dict[str, str] = {}
        self._raw: list[str] = []
        self.last: dict[str, str] = {}
        self.hooks = Hooks()

    @property
    def since(self) -> str:
        """Up to where it has synced; not worth keeping, since its keys are not kept either."""
        return ""

    async def sync(self, timeout_ms: int = 0) -> None:
        """Sync once, and look again at what could not be read."""
        await super().sync(timeout_ms)
        for event_id, room_id in list(self._unread.items()):
            self._try(room_id, event_id)

    async def _take(self, room: SeenRoom, membership: str, content: Mapping[str, Any]) -> None:
        at = time.monotonic()
        if len(room.events) > _KEPT:
            for event_id in list(room.events)[: _KEPT // 2]:
                del room.events[event_id]
                self._opened.pop(event_id, None)
        known = len(room.events)
        await super()._take(room, membership, content)
        told = self._around.rooms.get(room.room_id)
        measures = self._around.measures
        if told is None:
            return
        for event in [*content.get("state", {}).get("events", ()), *content.get("timeline", {}).get("events", ())]:
            if event["type"] == "m.room.member":
                self._around.on_member(told, event, self.session.server_name)
        if measures is None:
            return
        # What filled a gap, and then what came in this answer: something that comes twice is to be seen twice.
        timeline = {event["event_id"]: event for event in content.get("timeline", {}).get("events", ())}
        filled = [event for event in list(room.events.values())[known:] if event["event_id"] not in timeline]
        for event in [*filled, *content.get("timeline", {}).get("events", ())]:
            self._see(room.room_id, event, at)

    def _see(self, room_id: str, event: Mapping[str, Any], at: float) -> None:
        measures = self._around.measures
        if measures is None or event["type"] not in ("m.room.encrypted", "m.room.message"):
            return
        event_id = event["event_id"]
        self.last[room_id] = event_id
        if "transaction_id" in event.get("unsigned", ()):
            return
        encrypted = event["type"] == "m.room.encrypted"
        measures.delivery.seen(room_id, self.number, event_id, at, decrypts=encrypted)
        if encrypted:
            self._try(room_id, event_id)

    def _try(self, room_id: str, event_id: str) -> None:
        measures = self._around.measures
        message = self.message(room_id, event_id)
        if measures is None or message is None:
            self._unread.pop(event_id, None)
        elif message.readable:
            self._unread.pop(event_id, None)
            measures.delivery.decrypted(self.number, event_id, time.monotonic())
        else:
            self._unread[event_id] = room_id
            measures.delivery.undecryptable(self.number, event_id, message.why)

    async def wait_for(self, what: str, holds: Callable[[Device], bool], deadline: float = 20.0) -> None:
        """Wait until the greenlet that syncs has brought something; raises `NotInTime`."""
        transport = self.session.transport
        end = transport.now() + deadline
        while not holds(self):
            if transport.now() > end:
                raise NotInTime(f"{self.user_id} did not see {what} within {deadline:g} s")
            await transport.sleep(0.02)

    def close(self) -> None:
        """Close the connections."""
        transport: Any = self.session.transport
        transport.close()
