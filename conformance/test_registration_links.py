"""REG: who may ask for an account, and what the links in mails are good for ("Créer votre compte")."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.journeys import identity_server, invited_outsider, join, sees_invited
from conformance.outcome import untestable
from fixtures.deployment import Homeserver
from scenarios import accounts, conversations
from scenarios.invitations import invite_by_mail, withdraw
from scenarios.people import Person
from scenarios.session import Session, ok, path
from scenarios.wire import Response, until

# A link that stands for hours cannot be seen to run out.
_WORTH_WAITING = 120.0


def _changed(link: str, **values: str) -> str:
    """Give a validation link with other values in its query."""
    parts = urlsplit(link)
    query = {name: each[0] for name, each in parse_qs(parts.query).items()}
    assert set(values) <= set(query), f"the link has {sorted(query)} and not {sorted(values)}"
    return urlunsplit(parts._replace(query=urlencode(query | values)))


async def _asked(cast: Cast, person: Person) -> tuple[Session, accounts.Validation, str]:
    """Have somebody ask for a validation; gives their nameless session, the validation and the link that came."""
    anyone = cast.anonymous(person.home, person.name)
    before = len(await cast.mailbox.messages(person.identity.address))
    answer, validation = await accounts.ask_for_validation(anyone, person.identity.address)
    ok(answer)
    mail = await cast.mailbox.wait_for(person.identity.address, after=before)
    return anyone, validation, accounts.link_of(mail)


def _no_account(answer: Response, what: str) -> None:
    refused(answer, what, status=(401, 403))
    assert "access_token" not in answer.json(), f"{what} was refused and gave a token all the same"


@pytest.mark.rule("REG-2")
@pytest.mark.parametrize("home", [0, 1])
async def test_outsider_gets_neither_mail_nor_account_from_agents(cast: Cast, home: int) -> None:
    """A stranger asks a homeserver of agents for an account: refused, no mail; an agent beside them passes."""
    stranger, agent = cast.outsider(), cast.newcomer(home)
    await _is_turned_away(cast, agent.home, stranger, agent)


@pytest.mark.rule("REG-2")
async def test_outsider_without_invitation_gets_neither_from_the_guests_server(cast: Cast) -> None:
    """The same stranger asks the homeserver of guests: refused, no mail; an invited partner passes."""
    _agent, partner, _room = await invited_outsider(cast)
    await _is_turned_away(cast, cast.abroad, cast.outsider(), partner, mails=1)


async def _is_turned_away(cast: Cast, home: Homeserver, stranger: Person, witness: Person, mails: int = 0) -> None:
    anyone = cast.anonymous(home, stranger.name)
    for address in (stranger.identity.address, stranger.identity.address.upper()):
        answer, validation = await accounts.ask_for_validation(anyone, address)
        refused(answer, "a token for an outsider's address", "M_THREEPID_DENIED")
        assert not validation.sid and "sid" not in answer.json(), "the refusal carries a session"

    answer, _ = await accounts.ask_for_validation(cast.anonymous(home, witness.name), witness.identity.address)
    accepted(answer, f"a token for {witness.identity.address}")
    await cast.mailbox.expect_none(stranger.identity.address, witness=witness.identity.address, after=mails)


@pytest.mark.rule("REG-2")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_no_account_without_an_address(cast: Cast, home: int) -> None:
    """Nobody gets an account by leaving the address out, by the form of visitors, or by naming other proofs."""
    homeserver = cast.abroad if home < 0 else cast.home(home)
    anyone = cast.anonymous(homeserver, "a stranger")
    password = cast.outsider().identity.password
    name = f"intrus-{secrets.token_hex(4)}"
    for version in ("v3", "r0"):
        _no_account(
            await anyone.send("POST", "/register", {}, params={"kind": "guest"}, version=version), "a visitor's account"
        )
        first = await anyone.post("/register", {"username": name, "password": password}, version)
        _no_account(first, "an account for a name alone")
        session = first.json().get("session")
        for kind in ("m.login.dummy", "m.login.terms", "m.login.registration_token", "m.login.msisdn"):
            auth = {"type": kind, "session": session, "token": "", "threepid_creds": {"sid": "1", "client_secret": "s"}}
            answer = await anyone.post("/register", {"username": name, "password": password, "auth": auth}, version)
            refused(answer, f"an account by {kind}", status=(400, 401, 403))
            assert "access_token" not in answer.json(), f"{kind} gave a token"
    login = await anyone.post("/login", {"type": "m.login.password", "user": name, "password": password})
    refused(login, "login with the name that was asked for", "M_FORBIDDEN")


@pytest.mark.rule("REG-5")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_link_serves_its_own_address_and_session(cast: Cast, home: int) -> None:
    """With a guessed token, another secret or another's session a link validates nothing; as it came, it does."""
    paul, odile = [(await invited_outsider(cast))[1] if home < 0 else cast.newcomer(home) for _ in range(2)]
    anyone, own, link = await _asked(cast, paul)
    _, others, others_link = await _asked(cast, odile)
    token = parse_qs(urlsplit(link).query)["token"][0]

    wrong = {
        "a guessed token": _changed(link, token=token[:-1] + ("a" if token[-1] != "a" else "b")),
        "no token": _changed(link, token=""),
        "the token of another's mail": _changed(link, token=parse_qs(urlsplit(others_link).query)["token"][0]),
        "another client secret": _changed(link, client_secret=secrets.token_urlsafe(16)),
        "another's session": _changed(link, sid=others.sid),
        "another's session and secret": _changed(link, sid=others.sid, client_secret=others.client_secret),
    }
    for what, changed in wrong.items():
        refused(await accounts.follow_link(cast.transport, changed, paul.name), f"a link with {what}", status=(400, 401, 403))
        for who, validation in ((paul, own), (odile, others)):
            answer = await accounts.register(anyone, who.identity.password, validation)
            _no_account(answer, f"registration of {who.name} after a link with {what}")

    page = await accounts.follow_link(cast.transport, link, paul.name)
    assert page.status == 200, f"the link as it came should be taken, but: {page}"
    _no_account(await accounts.register(anyone, odile.identity.password, others), "registration by another's link")
    for what, validation in (
        ("the session and another secret", replace(own, client_secret=others.client_secret)),
        ("the secret and another session", replace(own, sid=others.sid)),
    ):
        _no_account(await accounts.register(anyone, paul.identity.password, validation), f"registration by {what}")
    made = accepted(await accounts.register(anyone, paul.identity.password, own), "registration by the validated session")
    accounts.admit(paul, made, cast.transport)


