"""Stretches that several stories have in common, by the same acts as everything else."""

from __future__ import annotations

from functools import partial

from conformance.cast import Cast
from conformance.outcome import untestable
from fixtures.deployment import Identity as IdentityServer
from scenarios import conversations
from scenarios.devices import Device
from scenarios.invitations import invite_by_mail
from scenarios.people import Person
from scenarios.session import ok
from scenarios.wire import until

__all__ = [
    "gathered",
    "identity_server",
    "invited_guest",
    "invited_outsider",
    "invited_partner",
    "join",
    "sees_invited",
    "sees_out",
]


def identity_server(cast: Cast) -> IdentityServer:
    """Give the identity server; raises `Untestable` where there is none."""
    if cast.deployment.identity is None:
        raise untestable("an identity server ([identity] in the deployment's TOML)")
    return cast.deployment.identity


async def invited_outsider(cast: Cast, home: int = 0) -> tuple[Person, Person, str]:
    """Have an agent open a conversation to externals and invite a partner by e-mail; gives agent, partner and room."""
    agent, partner = await cast.agent(home), cast.outsider()
    room_id = await conversations.open_private(agent.session, cast.word("projet"), externals=True)
    answer = await invite_by_mail(agent.session, identity_server(cast), room_id, partner.identity.address)
    ok(answer)
    await cast.mailbox.wait_for(partner.identity.address)
    return agent, partner, room_id


async def invited_partner(cast: Cast) -> tuple[Person, int]:
    """Give a partner who was invited and has no account yet, and how many mails they have of that."""
    _agent, partner, _room_id = await invited_outsider(cast)
    return partner, len(await cast.mailbox.messages(partner.identity.address))


async def join(device: Device, room_id: str, host: Person | None = None) -> None:
    """Wait for the invitation to a room, and take it.

    An invitation that comes from a third-party invite reaches the invited a moment before the room's own server has
    finished with it; people are slower than that, and wait here until the `host` sees it.
    """
    await device.wait_for(f"an invitation to {room_id}", lambda seen: seen.room(room_id).membership == "invite")
    if host is not None:
        await sees_invited(host, room_id, device.user_id)
    ok(await conversations.ask_to_join(device.session, room_id))
    await device.wait_for(f"itself in {room_id}", lambda seen: seen.room(room_id).membership == "join")


async def sees_invited(host: Person, room_id: str, user_id: str) -> None:
    """Wait until somebody in a room sees that somebody is invited to it; raises `NotInTime`."""

    async def seen() -> bool | None:
        return True if await conversations.membership(host.session, room_id, user_id) == "invite" else None

    missing = f"the invitation of {user_id} in the members that {host.name} sees"
    await until(host.session.transport, seen, deadline=15, missing=missing)


async def sees_out(member: Device, room_id: str, user_id: str, *ways: str) -> None:
    """Wait until a device shows somebody as out of a room, by leave or another of these ways; raises `NotInTime`."""

    def is_out(seen: Device) -> bool:
        known = seen.room(room_id).state.get(("m.room.member", user_id), {})
        return known.get("membership") in ("leave", *ways)

    await member.wait_for(f"the departure of {user_id}", is_out)


async def gathered(host: Device, *others: Device, externals: bool = False, name: str = "salon") -> str:
    """Have the host open a private room in which all the others are."""
    invited = [other.user_id for other in others]
    room_id = await conversations.open_private(host.session, name, invited, externals=externals)

    def came(users: set[str], device: Device) -> bool:
        state = device.room(room_id).state
        return all(state.get(("m.room.member", user), {}).get("membership") == "join" for user in users)

    for other in others:
        await join(other, room_id)
        if other.session.server_name != host.session.server_name:
            # Before anybody else comes by way of the host's homeserver: theirs could not get at the history before this one's
            # coming then, and would take nothing that follows it (docs/parts.md).
            await host.wait_for(f"{other.user_id} in {room_id}", partial(came, {other.user_id}))
    await host.wait_for(f"everybody in {room_id}", partial(came, {other.user_id for other in others}))
    return room_id


async def invited_guest(cast: Cast, host: Device) -> tuple[Device, str]:
    """Give a guest's device in a private room of the host."""
    guest = await cast.device(await cast.guest())
    return guest, await gathered(host, guest, externals=True)
