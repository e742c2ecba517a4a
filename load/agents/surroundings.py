"""What the agents of one process have in common: where they are, which rooms there are, and who writes down what happens."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from fixtures.deployment import Deployment, Homeserver
from load.agents.devicekeys import KnownKeys
from load.measuring.figures import Figures
from load.measuring.measures import Measures
from load.population.staying import VisitorTransport
from load.profile import Profile
from load.transport import PatientTransport
from scenarios.session import Session
from scenarios.visit.ledger import Ledger

__all__ = ["Room", "Surroundings"]

_FIRST_NEW = 1_000_000


@dataclass(slots=True)
class Room:
    """A room as the crowd knows it. `version` grows whenever somebody comes or goes."""

    room_id: str
    kind: str
    encrypted: bool
    members: set[str] = field(default_factory=set)
    version: int = 0
    guests: bool = False
    # Whose membership was seen from which homeserver: who joins is expected to read when all have seen it.
    joining: dict[str, set[str]] = field(default_factory=dict)
    # Of when the newest membership is that was seen, by its homeserver's clock: who hears late tells nothing new.
    told: dict[str, int] = field(default_factory=dict)


@dataclass
class Surroundings:
    """The deployment, the profile, the rooms, and the books."""

    deployment: Deployment
    profile: Profile
    context: ssl.SSLContext
    figures: Figures = field(default_factory=Figures)
    keys: KnownKeys = field(default_factory=KnownKeys)
    rooms: dict[str, Room] = field(default_factory=dict)
    rooms_of: dict[str, list[str]] = field(default_factory=dict)
    """The rooms in which somebody is, by their identifier."""
    measures: Measures | None = None
    """None until second 0: what happens before is preparation."""
    listening: bool = False
    """Whether people of this run write to each other's devices by now: they do from second 0, or from when keys are given."""
    ledger: Ledger | None = None
    """What the run makes on somebody else's deployment is written there."""
    on_member: Callable[[Room, Mapping[str, Any], str], None] = lambda _room, _event, _origin: None
    """Told what a sync says of a member: room, event, and the homeserver it was seen from."""
    said: dict[str, int] = field(default_factory=dict)
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    """Another one each time that these people come: what is still under way of an earlier one is known by it."""
    _numbers: count[int] = field(default_factory=lambda: count(_FIRST_NEW))

    def enter(self, room: Room, user_id: str) -> None:
        """Take somebody into a room."""
        if user_id not in room.members:
            room.members.add(user_id)
            room.version += 1
            self.rooms_of.setdefault(user_id, []).append(room.room_id)

    def go(self, room: Room, user_id: str) -> None:
        """Let somebody go out of a room."""
        if user_id in room.members:
            room.members.discard(user_id)
            room.version += 1
            self.rooms_of[user_id].remove(room.room_id)

    def home(self, name: str) -> Homeserver:
        """Give a homeserver by its name."""
        return next(each for each in self.deployment.homeservers if each.name == name)

    def transport(self) -> PatientTransport:
        """Make a transport for one device."""
        if self.ledger is not None:
            return VisitorTransport(self.context, self.figures.exchange, self._limited, ledger=self.ledger)
        return PatientTransport(self.context, self.figures.exchange, on_limited=self._limited)

    def session(self, home: Homeserver, user_id: str = "", device_id: str = "", token: str | None = None) -> Session:
        """Give a session with a transport of its own."""
        if self.ledger is not None and token:
            self.ledger.know(token, user_id)
        return Session(
            self.transport(), home.url, home.server_name, user_id, device_id, token, who=user_id, timeout=self.profile.timeout
        )

    def new_number(self) -> int:
        """Give a number for a device that was not there at the start."""
        return next(self._numbers)

    def notice(self, what: str) -> None:
        """Count something that is no figure, to be told at the end."""
        self.said[what] = self.said.get(what, 0) + 1

    def _limited(self) -> None:
        if self.measures is not None:
            self.measures.limited(time.monotonic())
