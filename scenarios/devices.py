"""A device: a session with its keys, and what it has seen so far by `/sync`."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scenarios.keys import Machine, Undecryptable
from scenarios.session import Session, ok, path
from scenarios.wire import NotInTime

__all__ = ["Device", "Message", "Room"]

# Members are asked for when they are needed: the directory's room has as many as there are agents.
_FILTER = json.dumps(
    {
        "presence": {"types": []},
        "room": {"state": {"lazy_load_members": True}, "timeline": {"lazy_load_members": True, "limit": 50}},
    }
)

# What people say; the rest of what is no state, as redactions, goes in clear everywhere.
_SAID = ("m.room.message", "m.sticker")


@dataclass(frozen=True)
class Message:
    """An event of a timeline as its reader sees it; `why` says what kept it from being read, or shown as genuine."""

    event_id: str
    sender: str
    type: str
    content: Mapping[str, Any]
    encrypted: bool = False
    why: str = ""

    @property
    def readable(self) -> bool:
        """Tell whether the content is what was written."""
        return not self.why

    @property
    def body(self) -> str:
        """The text, nothing for what has none."""
        return str(self.content.get("body", ""))


@dataclass
class Room:
    """A room as a device knows it from its syncs."""

    room_id: str
    membership: str = ""
    state: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    events: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    invite_state: list[Mapping[str, Any]] = field(default_factory=list)
    receipts: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    account_data: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    notifications: int = 0
    highlights: int = 0

    @property
    def encrypted(self) -> bool:
        """Tell whether the room's state says that it is encrypted."""
        return ("m.room.encryption", "") in self.state


