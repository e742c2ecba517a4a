"""RES-4: the identity server, or the mail server, is gone while people want to come in."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.breaking import BREAKING, Fragile
from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.journeys import identity_server, invited_outsider
from fixtures.services.identity import INFO, SYDENT
from fixtures.services.mail import NAME as MAIL
from scenarios import accounts, conversations
from scenarios.accounts import Validation
from scenarios.invitations import identity_token, invite_by_mail, withdraw
from scenarios.people import Person
from scenarios.session import Session, ok, path
from scenarios.wire import Response, until

pytestmark = BREAKING

_NOT_NOW = (400, 403, 500, 502, 503, 504)
# A homeserver that could not tell of a withdrawal tells it again, after pauses that grow.
_TOLD_WITHIN = 60.0
_FOUND_WITHIN = 30.0
_OTHER_PASSWORD = "Retrouve-3-Portes!"


async def _ask(cast: Cast, person: Person) -> Response:
    answer, _validation = await accounts.ask_for_validation(cast.anonymous(person.home, person.name), person.identity.address)
    return answer


async def _validated(cast: Cast, person: Person) -> Validation:
    """Have somebody follow the link of their mail, and not register yet."""
    before = len(await cast.mailbox.messages(person.identity.address))
    answer, validation = await accounts.ask_for_validation(cast.anonymous(person.home, person.name), person.identity.address)
    ok(answer)
    mail = await cast.mailbox.wait_for(person.identity.address, after=before)
    await accounts.follow_link(cast.transport, accounts.link_of(mail), person.name)
    return validation


async def _begins(anyone: Session, person: Person, validation: Validation) -> tuple[dict[str, Any], Response]:
    """Have somebody ask for the account that they validated an address for; gives what finishes the request, and the answer."""
    body = {"password": person.identity.password}
    session = (await anyone.post("/register", body)).json()["session"]
    stage = {"type": "m.login.email.identity", "threepid_creds": validation.credentials}
    answer = await anyone.post("/register", {**body, "auth": {"session": session, **stage}})
    return {**body, "auth": {"session": session}}, answer


async def _has_no_account(cast: Cast, person: Person) -> None:
    refused(await accounts.log_in_with_address(cast.transport, person), f"the login of {person.name}", "M_FORBIDDEN")


@pytest.mark.rule("RES-4")
async def test_without_identity_server_nobody_comes_in(fragile: Fragile) -> None:
    """While nobody can say who belongs where, agent, invited partner and stranger are all refused, at every step.

    Afterwards the same requests succeed for those who may, and the stranger is refused for the right reason.
    """
    cast = fragile.cast
    fragile.needs(SYDENT, INFO)
    agent, partner, room_id = await invited_outsider(cast)
    paul, half_way, stranger, friend = cast.newcomer(0), cast.newcomer(1), cast.outsider(), cast.outsider()
    validation = await _validated(cast, half_way)
    token = await identity_token(agent.session, identity_server(cast))
    invitation = {
        "id_server": identity_server(cast).id_server,
        "id_access_token": token,
        "medium": "email",
        "address": friend.identity.address,
    }
    addresses = [each.identity.address for each in (partner, paul, stranger, friend)]
    mails = {address: len(await cast.mailbox.messages(address)) for address in addresses}
    half_way_asks = cast.anonymous(half_way.home, half_way.name)

    async with fragile.gone(SYDENT, INFO):
        for person in (paul, partner, stranger):
            refused(await _ask(cast, person), f"the request of {person.name} during the outage", status=_NOT_NOW)
        the_rest, answer = await _begins(half_way_asks, half_way, validation)
        refused(answer, "a registration during the outage", status=(401, *_NOT_NOW))
        assert "access_token" not in answer.json(), f"a refused registration gave a token: {answer}"
        await _has_no_account(cast, half_way)
        answer = await agent.session.post(path("rooms", room_id, "invite"), invitation)
        refused(answer, "an invitation by mail during the outage", status=_NOT_NOW)
    for address, number in mails.items():
        came = len(await cast.mailbox.messages(address))
        assert came == number, f"{address} got {came - number} mails for requests that were refused"

    answer = await half_way_asks.post("/register", the_rest)
    accounts.admit(half_way, accepted(answer, "the same registration afterwards"), cast.transport)
    await accounts.register_by_mail(cast.transport, cast.mailbox, paul)
    await accounts.register_by_mail(cast.transport, cast.mailbox, partner)
    refused(await _ask(cast, stranger), "the stranger's request afterwards", "M_THREEPID_DENIED")
    accepted(await agent.session.post(path("rooms", room_id, "invite"), invitation), "the same invitation afterwards")
    await cast.mailbox.wait_for(friend.identity.address, after=mails[friend.identity.address])


@pytest.mark.rule("RES-4")
async def test_invitation_withdrawn_without_identity_server_lets_nobody_in(fragile: Fragile) -> None:
    """A partner has validated their address; the agent takes the invitation back while the identity server is away.

    Once it is back the partner is refused, at every step; another one, whose invitation stands, gets an account.
    """
    cast = fragile.cast
    fragile.needs(SYDENT, INFO)
    agent, recalled, room_id = await invited_outsider(cast)
    _other_agent, kept, _other_room = await invited_outsider(cast)
    validation = await _validated(cast, recalled)

    async with fragile.gone(SYDENT, INFO):
        await withdraw(agent.session, room_id)

    async def is_denied() -> bool | None:
        return True if (await _ask(cast, recalled)).errcode == "M_THREEPID_DENIED" else None

    missing = "the refusal of a token for an invitation that was taken back during the outage"
    await until(cast.transport, is_denied, deadline=_TOLD_WITHIN, missing=missing, pause=0.5)
    anyone = cast.anonymous(recalled.home, recalled.name)
    answer = await accounts.register(anyone, recalled.identity.password, validation)
    refused(answer, "registration after the invitation was taken back during the outage", "M_THREEPID_DENIED")
    assert "access_token" not in answer.json(), f"a refused registration gave a token: {answer}"
    await _has_no_account(cast, recalled)
    await accounts.register_by_mail(cast.transport, cast.mailbox, kept)


@pytest.mark.rule("RES-4")
async def test_who_comes_in_while_addresses_cannot_be_noted_is_found_afterwards(fragile: Fragile) -> None:
    """An agent and an invited partner, who may come in, finish their registration while the directory of addresses is away.

    Whether they are let in at once or have to ask again: once it is back the partner finds their invitation, and the agent is
    found by their address. A stranger is refused meanwhile, and has no account.
    """
    cast = fragile.cast
    fragile.needs(SYDENT)
    agent, partner, room_id = await invited_outsider(cast)
    paul, stranger = cast.newcomer(1), cast.outsider()
    validations = [(person, await _validated(cast, person)) for person in (paul, partner)]
    asked: list[tuple[Person, Response, dict[str, Any]]] = []

    async with fragile.gone(SYDENT):
        for person, validation in validations:
            the_rest, answer = await _begins(cast.anonymous(person.home, person.name), person, validation)
            asked.append((person, answer, the_rest))
        refused(await _ask(cast, stranger), "a stranger's request during the outage", status=_NOT_NOW)
        await _has_no_account(cast, stranger)

    for person, first, the_rest in asked:
        answer = first
        if first.status != 200:
            refused(first, f"the registration of {person.name} during the outage", status=(401, *_NOT_NOW))
            answer = await cast.anonymous(person.home, person.name).post("/register", the_rest)
        accounts.admit(person, accepted(answer, f"the registration of {person.name}"), cast.transport)
    room = await conversations.open_private(agent.session, cast.word("réunion"))
    answer = await invite_by_mail(agent.session, identity_server(cast), room, paul.identity.address)
    accepted(answer, "inviting by their address who registered during the outage")
    for person, where in ((partner, room_id), (paul, room)):
        device = await cast.device(person)
        await device.wait_for(
            "the invitation by their address after the outage",
            lambda seen, invited_to=where: seen.room(invited_to).membership == "invite",  # type: ignore[misc]
            deadline=_FOUND_WITHIN,
        )


@pytest.mark.rule("RES-4")
async def test_without_mail_server_nobody_comes_in(fragile: Fragile) -> None:
    """While no mail can be sent nobody gets an account; afterwards agent and invited partner do, and the stranger does not.

    Nor does anybody get into another's account by a new password: who asks for one waits for the mail, as on any day.
    """
    cast = fragile.cast
    fragile.needs(MAIL)
    agent, paul, stranger, partner = await cast.agent(), cast.newcomer(1), cast.outsider(), cast.outsider()
    room_id = await conversations.open_private(agent.session, cast.word("projet"), externals=True)
    assert cast.mailbox

    async with fragile.gone(MAIL):
        answer = await _ask(cast, paul)
        refused(answer, "an agent's request without a mail server", status=_NOT_NOW)
        refused(await _ask(cast, stranger), "a stranger's request without a mail server", "M_THREEPID_DENIED")
        invited = await invite_by_mail(agent.session, identity_server(cast), room_id, partner.identity.address)
        await _has_no_account(cast, paul)
        anyone = cast.anonymous(agent.home, "quelqu’un")
        answer, validation = await accounts.ask_to_reset(anyone, agent.identity.address)
        refused(answer, "a new password without a mail server", status=_NOT_NOW)
        answer = await accounts.reset_password(anyone, _OTHER_PASSWORD, validation)
        refused(answer, "a new password for which no mail could be sent", status=(401, *_NOT_NOW))
        accepted(await accounts.log_in(cast.transport, agent), "the login by the password as it was")

    await accounts.register_by_mail(cast.transport, cast.mailbox, paul)
    before = len(await cast.mailbox.messages(agent.identity.address))
    answer, validation = await accounts.ask_to_reset(anyone, agent.identity.address)
    accepted(answer, "the same request for a new password afterwards")
    mail = await cast.mailbox.wait_for(agent.identity.address, after=before)
    if invited.status != 200:
        refused(invited, "an invitation without a mail server", status=_NOT_NOW)
        again = await invite_by_mail(agent.session, identity_server(cast), room_id, partner.identity.address)
        accepted(again, "the same invitation afterwards")
    await cast.mailbox.wait_for(partner.identity.address)
    await accounts.register_by_mail(cast.transport, cast.mailbox, partner)
    refused(await _ask(cast, stranger), "the stranger's request afterwards", "M_THREEPID_DENIED")
    await accounts.follow_link(cast.transport, accounts.link_of(mail), agent.name)
    accepted(await accounts.reset_password(anyone, _OTHER_PASSWORD, validation), "a new password, by the link of the mail")
    entered = accepted(await accounts.log_in(cast.transport, agent, _OTHER_PASSWORD), "the login by the new password")
    accounts.admit(agent, entered, cast.transport)
