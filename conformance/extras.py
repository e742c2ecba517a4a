"""Making the people of a check who are only extras: by an administrator, else as they would themselves, by mail.

A second way of registering (the service's `code` generation, where a number from the mail is typed into a form) goes
into `REGISTRATIONS` beside the guide's `link`; the run's profile names which one the deployment has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from conformance.outcome import untestable
from scenarios import accounts, conversations
from scenarios.invitations import invite_by_mail
from scenarios.mailbox import Mailbox
from scenarios.people import Person
from scenarios.session import Session, ok, path
from scenarios.wire import Transport

if TYPE_CHECKING:
    from conformance.cast import Cast

__all__ = ["REGISTRATIONS", "make"]

Registration = Callable[[Transport, Mailbox, Person], Awaitable[Session]]
REGISTRATIONS: dict[str, Registration] = {"link": accounts.register_by_mail}
"""Ways to register by mail, by the name that a profile's `registration` gives."""


async def make(cast: Cast, person: Person) -> Session:
    """Give somebody an account and log them in; raises `Untestable` where there is no way to."""
    if person.home.admin_url and person.home.admin_token:
        await _by_administrator(cast, person)
        return await cast.log_in(person)
    if cast.deployment.mail is None:
        raise untestable(f"an administrator's token of {person.home.name}, or [mail], to make people")
    if person.role == "agent":
        return await _register(cast, person)
    return await _invited(cast, person)


async def _by_administrator(cast: Cast, person: Person) -> None:
    local = person.identity.address.replace("@", "-")
    person.user_id = f"@{local}:{person.home.server_name}"
    organisation = person.identity.address.split("@")[1].split(".")[0].capitalize()
    body = {
        "password": person.identity.password,
        "displayname": f"{person.identity.full_name} [{organisation}]",
        "threepids": [{"medium": "email", "address": person.identity.address}],
    }
    where = path("_synapse", "admin", "v2", "users", person.user_id)
    answer = await cast.administrator(person.home).send("PUT", where, body)
    if answer.status not in (200, 201):
        raise RuntimeError(f"an extra could not be made: {answer}")


async def _register(cast: Cast, person: Person) -> Session:
    return await REGISTRATIONS[cast.registration](cast.transport, cast.mailbox, person)


async def _invited(cast: Cast, guest: Person) -> Session:
    """Have an agent invite somebody by mail, who registers and takes no part yet."""
    if cast.deployment.identity is None:
        raise untestable(f"an administrator's token of {guest.home.name}, or [identity], to make guests")
    host = await cast.agent()
    room_id = await conversations.open_private(host.session, cast.word("accueil"), externals=True)
    ok(await invite_by_mail(host.session, cast.deployment.identity, room_id, guest.identity.address))
    mailbox = cast.mailbox
    await mailbox.wait_for(guest.identity.address)
    session = await _register(cast, guest)
    for someone in (session, host.session):
        await conversations.leave(someone, room_id)
    return session
