"""Who is found, and who is not."""

from __future__ import annotations

from typing import Any

from scenarios.directory import find
from scenarios.session import Session
from scenarios.wire import until

__all__ = ["finds", "finds_only", "no_longer_finds"]


async def finds(searcher: Session, term: str, user_id: str, deadline: float = 15.0) -> dict[str, Any]:
    """Hold that a search finds somebody, once the directory has caught up; gives the result's entry."""

    async def probe() -> dict[str, Any] | None:
        return (await find(searcher, term)).get(user_id)

    missing = f"{user_id} in {searcher.who}'s search for {term!r}"
    return await until(searcher.transport, probe, deadline=deadline, missing=missing, pause=0.1)


async def finds_only(searcher: Session, term: str, witness: str, hidden: str) -> None:
    """Hold that somebody stays out of a search in which somebody else of like name is found."""
    await finds(searcher, term, witness)
    found = await find(searcher, term)
    assert witness in found, f"{witness} was found a moment ago and now is not: {sorted(found)}"
    assert hidden not in found, f"{searcher.who}'s search for {term!r} shows {hidden}"


async def no_longer_finds(searcher: Session, term: str, hidden: str, deadline: float = 15.0) -> None:
    """Hold that a search which found somebody does so no more, once the directory has caught up."""

    async def probe() -> bool | None:
        return None if hidden in await find(searcher, term) else True

    missing = f"the disappearance of {hidden} from {searcher.who}'s search for {term!r}"
    await until(searcher.transport, probe, deadline=deadline, missing=missing, pause=0.1)
