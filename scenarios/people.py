"""Who takes part: agents, guests and outsiders, with the homeserver they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from fixtures.deployment import Homeserver
from fixtures.population import Identity
from scenarios.session import Session
from scenarios.wire import Transport

__all__ = ["Person", "Role", "anonymous"]

Role = Literal["agent", "guest", "outsider"]


@dataclass
class Person:
    """Somebody, with their sessions in the order they logged in, of which the first `equipped` have keys.

    `user_id` is empty until there is an account.
    """

    identity: Identity
    role: Role
    home: Homeserver
    user_id: str = ""
    sessions: list[Session] = field(default_factory=list)
    equipped: int = 0

    @property
    def name(self) -> str:
        """How the evidence calls them."""
        return f"{self.identity.given_name} ({self.role}, {self.home.name})"

    @property
    def session(self) -> Session:
        """The session they act through: the first."""
        if not self.sessions:
            raise LookupError(f"{self.name} has not logged in")
        return self.sessions[0]


def anonymous(transport: Transport, home: Homeserver, who: str = "nobody") -> Session:
    """Give a session without an account."""
    return Session(transport=transport, base_url=home.url, server_name=home.server_name, who=who)
