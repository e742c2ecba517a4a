"""Finding people, and what others see of oneself ("Rechercher une personne", "Visibilité")."""

from __future__ import annotations

from typing import Any

from scenarios.session import Session, ok, path
from scenarios.wire import Response

__all__ = ["HIDE_PROFILE", "find", "leave_red_list", "profile", "search", "set_avatar", "set_name", "set_red_list"]

HIDE_PROFILE = "im.vector.hide_profile"


async def search(session: Session, term: str, limit: int = 50, version: str = "v3") -> Response:
    """Search the directory (Matrix specification, "User directory")."""
    return await session.post("/user_directory/search", {"search_term": term, "limit": limit}, version)


async def find(session: Session, term: str) -> dict[str, dict[str, Any]]:
    """Search the directory, and give what was found by identifier."""
    return {entry["user_id"]: entry for entry in ok(await search(session, term))["results"]}


async def set_red_list(session: Session, *, on: bool = True) -> None:
    """Put oneself on the red list."""
    ok(await session.put(path("user", session.user_id, "account_data", HIDE_PROFILE), {"hide_profile": on}))


async def leave_red_list(session: Session) -> None:
    """Take oneself off the red list."""
    await set_red_list(session, on=False)


async def profile(session: Session, user_id: str) -> Response:
    """Read somebody's profile."""
    return await session.get(path("profile", user_id))


async def set_name(session: Session, name: str) -> None:
    """Change one's display name."""
    ok(await session.put(path("profile", session.user_id, "displayname"), {"displayname": name}))


async def set_avatar(session: Session, uri: str) -> None:
    """Change one's picture."""
    ok(await session.put(path("profile", session.user_id, "avatar_url"), {"avatar_url": uri}))
