"""What became of every message at every device, matched by event id from both sides.

The sender tells when it meant to send, sent, and got the event's id; each device tells what it saw. Either may come first.
The members of a room share a process, and so a clock. What is kept is bounded: an event is forgotten some time after
everybody has it, and what nobody ever acknowledged after a while.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from load.measuring.room import NO_ONE, Room, size_class
from load.measuring.tally import Tally

__all__ = ["Delivery", "Event", "Unacknowledged", "size_class"]


@dataclass(slots=True)
class Event:
    """An acknowledged message: times, and as bits who still has to see it."""

    room: Room
    sender: int
    origin: str
    intended: float
    sent: float
    acknowledged: float
    missing: int
    seen: int = 0


@dataclass(slots=True)
class Unacknowledged:
    """A message that devices saw before its sender had the answer: device, time, and the room's count of sights then.

    `decrypted` has device, time of sight and time of text.
    """

    room: Room
    first: float
    sights: list[tuple[int, float, int]] = field(default_factory=list)
    decrypted: list[tuple[int, float, float]] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting:
    """A device that saw a message and has not decrypted it."""

    seen_at: float
    reason: str = "no key came"


class Delivery:
    """The books of one process; what they come to goes into a :class:`load.measuring.tally.Tally`."""

    def __init__(
        self, tally: Tally, remembered: int = 50_000, unclaimed_for: float = 120.0, most_missing: int = 200_000
    ) -> None:
        """Keep `remembered` complete events for the sake of duplicates, and at most `most_missing` incomplete ones."""
        self.tally = tally
        self.canaries: set[int] = set()
        self.rooms: dict[str, Room] = {}
        self._of_device: dict[int, set[str]] = {}
        self._remembered, self._unclaimed_for, self._most_missing = remembered, unclaimed_for, most_missing
        self._events: dict[str, Event] = {}
        self._open: dict[str, None] = {}
        self._complete: deque[str] = deque()
        self._early: dict[str, Unacknowledged] = {}
        self._decrypting: dict[tuple[int, str], _Waiting] = {}
        self._missing = 0

    # Who is there.

    def room(self, room_id: str, kind: str, devices: Mapping[int, str], size: int | None = None) -> Room:
        """Enter a room with the devices that sync in this process, each with its homeserver's name."""
        room = Room(room_id, kind, size_class(size if size is not None else len(devices)))
        self.rooms[room_id] = room
        for device, origin in devices.items():
            self.join(room_id, device, origin)
        return room

    def join(self, room_id: str, device: int, origin: str, at: float = 0.0) -> None:
        """Expect a device to see what is acknowledged in a room from now on, and to decrypt what is sent from now on."""
        self.rooms[room_id].add(device, origin, at)
        self._of_device.setdefault(device, set()).add(room_id)

    def leave(self, room_id: str, device: int) -> None:
        """Expect a device to see no more of a room; what it has not seen is excused."""
        room = self.rooms[room_id]
        self._excuse(device, {room_id})
        room.remove(device)
        self._of_device.get(device, set()).discard(room_id)

    def away(self, device: int) -> None:
        """Expect nothing of a device until it is back: it logged out, or lost its token."""
        rooms = self._of_device.get(device, set())
        self._excuse(device, rooms)
        for room_id in rooms:
            self.rooms[room_id].away(device)
        for key in [key for key in self._decrypting if key[0] == device]:
            del self._decrypting[key]
            self.tally.count("excused", 1)

    def back(self, device: int, at: float) -> None:
        """Expect a device to see what is sent from now on; what it shows again of before is no duplicate."""
        for room_id in self._of_device.get(device, ()):
            self.rooms[room_id].back(device, at)

    def _excuse(self, device: int, rooms: set[str]) -> None:
        for event_id in list(self._open):
            event = self._events[event_id]
            bit = event.room.bit(device)
            if event.room.id in rooms and event.missing & bit:
                event.missing &= ~bit
                self._missing -= 1
                self.tally.count("excused", 1)
                if not event.missing:
                    self._close(event_id)

    # What happens.

    def acknowledged(
        self, room_id: str, device: int, event_id: str, intended: float, actual: float, acknowledged: float, act: str = "send"
    ) -> None:
        """Enter a message that the server took from `device`: when it was meant, when it went out, when the answer came."""
        room = self.rooms[room_id]
        event = self._events.get(event_id)
        if event is not None:
            # The same transaction sent again gets the same event: no second message.
            self.tally.count("acknowledged-again", 1)
            return
        missing = room.present & ~room.bit(device)
        event = Event(room, device, room.origins.get(device, ""), intended, actual, acknowledged, missing)
        self._events[event_id] = event
        self._missing += missing.bit_count()
        if missing:
            self._open[event_id] = None
        else:
            self._complete.append(event_id)
        self.tally.sent(act, room.cell, intended, actual, acknowledged, missing.bit_count())
        if event_id in self._early:
            early = self._early.pop(event_id)
            for observer, at, sight in early.sights:
                if not _is_told(event, observer):
                    self._decrypting.pop((observer, event_id), None)
                self._match(event_id, event, observer, at)
                self._order_before(event_id, event, observer, sight)
            for observer, seen_at, at in early.decrypted:
                self.tally.decrypted(room.cell, observer in self.canaries, intended, seen_at, at)
            room.early -= 1
            if not room.early:
                room.recent.clear()
        # Nobody decrypts their own echo, even one that came before the answer.
        self._decrypting.pop((device, event_id), None)
        if len(self._events) > self._remembered or len(self._early) > self._remembered:
            self._forget(acknowledged)

    def seen(self, room_id: str, device: int, event_id: str, at: float, decrypts: bool = False) -> None:
        """Enter that a message stands in a device's timeline; `decrypts` says that the device will decrypt it."""
        event = self._events.get(event_id)
        if decrypts and (event is None or _is_told(event, device)):
            self._decrypting.setdefault((device, event_id), _Waiting(at))
        if event is not None:
            self._match(event_id, event, device, at)
            return
        room = self.rooms.get(room_id)
        if room is None:
            return
        early = self._early.get(event_id)
        if early is None:
            early = self._early[event_id] = Unacknowledged(room, at)
            room.early += 1
        room.sights += 1
        early.sights.append((device, at, room.sights))

    def _match(self, event_id: str, event: Event, device: int, at: float) -> None:
        room = event.room
        bit = room.bits.get(device, NO_ONE)
        if device == event.sender or not bit:
            return
        if event.acknowledged < room.since.get(device, 0.0):
            return
        if event.seen & bit:
            self.tally.offence("duplicated", event_id, device, event.intended)
            return
        event.seen |= bit
        if event.missing & bit:
            event.missing &= ~bit
            self._missing -= 1
            self.tally.delivered(room.cell, event.intended, event.acknowledged, at)
            if not event.missing:
                self._close(event_id)
        key = (device, event.origin)
        latest = room.latest.get(key, 0.0)
        if event.acknowledged < latest:
            self.tally.offence("out-of-order", event_id, device, event.intended)
        elif event.sent > latest:
            room.latest[key] = event.sent
        if room.early:
            room.sights += 1
            room.recent.append((device, room.sights, event_id))

    def _order_before(self, event_id: str, event: Event, device: int, sight: int) -> None:
        """Judge what a device saw after this event while nobody knew yet when the event had been sent."""
        for observer, later, other_id in event.room.recent:
            other = self._events.get(other_id)
            if observer != device or later <= sight or other is None or other_id == event_id:
                continue
            if other.origin == event.origin and other.acknowledged < event.sent:
                self.tally.offence("out-of-order", other_id, device, other.intended)

    def decrypted(self, device: int, event_id: str, at: float) -> None:
        """Enter that a device, which saw the message before, has its text."""
        waiting = self._decrypting.pop((device, event_id), None)
        if waiting is None:
            return
        if event := self._events.get(event_id):
            self.tally.decrypted(event.room.cell, device in self.canaries, event.intended, waiting.seen_at, at)
        elif early := self._early.get(event_id):
            early.decrypted.append((device, waiting.seen_at, at))

    def undecryptable(self, device: int, event_id: str, reason: str) -> None:
        """Enter why a device cannot decrypt what it saw; it still may, when a key comes late."""
        if waiting := self._decrypting.get((device, event_id)):
            waiting.reason = reason

    def outstanding(self) -> int:
        """Count what is still to come: deliveries, and decryptions of what was delivered."""
        return self._missing + len(self._decrypting)

    def finish(self) -> None:
        """Give up on what is outstanding: it is lost, or undecryptable; what was never acknowledged is counted."""
        for event_id in list(self._open):
            self._lose(event_id)
        for device, event_id in list(self._decrypting):
            self._give_up(device, event_id)
        self.tally.count("unclaimed", len(self._early))
        self._early.clear()

    # What is forgotten.

    def _close(self, event_id: str) -> None:
        del self._open[event_id]
        self._complete.append(event_id)

    def _lose(self, event_id: str) -> None:
        event = self._events[event_id]
        for device, bit in event.room.bits.items():
            if event.missing & bit:
                self.tally.offence("lost", event_id, device, event.intended)
        self._missing -= event.missing.bit_count()
        event.missing = 0
        self._close(event_id)

    def _forget(self, now: float) -> None:
        while len(self._complete) > self._remembered // 2:
            self._events.pop(self._complete.popleft(), None)
        for event_id in list(islice(self._open, max(0, len(self._open) - self._most_missing))):
            self._lose(event_id)
        for device, event_id in list(islice(self._decrypting, max(0, len(self._decrypting) - self._most_missing))):
            self._give_up(device, event_id)
        while self._early:
            event_id, early = next(iter(self._early.items()))
            if now - early.first < self._unclaimed_for:
                break
            del self._early[event_id]
            early.room.early -= 1
            self.tally.count("unclaimed", 1)

    def _give_up(self, device: int, event_id: str) -> None:
        waiting, event = self._decrypting.pop((device, event_id)), self._events.get(event_id)
        who = "undecryptable-canaries" if device in self.canaries else "undecryptable-crowd"
        self.tally.offence(who, event_id, device, event.intended if event else waiting.seen_at, waiting.reason)


def _is_told(event: Event, device: int) -> bool:
    """Tell whether a device is to decrypt a message that it sees for the first time: it was there when it was sent."""
    room = event.room
    return bool(event.missing & room.bit(device)) and event.sent >= room.entered.get(device, 0.0)
