"""Putting an event into a room, and what others see of one's reading and writing ("Échanger des messages")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenarios.session import Session, ok, path
from scenarios.wire import Response

__all__ = ["mark_read", "put_event", "set_typing"]


async def put_event(session: Session, room_id: str, kind: str, content: Mapping[str, Any] | bytes, transaction: str) -> str:
    """Send an event as it is, encrypted by whoever calls where the room is, and give its id.

    The same `transaction` sent again is the same event.
    """
    where = path("rooms", room_id, "send", kind, transaction)
    return str(ok(await session.send("PUT", where, content))["event_id"])


async def mark_read(session: Session, room_id: str, event_id: str) -> Response:
    """Tell the room that it was read up to an event."""
    return await session.post(path("rooms", room_id, "receipt", "m.read", event_id), {})


async def set_typing(session: Session, room_id: str, *, on: bool = True) -> Response:
    """Tell the room that one is writing, or no longer."""
    body = {"typing": True, "timeout": 20_000} if on else {"typing": False}
    return await session.put(path("rooms", room_id, "typing", session.user_id), body)
