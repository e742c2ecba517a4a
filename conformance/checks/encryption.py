"""Whether a conversation is encrypted."""

from __future__ import annotations

from scenarios.conversations import room_state
from scenarios.keys import MEGOLM
from scenarios.session import Session

__all__ = ["is_encrypted", "is_not_encrypted"]


async def is_encrypted(session: Session, room_id: str) -> None:
    """Hold that the room's state asks every client for Megolm."""
    content = (await room_state(session, room_id)).get(("m.room.encryption", ""))
    assert content is not None, f"the room {room_id} has no m.room.encryption"
    assert content.get("algorithm") == MEGOLM, f"the room {room_id} is encrypted by {content.get('algorithm')!r}"


async def is_not_encrypted(session: Session, room_id: str) -> None:
    """Hold that the room's state says nothing of encryption."""
    assert ("m.room.encryption", "") not in await room_state(session, room_id), f"the room {room_id} is encrypted"
