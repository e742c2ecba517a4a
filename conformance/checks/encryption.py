"""Whether a conversation is encrypted."""

from __future__ import annotations

from conformance.checks.answers import refused
from scenarios.conversations import MEGOLM, room_state
from scenarios.session import Session
from scenarios.wire import Response

__all__ = ["is_encrypted", "is_encrypted_or_refused", "is_not_encrypted"]


async def is_encrypted(session: Session, room_id: str) -> None:
    """Hold that the room's state asks every client for Megolm."""
    content = (await room_state(session, room_id)).get(("m.room.encryption", ""))
    assert content is not None, f"the room {room_id} has no m.room.encryption"
    assert content.get("algorithm") == MEGOLM, f"the room {room_id} is encrypted by {content.get('algorithm')!r}"


async def is_encrypted_or_refused(session: Session, answer: Response, what: str) -> None:
    """Hold that a room that was asked for is encrypted, or was not made at all."""
    if answer.status == 200:
        await is_encrypted(session, answer.json()["room_id"])
    else:
        refused(answer, what, status=(400, 403))


async def is_not_encrypted(session: Session, room_id: str) -> None:
    """Hold that the room's state says nothing of encryption."""
    assert ("m.room.encryption", "") not in await room_state(session, room_id), f"the room {room_id} is encrypted"
