"""INC: incidents around accounts, addresses and mails, kept from coming back; each rule names its advisory."""

from __future__ import annotations

import secrets
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.journeys import identity_server, invited_outsider, sees_invited
from scenarios import accounts, conversations, directory
from scenarios.invitations import identity_token, invite_by_mail
from scenarios.people import Person
from scenarios.session import ok, path


@pytest.mark.needs("hostile")
@pytest.mark.rule("INC-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_address_of_two_ats_is_nobodys_agent(cast: Cast, home: int) -> None:
    """An outsider hangs an agency's domain behind their own address: no token, no invitation, and no mail to either half."""
    agent, outsider, witness = await cast.agent(home), cast.outsider(), cast.newcomer(home)
    own, domain = outsider.identity.address, witness.home.domains[0]
    local = own.split("@")[0]
    halves = (own, f"{local}@{domain}")
    room_id = await conversations.open_private(agent.session, cast.word("réunion"))
    for address in (f"{own}@{domain}", f"{local}@{domain}@{own.split('@')[1]}", f"{own}@@{domain}", f"<{own}>{local}@{domain}"):
        for server in (*cast.homes, cast.abroad):
            anyone = cast.anonymous(server, outsider.name)
            answer, validation = await accounts.ask_for_validation(anyone, address)
            refused(answer, f"a token for {address} at {server.name}", status=(400, 403))
            assert not validation.sid, "the refusal carries a session"
            told = await anyone.get("/_matrix/identity/api/v1/info", {"medium": "email", "address": address})
            lives = accepted(told, "the home of an address")["hs"]
            assert lives == cast.abroad.server_name, f"{address} is told to live on {lives}"
        answer = await invite_by_mail(agent.session, identity_server(cast), room_id, address)
        refused(answer, f"an invitation of {address} to a room closed to externals", status=(400, 403))

    accepted((await accounts.ask_for_validation(cast.anonymous(witness.home), witness.identity.address))[0], "an agent's token")
    for address in halves:
        await cast.mailbox.expect_none(address, witness=witness.identity.address)


async def _stays_out(cast: Cast, person: Person, password: str, when: str) -> None:
    """Hold that a closed account is given no token, by any name and any flow, and that its former sessions are none."""
    for answer in (
        await accounts.log_in(cast.transport, person, password),
        await accounts.log_in_with_address(cast.transport, person, password),
    ):
        refused(answer, f"login {when}", "M_FORBIDDEN", "M_USER_DEACTIVATED")
    anyone = cast.anonymous(person.home, person.name)
    for flow in ok(await anyone.get("/login"))["flows"]:
        identifier = {"type": "m.id.user", "user": person.user_id}
        body = {"type": flow["type"], "identifier": identifier, "password": password, "token": secrets.token_hex(8)}
        answer = await anyone.post("/login", body)
        refused(answer, f"login by {flow['type']} {when}", status=(400, 401, 403))
        assert "access_token" not in answer.json(), f"login by {flow['type']} {when} gave a token"
    for session in person.sessions:
        refused(await session.get("/account/whoami"), f"a former session {when}", "M_UNKNOWN_TOKEN", status=401)


@pytest.mark.rule("INC-5")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_deactivated_account_does_not_log_in(cast: Cast, home: int) -> None:
    """Somebody who has just logged in by their address closes their account: no login by any name, and no session is left."""
    person = await cast.guest() if home < 0 else await cast.agent(home)
    await cast.log_in(person, "téléphone")
    accepted(await accounts.log_in_with_address(cast.transport, person), "login before the account is closed")
    accepted(await accounts.deactivate(person.session, person.identity.password), "closing the account")
    await _stays_out(cast, person, person.identity.password, "after the account was closed")


@pytest.mark.rule("INC-5")
@pytest.mark.parametrize("by", ["themselves", "administrator"])
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_administrators_password_opens_no_closed_account(cast: Cast, home: int, by: str) -> None:
    """An account is closed, by whose it is or by an administrator, who then sets a password: no login with that either."""
    person = await cast.guest() if home < 0 else await cast.agent(home)
    administrator = cast.administrator(person.home)
    await cast.log_in(person, "téléphone")
    accepted(await accounts.log_in_with_address(cast.transport, person), "login before the account is closed")
    if by == "themselves":
        answer = await accounts.deactivate(person.session, person.identity.password)
    else:
        answer = await administrator.post(path("_synapse", "admin", "v1", "deactivate", person.user_id), {})
    accepted(answer, f"closing the account by {by}")
    await _stays_out(cast, person, person.identity.password, f"after the account was closed by {by}")

    new = "Tout-Neuf-31415!"
    for method, where, body in (
        ("POST", path("_synapse", "admin", "v1", "reset_password", person.user_id), {"new_password": new}),
        ("PUT", path("_synapse", "admin", "v2", "users", person.user_id), {"password": new}),
    ):
        # Whether the administrator is let or refused does not matter here: the account stays closed.
        await administrator.send(method, where, body)
        await _stays_out(cast, person, new, "after an administrator set a password")


# Synapse's are 32 and 16 characters, Sydent's 32.
_LONG_ENOUGH = 16
_MANY = 12


def _unpredictable(values: list[str], what: str) -> None:
    """Hold that values which were issued one after the other are distinct, long, and share neither structure nor order."""
    assert len(set(values)) == len(values), f"{what} repeat"
    shortest = min(values, key=len)
    assert len(shortest) >= _LONG_ENOUGH, f"{what} are as short as {len(shortest)} characters"
    alike = [position for position in range(len(shortest)) if len({value[position] for value in values}) < 3]
    assert len(shortest) - len(alike) >= _LONG_ENOUGH - 1, f"{what} are alike in {len(alike)} of {len(shortest)} places"
    steps = {later > earlier for earlier, later in pairwise(values)}
    assert steps == {True, False}, f"{what} go in one direction"


@pytest.mark.rule("INC-7")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_validation_tokens_and_sessions_are_unpredictable(cast: Cast, home: int) -> None:
    """A dozen people ask for their links one after the other: neither tokens nor sessions tell what the next will be."""
    tokens, sessions, flows = [], [], []
    for _ in range(_MANY):
        agent = (await invited_outsider(cast))[1] if home < 0 else cast.newcomer(home, "plain")
        anyone = cast.anonymous(agent.home, agent.name)
        before = len(await cast.mailbox.messages(agent.identity.address))
        answer, validation = await accounts.ask_for_validation(anyone, agent.identity.address)
        ok(answer)
        link = accounts.link_of(await cast.mailbox.wait_for(agent.identity.address, after=before))
        tokens.append(parse_qs(urlsplit(link).query)["token"][0])
        sessions.append(validation.sid)
        flows.append((await anyone.post("/register", {"password": agent.identity.password})).json()["session"])
    _unpredictable(tokens, "validation tokens")
    _unpredictable(sessions, "sessions of validations")
    _unpredictable(flows, "sessions of registrations")
    await accounts.follow_link(cast.transport, link, agent.name)
    accepted(await accounts.register(anyone, agent.identity.password, validation), "registration by the last token")


@pytest.mark.rule("INC-7")
async def test_tokens_of_homeserver_and_identity_server_are_unpredictable(cast: Cast) -> None:
    """The tokens with which somebody acts at the homeserver and at the identity server do not tell what the next will be."""
    agent = await cast.agent()
    server = identity_server(cast)
    own = [(await cast.log_in(agent, f"appareil {number}")).access_token or "" for number in range(_MANY)]
    # What comes before the last "_" but one names the person, and what follows the last is a checksum.
    _unpredictable([token.split("_")[2] if token.count("_") > 2 else token for token in own], "access tokens")
    _unpredictable([await identity_token(agent.session, server) for _ in range(_MANY)], "the identity server's tokens")


_MARKUP = '<b onmouseover="alert(1)">gras</b><img src=x onerror=alert(1)>'
_LINK = '<a href="https://hameconnage.example/{word}">Tchap</a>'


@pytest.mark.needs("hostile")
@pytest.mark.rule("INC-8")
@pytest.mark.parametrize("home", [0, 1])
async def test_invitation_mail_carries_no_markup_of_its_sender(cast: Cast, home: int) -> None:
    """An agent puts markup, a link and a header into their name and the room's: in the mail they are text, and nothing else."""
    agent, partner, victim = await cast.agent(home), cast.outsider(), cast.outsider()
    word = secrets.token_hex(4)
    await directory.set_name(agent.session, f"Eve {_MARKUP} {_LINK.format(word=word)}")
    room_id = await conversations.open_private(agent.session, f"{_MARKUP}{_LINK.format(word=word)}", externals=True)
    ok(await invite_by_mail(agent.session, identity_server(cast), room_id, partner.identity.address))
    mail = await cast.mailbox.wait_for(partner.identity.address)
    for harm in ("<b on", "<img", '<a href="https://hameconnage', "<a href='https://hameconnage"):
        assert harm not in mail.html, f"the mail's HTML carries {harm!r} of its sender"

    header = f"Eve\r\nBcc: {victim.identity.address}\r\nX-Vigie: {word}"
    answer = await agent.session.put(path("profile", agent.user_id, "displayname"), {"displayname": header})
    assert answer.status in (200, 400), f"a name of several lines: {answer}"
    second = cast.outsider()
    ok(await invite_by_mail(agent.session, identity_server(cast), room_id, second.identity.address))
    await cast.mailbox.expect_none(victim.identity.address, witness=second.identity.address)
    mail = await cast.mailbox.wait_for(second.identity.address)
    assert mail.to == (second.identity.address,), f"the mail also goes to {mail.to}"

    await accounts.register_by_mail(cast.transport, cast.mailbox, partner)
    await sees_invited(agent, room_id, partner.user_id)