class Device:
    """One of a person's devices."""

    def __init__(self, session: Session) -> None:
        """Take a session that is logged in; :meth:`start` comes next."""
        self.session = session
        self.machine = Machine(session)
        self.rooms: dict[str, Room] = {}
        self.account_data: dict[str, Mapping[str, Any]] = {}
        self._since: str | None = None
        self._opened: dict[str, Message] = {}

    @property
    def user_id(self) -> str:
        """Whose device it is."""
        return self.session.user_id

    async def start(self) -> Device:
        """Upload the keys and sync for the first time."""
        await self.machine.upload()
        await self.sync()
        return self

    async def sync(self, timeout_ms: int = 0) -> None:
        """Sync once; `since` is always given after the first, whose answer the server keeps for minutes."""
        params: dict[str, Any] = {"timeout": timeout_ms, "filter": _FILTER}
        if self._since:
            params["since"] = self._since
        answer = ok(await self.session.send("GET", "/sync", params=params, timeout=60 + timeout_ms / 1000))
        self._since = answer["next_batch"]
        await self.machine.receive(answer)
        for event in answer.get("account_data", {}).get("events", []):
            self.account_data[event["type"]] = event["content"]
        rooms = answer.get("rooms", {})
        for room_id, content in rooms.get("invite", {}).items():
            room = self.room(room_id)
            room.membership = "invite"
            room.invite_state = content.get("invite_state", {}).get("events", [])
        for membership in ("join", "leave"):
            for room_id, content in rooms.get(membership, {}).items():
                await self._take(self.room(room_id), membership, content)

    async def _take(self, room: Room, membership: str, content: Mapping[str, Any]) -> None:
        known, room.membership = bool(room.events), membership
        timeline = content.get("timeline", {})
        if timeline.get("limited") and known:
            await self._fill(room, timeline.get("prev_batch", ""))
        for event in [*content.get("state", {}).get("events", []), *timeline.get("events", [])]:
            # A server that makes up what is none of it keeps nobody from reading on.
            if isinstance(event.get("state_key"), str) and isinstance(event.get("type"), str):
                room.state[event["type"], event["state_key"]] = event["content"]
        for event in timeline.get("events", []):
            room.events[event["event_id"]] = event
        for event in content.get("ephemeral", {}).get("events", []):
            if event["type"] == "m.receipt":
                self._take_receipts(room, event["content"])
        for event in content.get("account_data", {}).get("events", []):
            room.account_data[event["type"]] = event["content"]
        counts = content.get("unread_notifications", {})
        room.notifications = counts.get("notification_count", room.notifications)
        room.highlights = counts.get("highlight_count", room.highlights)

    def _take_receipts(self, room: Room, content: Mapping[str, Any]) -> None:
        for event_id, kinds in content.items():
            for kind, users in kinds.items():
                room.receipts.setdefault(event_id, {}).setdefault(kind, set()).update(users)

    async def _fill(self, room: Room, token: str) -> None:
        """Read what a sync left out, until something known."""
        missed: list[Mapping[str, Any]] = []
        while token:
            where = path("rooms", room.room_id, "messages")
            answer = ok(await self.session.get(where, {"dir": "b", "from": token, "limit": 100}))
            new = [event for event in answer["chunk"] if event["event_id"] not in room.events]
            missed += new
            token = answer.get("end", "") if new and len(new) == len(answer["chunk"]) else ""
        for event in reversed(missed):
            room.events[event["event_id"]] = event

    def room(self, room_id: str) -> Room:
        """Give a room, empty when nothing is known of it."""
        return self.rooms.setdefault(room_id, Room(room_id))

    def messages(self, room_id: str) -> list[Message]:
        """Give the timeline's events that are no state, decrypted as far as the keys at hand allow."""
        room = self.room(room_id)
        return [self._open(room, event) for event in room.events.values() if "state_key" not in event]

    def _open(self, room: Room, event: Mapping[str, Any]) -> Message:
        event_id = event["event_id"]
        if event_id in self._opened:
            return self._opened[event_id]
        # Whoever passes events on may have left things out: a client goes on, and shows what there is.
        sender, kind, content = event.get("sender", ""), event.get("type", ""), event.get("content") or {}
        if kind != "m.room.encrypted":
            # Anybody between the people could have written it.
            why = "in clear in an encrypted conversation" if room.encrypted and kind in _SAID else ""
            return Message(event_id, sender, kind, content, why=why)
        opened = self.machine.decrypt(room.room_id, event)
        if isinstance(opened, Undecryptable):
            # Not remembered: the key may come later.
            return Message(event_id, sender, kind, content, True, opened.reason)
        message = Message(event_id, sender, opened["type"], opened["content"], True)
        self._opened[event_id] = message
        return message

    def message(self, room_id: str, event_id: str) -> Message | None:
        """Give one event of the timeline, or None when it has not come."""
        event = self.room(room_id).events.get(event_id)
        return None if event is None else self._open(self.room(room_id), event)

    async def audience(self, room_id: str) -> list[str]:
        """Give who is to read what is sent now: the members, and the invited where the history is theirs from then on."""
        answer = ok(await self.session.get(path("rooms", room_id, "members")))
        history = self.room(room_id).state.get(("m.room.history_visibility", ""), {}).get("history_visibility", "shared")
        wanted = {"join"} if history == "joined" else {"join", "invite"}
        return [event["state_key"] for event in answer["chunk"] if event["content"].get("membership") in wanted]

    async def send(self, room_id: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send an event, encrypted where the room is, and give its id.

        Raises `NotInTime` when this device is not told that it is in the room: unknown, the room might be encrypted, and
        nothing may go to it in clear.
        """
        await self.wait_for(f"{room_id} as joined", lambda seen: seen.room(room_id).membership == "join", deadline=5.0)
        body: Mapping[str, Any] = content
        if self.room(room_id).encrypted:
            settings = self.room(room_id).state["m.room.encryption", ""]
            body = await self.machine.encrypt(room_id, await self.audience(room_id), kind, content, settings)
            kind = "m.room.encrypted"
        where = path("rooms", room_id, "send", kind, f"vigie-{secrets.token_hex(8)}")
        return str(ok(await self.session.put(where, body))["event_id"])

    async def prepare(self, room_id: str) -> None:
        """Give the key of an encrypted room, so that what is written there next waits for nothing."""
        await self.wait_for(f"{room_id} as joined", lambda seen: seen.room(room_id).membership == "join", deadline=5.0)
        if self.room(room_id).encrypted:
            settings = self.room(room_id).state["m.room.encryption", ""]
            await self.machine.prepare(room_id, await self.audience(room_id), settings)

    async def say(self, room_id: str, text: str, **more: Any) -> str:
        """Send a text."""
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text, **more})

    async def wait_for(self, what: str, holds: Callable[[Device], bool], deadline: float = 20.0) -> None:
        """Sync until something holds.

        Raises `NotInTime`, saying `what` was missing and what this device saw.
        """
        end = self.session.transport.now() + deadline
        await self.sync()
        while not holds(self):
            left = end - self.session.transport.now()
            if left <= 0:
                raise NotInTime(f"{self.session.who} did not see {what} within {deadline:g} s; {self._seen()}")
            await self.sync(timeout_ms=int(min(left, 1.0) * 1000))

    def _seen(self) -> str:
        rooms = [f"{room.room_id} ({room.membership}, {len(room.events)} events)" for room in self.rooms.values()]
        return f"it knows {', '.join(rooms) or 'no room'}"

    async def wait_to_read(self, room_id: str, event_id: str, deadline: float = 20.0) -> Message:
        """Wait until a message is there and readable, and give it; raises `NotInTime` saying why it was not."""

        def is_readable(device: Device) -> bool:
            message = device.message(room_id, event_id)
            return message is not None and message.readable

        try:
            await self.wait_for(f"the message {event_id}, readable", is_readable, deadline)
        except NotInTime as error:
            there = self.message(room_id, event_id)
            raise NotInTime(f"{error}; " + (f"it came, but: {there.why}" if there else "it never came")) from None
        message = self.message(room_id, event_id)
        assert message is not None
        return message
