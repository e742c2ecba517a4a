"""Inviting by e-mail ("Les avantages de Tchap"; Matrix specification, "Third-party invites" and the identity service API)."""

from __future__ import annotations

from fixtures.deployment import Identity as IdentityServer
from scenarios.conversations import room_state, set_state
from scenarios.session import Session, ok, path
from scenarios.wire import Response

__all__ = ["identity_token", "invite_by_mail", "withdraw"]


async def identity_token(session: Session, server: IdentityServer) -> str:
    """Register at the identity server with an OpenID token of one's homeserver, and give its token."""
    proof = ok(await session.post(path("user", session.user_id, "openid", "request_token"), {}))
    there = Session(session.transport, server.url, "", who=session.who)
    answer = ok(await there.post("/_matrix/identity/v2/account/register", proof))
    return str(answer["token"])


async def invite_by_mail(session: Session, server: IdentityServer, room_id: str, address: str) -> Response:
    """Invite an address to a room."""
    body = {
        "id_server": server.id_server,
        "id_access_token": await identity_token(session, server),
        "medium": "email",
        "address": address,
    }
    return await session.post(path("rooms", room_id, "invite"), body)


async def withdraw(session: Session, room_id: str) -> None:
    """Take back the invitations by e-mail of a room, as clients do: the event is emptied."""
    state = await room_state(session, room_id)
    for kind, key in [each for each, content in state.items() if each[0] == "m.room.third_party_invite" and content]:
        ok(await set_state(session, room_id, kind, {}, key))
