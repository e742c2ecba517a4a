"""Starting, finding, joining and leaving conversations ("Communiquer avec Tchap")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scenarios.session import Session, ok, path
from scenarios.wire import Response, until

__all__ = [
    "ACCESS_RULES",
    "MEGOLM",
    "ask_for_direct",
    "ask_for_private",
    "ask_for_public",
    "ask_for_room",
    "ask_to_join",
    "ask_to_knock",
    "find_public_rooms",
    "invite",
    "joined_rooms",
    "leave",
    "members",
    "membership",
    "open_direct",
    "open_private",
    "open_public",
    "open_to_knocks",
    "read_state",
    "room_state",
    "set_state",
    "state_events",
    "wait_for_listed",
]

ACCESS_RULES = "im.vector.room.access_rules"
MEGOLM = "m.megolm.v1.aes-sha2"
"""The one algorithm by which conversations are encrypted (Matrix specification, "m.megolm.v1.aes-sha2")."""


async def ask_for_room(session: Session, **options: Any) -> Response:
    """Ask for a room with these options of the specification's `createRoom`."""
    return await session.post("/createRoom", options)


async def ask_for_direct(session: Session, other: str) -> Response:
    """Ask for a conversation between two, as clients do."""
    return await ask_for_room(session, preset="trusted_private_chat", is_direct=True, invite=[other])


async def ask_for_private(session: Session, name: str, invited: Sequence[str] = (), *, externals: bool = False) -> Response:
    """Ask for a private room; `externals` opens it to guests."""
    rule = "unrestricted" if externals else "restricted"
    state = [{"type": ACCESS_RULES, "state_key": "", "content": {"rule": rule}}]
    return await ask_for_room(session, preset="private_chat", name=name, invite=list(invited), initial_state=state)


async def ask_for_public(session: Session, name: str, alias: str = "") -> Response:
    """Ask for a public room that is listed."""
    named = {"room_alias_name": alias} if alias else {}
    return await ask_for_room(session, preset="public_chat", visibility="public", name=name, **named)


async def open_direct(session: Session, other: str) -> str:
    """Start a conversation between two, note it as a direct one, and give its id."""
    room_id = str(ok(await ask_for_direct(session, other))["room_id"])
    where = path("user", session.user_id, "account_data", "m.direct")
    known = await session.get(where)
    contacts = known.json() if known.status == 200 else {}
    contacts.setdefault(other, []).append(room_id)
    ok(await session.put(where, contacts))
    return room_id


async def open_private(session: Session, name: str, invited: Sequence[str] = (), *, externals: bool = False) -> str:
    """Create a private room, and give its id."""
    return str(ok(await ask_for_private(session, name, invited, externals=externals))["room_id"])


async def open_public(session: Session, name: str, alias: str = "") -> str:
    """Create a public room, and give its id."""
    return str(ok(await ask_for_public(session, name, alias))["room_id"])


async def open_to_knocks(session: Session, name: str) -> str:
    """Create a room at which people knock, guests too by its own rules, and give its id."""
    state = [
        {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}},
        {"type": ACCESS_RULES, "state_key": "", "content": {"rule": "unrestricted"}},
    ]
    return str(ok(await ask_for_room(session, preset="private_chat", name=name, initial_state=state))["room_id"])


async def invite(session: Session, room_id: str, user_id: str) -> Response:
    """Invite somebody by identifier."""
    return await session.post(path("rooms", room_id, "invite"), {"user_id": user_id})


async def ask_to_join(session: Session, room: str, *servers: str) -> Response:
    """Ask to join a room by id or alias, by way of these servers."""
    params = {"server_name": servers[0], "via": servers[0]} if servers else None
    return await session.send("POST", path("join", room), {}, params=params)


async def ask_to_knock(session: Session, room: str, *servers: str) -> Response:
    """Knock at a room."""
    params = {"server_name": servers[0], "via": servers[0]} if servers else None
    return await session.send("POST", path("knock", room), {}, params=params)


async def leave(session: Session, room_id: str) -> Response:
    """Leave a room."""
    return await session.post(path("rooms", room_id, "leave"), {})


async def wait_for_listed(session: Session, term: str, room_id: str, server: str = "") -> list[dict[str, Any]]:
    """Search the list of public rooms until it has this one; a homeserver counts what it lists a moment after the fact.

    Raises `NotInTime` when the list lacks it after 20 s.
    """
    shown: list[list[str]] = [[]]

    async def listed() -> list[dict[str, Any]] | None:
        rooms = await find_public_rooms(session, term, server)
        shown[0] = [room["room_id"] for room in rooms]
        return rooms if room_id in shown[0] else None

    return await until(
        session.transport,
        listed,
        deadline=20.0,
        missing=f"the room in the list of {server or 'their own server'}",
        pause=0.3,
        seen=lambda: f"the list shows {shown[0]}",
    )


async def find_public_rooms(session: Session, term: str, server: str = "") -> list[dict[str, Any]]:
    """Search the list of public rooms of one's own server or another."""
    params = {"server": server} if server else None
    body = {"filter": {"generic_search_term": term}, "limit": 100}
    answer = ok(await session.send("POST", "/publicRooms", body, params=params))
    rooms: list[dict[str, Any]] = answer["chunk"]
    return rooms


async def read_state(session: Session, room_id: str, kind: str, key: str = "") -> Response:
    """Read one state event's content."""
    return await session.get(path("rooms", room_id, "state", kind) + (path(key) if key else ""))


async def state_events(session: Session, room_id: str) -> list[dict[str, Any]]:
    """Read the events that are the state."""
    answer = await session.get(path("rooms", room_id, "state"))
    events: Any = answer.json() if answer.status == 200 else ok(answer)
    return list(events)


async def room_state(session: Session, room_id: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Read the whole state, by type and key."""
    events = await state_events(session, room_id)
    return {(event["type"], event["state_key"]): event["content"] for event in events}


async def set_state(session: Session, room_id: str, kind: str, content: Mapping[str, Any], key: str = "") -> Response:
    """Set one state event."""
    return await session.put(path("rooms", room_id, "state", kind) + (path(key) if key else ""), content)


async def members(session: Session, room_id: str) -> dict[str, Mapping[str, Any]]:
    """Read the member events, by user."""
    answer = ok(await session.get(path("rooms", room_id, "members")))
    return {event["state_key"]: event["content"] for event in answer["chunk"]}


async def membership(session: Session, room_id: str, user_id: str) -> str:
    """Read somebody's membership, `leave` where there is none."""
    found = (await members(session, room_id)).get(user_id, {})
    return str(found.get("membership", "leave"))


async def joined_rooms(session: Session) -> list[str]:
    """Read which rooms one is in."""
    rooms: list[str] = ok(await session.get("/joined_rooms"))["joined_rooms"]
    return rooms
