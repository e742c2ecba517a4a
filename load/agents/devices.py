"""A device of the crowd: it polls `/sync` as clients do, looks at little of the answer, and decrypts if it is to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from pydantic_core import from_json

from load.agents.crypto import CrowdMachine, NoKey, Unreadable
from load.agents.surroundings import Room, Surroundings
from scenarios.conversations import members
from scenarios.messages import put_event
from scenarios.session import Session, ok, path
from scenarios.wire import UnexpectedAnswer

__all__ = ["POLL_MS", "CrowdDevice", "Hooks", "transaction"]

POLL_MS = 30_000
_FILTER = (
    '{"presence":{"types":[]},"room":{"state":{"lazy_load_members":true},"timeline":{"lazy_load_members":true,"limit":30}}}'
)
_random = Random()  # noqa: S311 -- a transaction's name has to be another one, no more
_MOST_PENDING = 200


def transaction() -> str:
    """Name a transaction that nobody else names."""
    return f"vigie-{_random.getrandbits(64):016x}"


class Hooks:
    """What a device tells its person; a person sets what they care for."""

    __slots__ = ("file", "invited", "ousted")

    def __init__(self) -> None:
        """Care for nothing."""
        self.invited: Callable[[str], None] = lambda _room_id: None
        self.file: Callable[[CrowdDevice, str, Mapping[str, Any]], None] = lambda _device, _event_id, _content: None
        self.ousted: Callable[[], None] = lambda: None


class CrowdDevice:
    """One device with its session and keys."""

    __slots__ = ("_around", "_entered", "_new", "_pending", "_since", "hooks", "last", "machine", "number", "rooms", "session")

    def __init__(
        self, around: Surroundings, number: int, session: Session, machine: CrowdMachine, *, since: str = "", new: bool = False
    ) -> None:
        """Take a session and its keys; `new` is for a device that nobody could know when the run began."""
        self._around, self.number, self.session, self.machine = around, number, session, machine
        self._since, self._new = since, new
        self._entered: set[str] = set()
        self._pending: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
        self.rooms: set[str] = set()
        self.last: dict[str, str] = {}
        self.hooks = Hooks()

    @property
    def since(self) -> str:
        """Up to where it has synced."""
        return self._since

    @property
    def user_id(self) -> str:
        """Whose device it is."""
        return self.session.user_id

    # Sending.

    async def send(self, room_id: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send an event, encrypted where the room is, and give its id."""
        room = self._around.rooms[room_id]
        if room_id not in self._entered:
            await self._enter(room_id)
        if not room.encrypted:
            return await put_event(self.session, room_id, kind, content, transaction())
        body = await self.machine.encrypt(room_id, room.version, lambda: room.members, kind, content)
        return await put_event(self.session, room_id, "m.room.encrypted", body, transaction())

    async def prepare(self, room_id: str) -> None:
        """Do what is due before the first message in a room: load its members, and give them its key."""
        room = self._around.rooms[room_id]
        if room_id not in self._entered:
            await self._enter(room_id)
        if room.encrypted:
            await self.machine.prepare(room_id, room.version, lambda: room.members)

    async def _enter(self, room_id: str) -> None:
        # As clients do that load members lazily: once, before anything is written there.
        self._entered.add(room_id)
        await members(self.session, room_id)

    # Receiving.

    async def sync(self, timeout_ms: int = 0) -> None:
        """Poll once, and take what came."""
        params: dict[str, Any] = {"timeout": timeout_ms, "filter": _FILTER}
        if self._since:
            params["since"] = self._since
        where = f"/sync?{urlencode(params, quote_via=quote)}"
        response = await self.session.send("GET", where, timeout=self._around.profile.timeout + timeout_ms / 1000)
        at = time.monotonic()
        try:
            answer = from_json(response.body) if response.status == 200 else None
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or "next_batch" not in answer:
            raise UnexpectedAnswer(response)
        await self._take(answer, at)

    async def _take(self, answer: Mapping[str, Any], at: float) -> None:
        # First, for it may fail: then nothing is taken, and the next sync, from the same place, gives all of it again.
        gaps = await self._gaps(answer)
        self._since = answer["next_batch"]
        to_device = answer.get("to_device")
        # Before anybody writes what comes is of an earlier run, whose Olm sessions ended with its process. One made of it would
        # be used to write to that device, which could open nothing.
        if to_device and self._around.listening:
            for session_id in self.machine.receive(to_device["events"]):
                self._retry(session_id)
        lists = answer.get("device_lists")
        if lists:
            self.machine.forget([*lists.get("changed", ()), *lists.get("left", ())])
        rooms = answer.get("rooms")
        if rooms:
            for room_id, content in rooms.get("join", {}).items():
                self._take_room(room_id, content, at, gaps.get(room_id, ()))
            for room_id in rooms.get("leave", ()):
                self.rooms.discard(room_id)
            for room_id in rooms.get("invite", ()):
                self.hooks.invited(room_id)
        counts = answer.get("device_one_time_keys_count")
        if counts is not None and self.machine.counted(counts, answer.get("device_unused_fallback_key_types")):
            await self.machine.upload()

    async def _gaps(self, answer: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
        """Read what the timelines of an answer left out, by room."""
        if not self._since or self._around.measures is None:
            return {}
        gaps = {}
        for room_id, content in answer.get("rooms", {}).get("join", {}).items():
            timeline = content.get("timeline", {})
            if timeline.get("limited") and room_id in self._around.rooms:
                gaps[room_id] = await self._left_out(room_id, timeline.get("prev_batch", ""), self._since)
        return gaps

    def _take_room(self, room_id: str, content: Mapping[str, Any], at: float, missed: Iterable[Mapping[str, Any]]) -> None:
        self.rooms.add(room_id)
        room = self._around.rooms.get(room_id)
        if room is None:
            return
        timeline = content.get("timeline", {})
        for event in content.get("state", {}).get("events", ()):
            if event["type"] == "m.room.member":
                self._member(room, event)
        self._events(room, missed, at)
        self._events(room, timeline.get("events", ()), at)

    async def _left_out(self, room_id: str, token: str, until: str) -> list[Mapping[str, Any]]:
        """Read what a sync left out, oldest first."""
        missed: list[Mapping[str, Any]] = []
        while token:
            params = {"dir": "b", "from": token, "to": until, "limit": 100}
            response = await self.session.get(path("rooms", room_id, "messages"), params)
            answer = ok(response)
            if not isinstance(chunk := answer.get("chunk"), list):
                raise UnexpectedAnswer(response)
            missed += chunk
            token = answer.get("end", "") if chunk else ""
        return missed[::-1]

    def _events(self, room: Room, events: Iterable[Mapping[str, Any]], at: float) -> None:
        measures = self._around.measures
        for event in events:
            kind = event["type"]
            if kind == "m.room.member":
                self._member(room, event)
            elif measures is not None and kind in ("m.room.encrypted", "m.room.message"):
                event_id = event["event_id"]
                self.last[room.room_id] = event_id
                if "transaction_id" in event.get("unsigned", ()):
                    continue  # its own, come back
                if kind == "m.room.message":
                    measures.delivery.seen(room.room_id, self.number, event_id, at)
                else:
                    self._encrypted(room.room_id, event_id, event["content"], at)

    def _encrypted(self, room_id: str, event_id: str, content: Mapping[str, Any], at: float) -> None:
        measures = self._around.measures
        assert measures is not None
        reads = self.machine.reads
        if reads and self._new:
            # Who wrote may not have known of this device yet: it is expected to read what it was given the key of.
            reads = self.machine.holds(str(content.get("session_id")))
        measures.delivery.seen(room_id, self.number, event_id, at, decrypts=reads)
        if reads:
            self._decrypt(room_id, event_id, content)

    def _decrypt(self, room_id: str, event_id: str, content: Mapping[str, Any]) -> None:
        measures = self._around.measures
        assert measures is not None
        try:
            opened = self.machine.decrypt(room_id, content)
        except NoKey as error:
            waiting = self._pending.setdefault(error.session_id, [])
            if len(waiting) < _MOST_PENDING:
                waiting.append((room_id, event_id, content))
            measures.delivery.undecryptable(self.number, event_id, str(error))
        except Unreadable as error:
            measures.delivery.undecryptable(self.number, event_id, str(error))
        else:
            measures.delivery.decrypted(self.number, event_id, time.monotonic())
            if opened["content"].get("msgtype") == "m.file":
                self.hooks.file(self, event_id, opened["content"])

    def _retry(self, session_id: str) -> None:
        for room_id, event_id, content in self._pending.pop(session_id, ()):
            self._decrypt(room_id, event_id, content)

    def _member(self, room: Room, event: Mapping[str, Any]) -> None:
        self._around.on_member(room, event, self.session.server_name)

    def close(self) -> None:
        """Close the connections."""
        transport: Any = self.session.transport
        transport.close()