@pytest.mark.rule("REG-5")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_link_serves_once(cast: Cast, home: int) -> None:
    """Once the account is made, neither the link nor its session makes another, with whatever password."""
    paul = (await invited_outsider(cast))[1] if home < 0 else cast.newcomer(home)
    anyone, validation, link = await _asked(cast, paul)
    await accounts.follow_link(cast.transport, link, paul.name)
    answer = accepted(await accounts.register(anyone, paul.identity.password, validation), "the first registration")
    accounts.admit(paul, answer, cast.transport)

    _no_account(await accounts.register(anyone, "Un-Autre-0123!", validation), "a second registration by the same session")
    page = await accounts.follow_link(cast.transport, link, "whoever finds the mail")
    refused(page, "the link of an account that is made", status=(400, 401, 403, 404))
    _no_account(await accounts.register(anyone, "Un-Autre-0123!", validation), "a registration by the link followed again")
    accepted(await accounts.log_in(cast.transport, paul), "login with the first password")


@pytest.mark.rule("REG-5")
@pytest.mark.long
async def test_link_runs_out(cast: Cast) -> None:
    """A link that is followed after its time validates nothing, and a new one does."""
    brief = [each for each in cast.deployment.homeservers if 0 < (each.link_lifetime_s or 0) <= _WORTH_WAITING]
    if not brief:
        raise untestable(f"a homeserver whose links run out within {_WORTH_WAITING:g} s (link_lifetime_s in its TOML)")
    home = brief[0]
    if home.people == "externals":
        _agent, person, _room = await invited_outsider(cast)
    else:
        person = cast.newcomer(cast.homes.index(home))
    anyone, validation, link = await _asked(cast, person)
    await cast.transport.sleep(home.link_lifetime_s or 0)

    page = await accounts.follow_link(cast.transport, link, person.name)
    refused(page, f"a link older than {home.link_lifetime_s:g} s", status=(400, 401, 403))
    _no_account(await accounts.register(anyone, person.identity.password, validation), "registration by a link that ran out")

    _, validation, link = await _asked(cast, person)
    await accounts.follow_link(cast.transport, link, person.name)
    accepted(await accounts.register(anyone, person.identity.password, validation), "registration by a new link")


