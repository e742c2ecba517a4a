"""A room as the books of deliveries know it: which devices are expected to see what is sent, each a bit."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

__all__ = ["NO_ONE", "Cell", "Room", "size_class"]

NO_ONE = 0
Cell = tuple[str, str]
"""Size class and kind of a room: what latencies are told by."""

_CLASSES = ((2, "1-2"), (10, "3-10"), (50, "11-50"), (200, "51-200"), (1000, "201-1000"))


def size_class(members: int) -> str:
    """Give the class of a room's size."""
    return next((name for most, name in _CLASSES if members <= most), "over-1000")


@dataclass(slots=True)
class Room:
    """A room; `latest` is by device and origin the latest moment at which something that the device saw was sent.

    What was acknowledged before `since` is nothing new to a device, and what was sent before it `entered` is no secret that it
    was told.
    """

    id: str
    kind: str
    size: str
    bits: dict[int, int] = field(default_factory=dict)
    origins: dict[int, str] = field(default_factory=dict)
    present: int = NO_ONE
    since: dict[int, float] = field(default_factory=dict)
    entered: dict[int, float] = field(default_factory=dict)
    latest: dict[tuple[int, str], float] = field(default_factory=dict)
    early: int = 0
    sights: int = 0
    recent: deque[tuple[int, int, str]] = field(default_factory=lambda: deque(maxlen=512))

    @property
    def cell(self) -> Cell:
        """Size class and kind."""
        return (self.size, self.kind)

    def bit(self, device: int) -> int:
        """Give a device's bit; nothing when it is not in the room."""
        return self.bits.get(device, NO_ONE)

    def add(self, device: int, origin: str, at: float = 0.0) -> None:
        """Let a device in, or in again: its homeserver shows it what was said before, the keys of which it was not given."""
        self.since[device] = self.entered[device] = at
        self.bits.setdefault(device, 1 << len(self.bits))
        self.origins[device] = origin
        self.present |= self.bits[device]

    def remove(self, device: int) -> None:
        """Take a device out. Its bit stays taken, since events of before still carry it."""
        self.present &= ~self.bits.get(device, NO_ONE)

    def away(self, device: int) -> None:
        """Expect nothing of a device."""
        self.present &= ~self.bits.get(device, NO_ONE)

    def back(self, device: int, at: float) -> None:
        """Expect of a device what is sent from now on; what it shows again from before is nothing new."""
        self.present |= self.bits.get(device, NO_ONE)
        self.since[device] = at
