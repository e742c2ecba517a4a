"""Ways of reading in a conversation, each of which shows what was said, or who is there, to those in it alone."""

from __future__ import annotations

import json

from scenarios.session import Session, path
from scenarios.wire import Response

__all__ = ["ABOUT", "WAYS", "read"]

ABOUT = ("members", "joined_members", "state", "aliases", "initialSync")
"""What tells of the conversation itself; who was in it once is told how it was then."""

WAYS = ("context", "members", "messages", "joined_members", "search", "state", "sync", "aliases", "initialSync")
"""In the order in which they are tried; `search` and `sync` are of all that one may see, and taken of everybody."""

_NOTHING_ELSE = json.dumps({"presence": {"types": []}, "account_data": {"types": []}})


async def read(session: Session, way: str, room_id: str, event_id: str, mark: str, since: str) -> Response:
    """Read in a way: an event by its id, what `mark` finds, what came `since`."""
    room = path("rooms", room_id)
    match way:
        case "event" | "context":
            return await session.get(room + path(way, event_id))
        case "messages":
            return await session.get(f"{room}/messages", {"dir": "b", "limit": 20})
        case "search":
            about = {"search_term": mark, "keys": ["content.body"], "filter": {"rooms": [room_id]}}
            return await session.post("/search", {"search_categories": {"room_events": about}})
        case "sync":
            return await session.get("/sync", {"timeout": 0, "filter": _NOTHING_ELSE} | ({"since": since} if since else {}))
        case _:
            return await session.get(f"{room}/{way}")