@pytest.mark.rule("REG-10")
@pytest.mark.parametrize("home", [0, 1])
async def test_withdrawn_invitation_lets_nobody_in(cast: Cast, home: int) -> None:
    """A partner is invited and has validated their address; the agent takes the invitation back, and no account comes.

    Somebody else loses one of two invitations with that: they come in by the other, and into its conversation alone.
    """
    agent, partner, room_id = await invited_outsider(cast, home)
    other_agent, kept, other_room = await invited_outsider(cast, home)
    ok(await invite_by_mail(agent.session, identity_server(cast), room_id, kept.identity.address))
    anyone, validation, link = await _asked(cast, partner)
    await accounts.follow_link(cast.transport, link, partner.name)
    await withdraw(agent.session, room_id)

    async def is_told() -> bool | None:
        answer, _ = await accounts.ask_for_validation(anyone, partner.identity.address)
        return True if answer.errcode == "M_THREEPID_DENIED" else None

    missing = "the refusal of a token for an invitation that was taken back"
    await until(cast.transport, is_told, deadline=15, missing=missing, pause=0.2)
    answer = await accounts.register(anyone, partner.identity.password, validation)
    refused(answer, "registration after the invitation was taken back", "M_THREEPID_DENIED")
    assert "access_token" not in answer.json()
    refused(await accounts.log_in_with_address(cast.transport, partner), "login of who has no account", "M_FORBIDDEN")
    await accounts.register_by_mail(cast.transport, cast.mailbox, kept)
    visitor = await cast.device(kept)
    await join(visitor, other_room, other_agent)
    assert visitor.room(room_id).membership == "", "an invitation that was taken back came all the same"


@pytest.mark.rule("REG-10")
async def test_redacted_invitation_lets_nobody_in(cast: Cast) -> None:
    """An agent redacts the invitation of a partner instead of emptying it: that is withdrawn too, and another's stands."""
    agent, partner, room_id = await invited_outsider(cast)
    _other_agent, kept, _other_room = await invited_outsider(cast)
    anyone = cast.anonymous(cast.abroad, partner.name)
    state: Any = (await agent.session.get(path("rooms", room_id, "state"))).json()
    [invitation] = [event["event_id"] for event in state if event["type"] == "m.room.third_party_invite"]
    ok(await agent.session.put(path("rooms", room_id, "redact", invitation, secrets.token_hex(8)), {}))

    async def is_told() -> bool | None:
        answer, _ = await accounts.ask_for_validation(anyone, partner.identity.address)
        return True if answer.errcode == "M_THREEPID_DENIED" else None

    missing = "the refusal of a token for an invitation that was redacted"
    await until(cast.transport, is_told, deadline=15, missing=missing, pause=0.2)
    answer, _ = await accounts.ask_for_validation(cast.anonymous(cast.abroad, kept.name), kept.identity.address)
    accepted(answer, "a token for an invitation that stands")


@pytest.mark.rule("REG-10")
async def test_invitation_is_for_the_invited_address_alone(cast: Cast) -> None:
    """A stranger has the partner's mails, and uses all that is in them: no account for the stranger's address."""
    _agent, partner, _room = await invited_outsider(cast)
    stranger = cast.outsider()
    [invitation] = await cast.mailbox.messages(partner.identity.address)
    anyone = cast.anonymous(cast.abroad, stranger.name)
    for link in invitation.links():
        await accounts.follow_link(
            cast.transport, link.replace(partner.identity.address, stranger.identity.address), "a stranger"
        )
    answer, _ = await accounts.ask_for_validation(anyone, stranger.identity.address)
    refused(answer, "a token for whoever was forwarded the invitation", "M_THREEPID_DENIED")

    _, validation, link = await _asked(cast, partner)
    await accounts.follow_link(cast.transport, link, "a stranger")
    strangers = replace(validation, client_secret=secrets.token_urlsafe(16))
    _no_account(await accounts.register(anyone, stranger.identity.password, strangers), "registration with the partner's link")
    await accounts.register_by_mail(cast.transport, cast.mailbox, partner)


@pytest.mark.rule("REG-10")
async def test_invitation_is_used_up_by_the_account(cast: Cast) -> None:
    """The guest's account is the invitation's only one: no second beside it, and none after it was closed."""
    agent, partner, room_id = await invited_outsider(cast)
    session = await accounts.register_by_mail(cast.transport, cast.mailbox, partner)
    # By then the identity server knows of the account: it made the mail's invitation one of theirs.
    await sees_invited(agent, room_id, session.user_id)
    anyone = cast.anonymous(cast.abroad, partner.name)
    answer, _ = await accounts.ask_for_validation(anyone, partner.identity.address)
    refused(answer, "a second account by the same invitation", "M_THREEPID_IN_USE", status=(400, 403))

    accepted(await accounts.deactivate(session, partner.identity.password), "closing the account")
    answer, _ = await accounts.ask_for_validation(anyone, partner.identity.address)
    refused(answer, "an account by an invitation that was used", "M_THREEPID_DENIED")
    again = await _invited_again(cast, partner)
    accepted(again, "a token after a new invitation")


async def _invited_again(cast: Cast, partner: Person) -> Response:
    """Have another agent invite the partner, and the partner ask for a token."""
    agent = await cast.agent(1)
    room_id = await conversations.open_private(agent.session, cast.word("projet"), externals=True)
    ok(await invite_by_mail(agent.session, identity_server(cast), room_id, partner.identity.address))
    answer, _ = await accounts.ask_for_validation(cast.anonymous(cast.abroad, partner.name), partner.identity.address)
    return answer
