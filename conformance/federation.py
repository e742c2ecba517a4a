"""Speaking to a homeserver as another homeserver (Matrix specification, server-server API, "Request Authentication").

What only a server can ask, or send, is tried with the key of one that the federation lets in: as if that one had been taken
over. The key is read where the deployment keeps it; without access to it such checks are untestable.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conformance.cast import Cast
from conformance.outcome import untestable
from fixtures.deployment import Homeserver
from scenarios.trust import canonical
from scenarios.wire import Request, Response, Transport

__all__ = ["Peer", "taken_over"]

# What a redaction keeps of a member event in room version 11 (Matrix specification, "Redactions").
_KEPT = {"type", "room_id", "sender", "state_key", "hashes", "depth", "prev_events", "auth_events", "origin_server_ts"}


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


@dataclass(frozen=True)
class Peer:
    """A homeserver in whose name requests are made."""

    name: str
    key_id: str
    key: Ed25519PrivateKey
    transport: Transport

    def sign(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Sign an object."""
        return {**content, "signatures": {self.name: {self.key_id: _encoded(self.key.sign(canonical(content)))}}}

    async def ask(
        self, home: Homeserver, method: str, where: str, body: Mapping[str, Any] | None = None, claiming: str = ""
    ) -> Response:
        """Send a signed request to a homeserver.

        With `claiming`, the name of another one, that is told for the origin first, and whose it is last: Synapse goes by the
        last of two, and whatever stands before it may go by the first.
        """
        told: dict[str, Any] = {"method": method, "uri": where, "origin": self.name, "destination": home.server_name}
        if body is not None:
            told["content"] = dict(body)
        signature = _encoded(self.key.sign(canonical(told)))
        header = f'X-Matrix origin="{claiming or self.name}",destination="{home.server_name}"'
        header += f',key="{self.key_id}",sig="{signature}"' + (f',origin="{self.name}"' if claiming else "")
        headers = {"Authorization": header, "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        return await self.transport.send(Request(method, home.url + where, headers, content, who=f"homeserver {self.name}"))

    def invitation(self, room_id: str, sender: str, invited: str, more: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Give an invitation as a server of room version 11 makes it, with its id; `more` goes into its content."""
        event: dict[str, Any] = {
            "type": "m.room.member",
            "room_id": room_id,
            "sender": sender,
            "state_key": invited,
            "content": {"membership": "invite", **more},
            "origin_server_ts": int(time.time() * 1000),
            "depth": 10,
            "prev_events": ["$" + secrets.token_urlsafe(32)],
            "auth_events": ["$" + secrets.token_urlsafe(32)],
        }
        return self.sealed(event)

    def sealed(self, event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Give a member event of room version 11 as it is sent, hashed and signed, with its id."""
        sealed = {**event, "hashes": {"sha256": _encoded(hashlib.sha256(canonical(event)).digest())}}
        redacted = {key: value for key, value in sealed.items() if key in _KEPT}
        redacted["content"] = {"membership": event["content"]["membership"]}
        digest = base64.urlsafe_b64encode(hashlib.sha256(canonical(redacted)).digest()).decode().rstrip("=")
        return f"${digest}", {**sealed, "signatures": self.sign(redacted)["signatures"]}

    async def invite(
        self, home: Homeserver, room_id: str, sender: str, invited: str, room_state: Any, more: Mapping[str, Any]
    ) -> Response:
        """Invite somebody of a homeserver into a room of one's own, with this state of it; `more` goes into the content.

        Source: Matrix specification, server-server API, "Inviting to a room".
        """
        event_id, event = self.invitation(room_id, sender, invited, more)
        body = {"room_version": "11", "event": event, "invite_room_state": room_state}
        where = f"/_matrix/federation/v2/invite/{quote(room_id, safe='')}/{quote(event_id, safe='')}"
        return await self.ask(home, "PUT", where, body)

    async def join(self, home: Homeserver, room_id: str, user_id: str) -> Response:
        """Have one of one's people join a room by a homeserver that is in it; gives the answer that ended it.

        Source: Matrix specification, server-server API, "Joining Rooms".
        """
        return await self._come(home, room_id, user_id, "join", "v2")

    async def knock(self, home: Homeserver, room_id: str, user_id: str) -> Response:
        """Have one of one's people knock at a room of a homeserver's; gives the answer that ended it.

        Source: Matrix specification, server-server API, "Knocking upon a room".
        """
        return await self._come(home, room_id, user_id, "knock", "v1")

    async def _come(self, home: Homeserver, room_id: str, user_id: str, way: str, version: str) -> Response:
        room = quote(room_id, safe="")
        where = f"/_matrix/federation/v1/make_{way}/{room}/{quote(user_id, safe='')}?ver=11"
        answer = await self.ask(home, "GET", where)
        if answer.status != 200:
            return answer
        template = {**answer.json()["event"], "origin_server_ts": int(time.time() * 1000)}
        event_id, event = self.sealed(template)
        where = f"/_matrix/federation/{version}/send_{way}/{room}/{quote(event_id, safe='')}"
        return await self.ask(home, "PUT", where, event)


def taken_over(cast: Cast, home: Homeserver) -> Peer:
    """Give a homeserver of the deployment in wrong hands; raises `Untestable` where its signing key is not at hand."""
    folder = cast.deployment.storage.state.get(home.name) if cast.deployment.storage else None
    if folder is None or not (folder / "signing.key").is_file():
        raise untestable(f"the signing key of {home.name} ([storage.state] in the deployment's TOML)")
    algorithm, version, seed = (folder / "signing.key").read_text().split()
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed + "=" * (-len(seed) % 4)))
    return Peer(home.server_name, f"{algorithm}:{version}", key, cast.transport)
