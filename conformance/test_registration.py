"""REG: creating an account ("Créer votre compte")."""

from __future__ import annotations

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.journeys import invited_outsider, invited_partner
from fixtures.population import Kind
from scenarios import accounts, conversations, directory
from scenarios.session import ok


@pytest.mark.rule("REG-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_agent_registers_by_mail(cast: Cast, home: int) -> None:
    """Zoé registers with her professional address, follows the link, and logs in with the password she chose."""
    zoe = cast.newcomer(home, "accent")
    session = await accounts.register_by_mail(cast.transport, cast.mailbox, zoe)

    told = accepted(await session.get("/account/whoami"), "the new account's session")
    assert told["user_id"] == zoe.user_id
    login = accepted(await accounts.log_in(cast.transport, zoe), "login with the chosen password")
    assert login["user_id"] == zoe.user_id
    refused(await accounts.log_in(cast.transport, zoe, "Un-Autre-0123!"), "login with another password", "M_FORBIDDEN")


@pytest.mark.rule("REG-3")
async def test_invited_outsider_becomes_guest(cast: Cast) -> None:
    """An agent invites a partner by mail; the partner creates a guest account, whose identifier is that address."""
    _agent, partner, _room = await invited_outsider(cast)
    await accounts.register_by_mail(cast.transport, cast.mailbox, partner)

    assert partner.user_id.endswith(":" + cast.abroad.server_name), f"the account is {partner.user_id}"
    login = accepted(await accounts.log_in_with_address(cast.transport, partner), "login by the invited address")
    assert login["user_id"] == partner.user_id


@pytest.mark.rule("REG-3")
async def test_outsider_without_invitation_is_no_guest(cast: Cast) -> None:
    """A partner whom nobody invited gets no guest account; the invited one beside them passes the same request."""
    stranger = cast.outsider()
    _agent, partner, _room = await invited_outsider(cast)
    anyone = cast.anonymous(cast.abroad, "a stranger")

    answer, _ = await accounts.ask_for_validation(anyone, stranger.identity.address)
    refused(answer, "a token for an address that nobody invited", "M_THREEPID_DENIED")
    answer, _ = await accounts.ask_for_validation(anyone, partner.identity.address)
    accepted(answer, "a token for the invited address")


@pytest.mark.rule("REG-4")
@pytest.mark.parametrize("home", [0, -1])
async def test_account_needs_the_link(cast: Cast, home: int) -> None:
    """Before the link of the mail is followed there is no account and no login; after it, the same request succeeds."""
    paul, mails = await invited_partner(cast) if home < 0 else (cast.newcomer(home), 0)
    anyone = cast.anonymous(paul.home, paul.name)
    answer, validation = await accounts.ask_for_validation(anyone, paul.identity.address)
    ok(answer)
    mail = await cast.mailbox.wait_for(paul.identity.address, after=mails)

    early = await accounts.register(anyone, paul.identity.password, validation)
    refused(early, "registration before the link is followed", status=(401, 403))
    assert "access_token" not in early.json()
    login = await accounts.log_in_with_address(cast.transport, paul)
    refused(login, "login before the link is followed", "M_FORBIDDEN")

    await accounts.follow_link(cast.transport, accounts.link_of(mail), paul.name)
    answer = await accounts.register(anyone, paul.identity.password, validation)
    accounts.admit(paul, accepted(answer, "registration after the link was followed"), cast.transport)
    accepted(await accounts.log_in_with_address(cast.transport, paul), "login after registration")


_WEAK = {
    "M_PASSWORD_TOO_SHORT": "Ab1!efgh",
    "M_PASSWORD_NO_DIGIT": "Motdepasse-Solide",
    "M_PASSWORD_NO_UPPERCASE": "motdepasse-0123!",
    "M_PASSWORD_NO_LOWERCASE": "MOTDEPASSE-0123!",
    "M_PASSWORD_NO_SYMBOL": "Motdepasse01234",
}


@pytest.mark.rule("REG-6")
@pytest.mark.parametrize("home", [0, -1])
async def test_weak_password_is_refused_at_registration(cast: Cast, home: int) -> None:
    """With the address validated, every weak password is refused for its own weakness, and a strong one is taken."""
    person, mails = await invited_partner(cast) if home < 0 else (cast.newcomer(home), 0)
    anyone = cast.anonymous(person.home, person.name)
    answer, validation = await accounts.ask_for_validation(anyone, person.identity.address)
    ok(answer)
    link = accounts.link_of(await cast.mailbox.wait_for(person.identity.address, after=mails))
    await accounts.follow_link(cast.transport, link, person.name)

    for errcode, password in _WEAK.items():
        answer = await accounts.register(anyone, password, validation)
        refused(answer, f"a password that {errcode} is for", errcode, status=400)
    answer = await accounts.register(anyone, person.identity.password, validation)
    accounts.admit(person, accepted(answer, "a strong password"), cast.transport)


@pytest.mark.rule("REG-6")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_weak_password_is_refused_at_change(cast: Cast, home: int) -> None:
    """Somebody who changes their password, a guest too, cannot choose a weak one either."""
    person = await cast.guest() if home < 0 else await cast.agent(home)
    for errcode, password in _WEAK.items():
        answer = await accounts.change_password(person.session, person.identity.password, password)
        refused(answer, f"a change to a password that {errcode} is for", errcode, status=400)
    answer = await accounts.change_password(person.session, person.identity.password, "Un-Bon-Choix-2718")
    accepted(answer, "a change to a strong password")


@pytest.mark.rule("REG-6")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_weak_password_is_refused_at_reset(cast: Cast, home: int) -> None:
    """Somebody who forgot their password and followed the mailed link cannot choose a weak one either."""
    mailbox = cast.mailbox
    person = await cast.guest() if home < 0 else await cast.agent(home)
    anyone = cast.anonymous(person.home, person.name)
    answer, validation = await accounts.ask_to_reset(anyone, person.identity.address)
    ok(answer)
    link = accounts.link_of(await mailbox.wait_for(person.identity.address))
    await accounts.follow_link(cast.transport, link, person.name)
    for errcode, password in _WEAK.items():
        answer = await accounts.reset_password(anyone, password, validation)
        refused(answer, f"a password set by mail that {errcode} is for", errcode, status=400)
    accepted(await accounts.reset_password(anyone, "Un-Bon-Choix-2718", validation), "a strong password set by mail")
    accepted(await accounts.log_in(cast.transport, person, "Un-Bon-Choix-2718"), "login with the password set by mail")


@pytest.mark.rule("REG-7")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_password_change_shuts_others_out(cast: Cast, home: int) -> None:
    """Inès, agent or guest, suspects that her password was seen: she changes it, and whoever used it is out, on every device.

    Whoever has a device of hers, and not her password, does not change it.
    """
    ines = await cast.guest() if home < 0 else await cast.agent(home)
    thief = await cast.log_in(ines, "appareil inconnu")
    accepted(await thief.get("/account/whoami"), "the other device, before the change")
    answer = await accounts.change_password(thief, "Un-Mot-Devine-0123!", "Au-Voleur-31415!")
    refused(answer, "a change by who does not know the password", "M_FORBIDDEN", status=(401, 403))

    new = "Tout-Neuf-31415!"
    answer = await accounts.change_password(ines.session, ines.identity.password, new)
    accepted(answer, "the change of password")

    refused(await thief.get("/account/whoami"), "the other device's token", "M_UNKNOWN_TOKEN", status=401)
    refused(await accounts.log_in(cast.transport, ines), "login with the old password", "M_FORBIDDEN")
    accepted(await ines.session.get("/account/whoami"), "the session that changed it")
    accepted(await accounts.log_in(cast.transport, ines, new), "login with the new password")


@pytest.mark.rule("REG-11")
@pytest.mark.parametrize(("home", "like"), [(0, "plain"), (1, "accent"), (0, "hyphen"), (1, "particle")])
async def test_name_and_organisation_follow_the_address(cast: Cast, home: int, like: Kind) -> None:
    """The new account shows first name, last name and organisation as its address has them."""
    agent = cast.newcomer(home, like)
    session = await accounts.register_by_mail(cast.transport, cast.mailbox, agent)

    local, domain = agent.identity.address.split("@")
    first, last = local.split(".")
    organisation = domain.split(".")[-3]
    shown = ok(await directory.profile(session, agent.user_id))["displayname"]
    assert shown.casefold() == f"{first} {last} [{organisation}]", f"{agent.identity.address} shows as {shown!r}"
    assert shown.split()[0] == "-".join(part.capitalize() for part in first.split("-")), f"{shown!r} is not written as a name"
    assert agent.user_id == f"@{local}-{domain}:{agent.home.server_name}"


@pytest.mark.rule("REG-11")
async def test_guest_name_follows_the_address(cast: Cast) -> None:
    """A guest's account is named after their address too."""
    agent, partner, room = await invited_outsider(cast)
    session = await accounts.register_by_mail(cast.transport, cast.mailbox, partner)
    local, domain = partner.identity.address.split("@")
    first, last = local.split(".")
    shown = ok(await directory.profile(session, partner.user_id))["displayname"]
    assert shown.casefold() == f"{first} {last} [{domain.split('.')[-2]}]", f"{partner.identity.address} shows as {shown!r}"
    assert room in await conversations.joined_rooms(agent.session)
