"""REG: what an address is taken for, and which homeserver it belongs to ("Créer votre compte")."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.journeys import invited_partner
from scenarios import accounts
from scenarios.people import Person
from scenarios.session import ok
from scenarios.wire import Response

_HOSTILE = {
    "two at": "{local}@{outside}@{inside}",
    "two at, turned round": "{local}@{inside}@{outside}",
    "quoted address": '"{local}@{outside}"@{inside}',
    "quoted at": '{local}"@{outside}"@{inside}',
    "comment": "{local}@{outside}(@{inside})",
    "comment before": "{local}({outside})@{inside}",
    "angle brackets": "{local}@{outside}<x@{inside}>",
    "display name": "x@{inside} <{local}@{outside}>",
    "list": "{local}@{outside},x@{inside}",
    "list by semicolon": "{local}@{outside};x@{inside}",
    "list by space": "{local}@{outside} x@{inside}",
    "line break": "{local}@{outside}\nx@{inside}",
    "line break behind": "{local}@{outside}\n.{inside}",
    "carriage return and header": "{local}@{inside}\r\nBcc: {local}@{outside}",
    "null": "{local}@{outside}\0@{inside}",
    "null behind": "{local}@{inside}\0.{outside}",
    "tab": "{local}@{outside}\t@{inside}",
    "route": "@{inside}:{local}@{outside}",
    "percent route": "{local}%{outside}@{inside}",
    "encoded at": "{local}%40{outside}@{inside}",
    "bang path": "{outside}!{local}@{inside}",
    "sub-domain": "{local}@{inside}.{outside}",
    "domain of ours below": "{local}@ailleurs.{inside}",
    "longer domain": "{local}@x{inside}",
    "hyphen for dot": "{local}@{hyphened}",
    "any letter for dot": "{local}@{lettered}",
    "dot behind": "{local}@{inside}.",
    "dot before": "{local}@.{inside}",
    "empty local part": "@{inside}",
    "dots in a row": "{local}..x@{inside}",
    "dotless i": "{local}@{dotless}",
    "full width at": "{local}@{outside}\uff20{inside}",
    "full width before": "{local}\uff20{outside}@{inside}",
    "ideographic full stop": "{local}@{ideographic}",
    "zero width": "{local}@\u200b{inside}",
    "right to left": "{local}@\u202e{inside}",
    "address of a number": "{local}@[127.0.0.1]",
    "parameter": "{local}@{inside}?x={outside}",
    "fragment": "{local}@{inside}#@{outside}",
    "backslash": "{local}\\@{outside}@{inside}",
}

_UNUSUAL = {
    "capitals": "{LOCAL}@{INSIDE}",
    "capitals in the domain": "{local}@{Inside}",
    "plus": "{local}+tchap@{inside}",
    "apostrophe": "d'{local}@{inside}",
    "underscore and figures": "{local}_2@{inside}",
    "underscore before": "_{local}@{inside}",
    "one letter before": "a.{local}@{inside}",
    "long": "{local}.{long}@{inside}",
}


def _spelt(form: str, outsider: Person, domain: str) -> str:
    local, outside = outsider.identity.address.split("@")
    return form.format(
        local=local,
        LOCAL=local.upper(),
        outside=outside,
        inside=domain,
        INSIDE=domain.upper(),
        Inside=domain.capitalize(),
        hyphened=domain.replace(".", "-", 1) + ".fr",
        lettered=domain.replace(".", "x", 1),
        dotless=domain.replace("i", "\u0131", 1),
        ideographic=domain.replace(".", "\u3002", 1),
        long="x" * max(1, 50 - len(local)),
    )


async def _info(cast: Cast, home: int, address: str) -> Response:
    anyone = cast.anonymous((*cast.homes, cast.abroad)[home], "a client")
    return await anyone.get("/_matrix/identity/api/v1/info", {"medium": "email", "address": address})


@pytest.mark.needs("hostile")
@pytest.mark.rule("REG-8")
@pytest.mark.parametrize("home", [0, 1])
async def test_no_spelling_makes_an_outsider_an_agent(cast: Cast, home: int) -> None:
    """An outsider spells their address in every way that was ever mistaken: refused, not called an agent's, no mail."""
    outsider, witness = cast.outsider(), cast.newcomer(home)
    domain = witness.home.domains[0]
    anyone = cast.anonymous(witness.home, outsider.name)
    spelt = {name: _spelt(form, outsider, domain) for name, form in _HOSTILE.items()}
    for name, address in spelt.items():
        answer, validation = await accounts.ask_for_validation(anyone, address)
        refused(answer, f"a token for {address!r} ({name})", status=(400, 403))
        assert not validation.sid, f"{name}: the refusal carries a session"
        told = accepted(await _info(cast, home, address), f"the home of {address!r}")
        assert told.get("hs") == cast.abroad.server_name, f"{address!r} ({name}) is told to live on {told.get('hs')}"

    answer, _ = await accounts.ask_for_validation(anyone, witness.identity.address)
    accepted(answer, "a token for an agent's address")
    await cast.mailbox.expect_none(outsider.identity.address, witness=witness.identity.address)
    for name, address in spelt.items():
        assert await cast.mailbox.messages(address) == [], f"a mail went to {address!r} ({name})"


@pytest.mark.rule("REG-8")
@pytest.mark.parametrize("form", list(_UNUSUAL))
async def test_unusual_address_of_an_agent_passes(cast: Cast, form: str) -> None:
    """An agent whose address is written in an unusual, but lawful way gets the mail and the account."""
    agent = cast.newcomer()
    agent.identity = replace(agent.identity, address=_spelt(_UNUSUAL[form], agent, agent.home.domains[0]))
    told = accepted(await _info(cast, 0, agent.identity.address), "the home of an agent's address")
    assert told.get("hs") == agent.home.server_name, f"{agent.identity.address} is told to live on {told.get('hs')}"
    await accounts.register_by_mail(cast.transport, cast.mailbox, agent)
    accepted(await accounts.log_in_with_address(cast.transport, agent), "login by the address as it was written")


@pytest.mark.rule("REG-9")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_address_in_use_gives_no_second_account(cast: Cast, home: int) -> None:
    """Of two validations of one address the first makes the account, the second none; nor does a new one, in any case."""
    person, mails = await invited_partner(cast) if home < 0 else (cast.newcomer(home), 0)
    address = person.identity.address
    anyone = cast.anonymous(person.home, person.name)
    validations = []
    for number in range(2):
        answer, validation = await accounts.ask_for_validation(anyone, address)
        ok(answer)
        mail = await cast.mailbox.wait_for(address, after=mails + number)
        await accounts.follow_link(cast.transport, accounts.link_of(mail), person.name)
        validations.append(validation)
    answer = await accounts.register(anyone, person.identity.password, validations[0])
    accounts.admit(person, accepted(answer, "the first account"), cast.transport)

    other = "Un-Autre-0123!"
    answer = await accounts.register(anyone, other, validations[1])
    refused(answer, "a second account by a validation made before", "M_THREEPID_IN_USE", status=(400, 403))
    assert "access_token" not in answer.json()
    for spelt in (address, address.upper(), address.capitalize()):
        answer, _ = await accounts.ask_for_validation(anyone, spelt)
        refused(answer, f"a token for {spelt}, which has an account", "M_THREEPID_IN_USE", status=(400, 403))
    refused(await accounts.log_in_with_address(cast.transport, person, other), "login with the second password", "M_FORBIDDEN")
    told = accepted(await accounts.log_in_with_address(cast.transport, person), "login with the first password")
    assert told["user_id"] == person.user_id


@pytest.mark.rule("REG-9")
@pytest.mark.parametrize(("home", "sign"), [(0, "+"), (1, "+"), (0, "'")])
async def test_like_addresses_are_two_people(cast: Cast, home: int, sign: str) -> None:
    """Two addresses that differ by what an identifier cannot hold end as two accounts, each opened by its own password."""
    first, second = cast.newcomer(home, "plain"), cast.newcomer(home, "plain")
    local, domain = first.identity.address.split("@")
    second.identity = replace(second.identity, address=f"{local[:3]}{sign}{local[3:]}@{domain}")
    for person in (first, second):
        await accounts.register_by_mail(cast.transport, cast.mailbox, person)

    assert first.user_id != second.user_id, f"both addresses are {first.user_id}"
    for person in (first, second):
        told = accepted(await accounts.log_in_with_address(cast.transport, person), f"login of {person.identity.address}")
        assert told["user_id"] == person.user_id, f"{person.identity.address} opens {told['user_id']}"
    answer = await accounts.log_in(cast.transport, first, second.identity.password)
    refused(answer, "login to the first account with the second's password", "M_FORBIDDEN")


@pytest.mark.rule("REG-9")
@pytest.mark.parametrize("home", [0, 1])
async def test_no_identifier_is_had_by_asking(cast: Cast, home: int) -> None:
    """Who registers asks for the identifier of a colleague's address: they get their own, and the colleague theirs."""
    agent, colleague = cast.newcomer(home, "plain"), cast.newcomer(home, "plain")
    wanted = colleague.identity.address.replace("@", "-")
    anyone = cast.anonymous(agent.home, agent.name)
    answer, validation = await accounts.ask_for_validation(anyone, agent.identity.address)
    ok(answer)
    link = accounts.link_of(await cast.mailbox.wait_for(agent.identity.address))
    await accounts.follow_link(cast.transport, link, agent.name)
    answer = await accounts.register(anyone, agent.identity.password, validation, username=wanted)
    if answer.status != 200:
        refused(answer, "an account that asks for its identifier", status=(400, 401, 403))
        answer = await accounts.register(anyone, agent.identity.password, validation)
    accounts.admit(agent, accepted(answer, "an account with one's own identifier"), cast.transport)
    assert not agent.user_id.startswith(f"@{wanted}:"), f"{agent.identity.address} has the identifier {agent.user_id}"
    await accounts.register_by_mail(cast.transport, cast.mailbox, colleague)
    own = agent.identity.address.replace("@", "-")
    for person, local in ((agent, own), (colleague, wanted)):
        assert person.user_id == f"@{local}:{person.home.server_name}", f"{person.identity.address} is {person.user_id}"


@pytest.mark.rule("REG-9")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_no_address_is_added_to_an_account(cast: Cast, home: int) -> None:
    """Somebody who has an account cannot add an outside address, nor a colleague's, to log in or be found by."""
    someone = await cast.guest() if home < 0 else await cast.agent(home)
    colleague, outsider = cast.newcomer(max(home, 0)), cast.outsider()
    for address in (outsider.identity.address, colleague.identity.address):
        validation = {"client_secret": "un-secret-0123", "email": address, "send_attempt": 1}
        answer = await someone.session.post("/account/3pid/email/requestToken", validation)
        refused(answer, f"a validation of {address} for an account that has an address", status=(400, 403))
        add = {"client_secret": "un-secret-0123", "sid": "1"}
        answer = await someone.session.post("/account/3pid/add", add)
        refused(answer, f"adding {address}", status=(400, 401, 403))
    own = ok(await someone.session.get("/account/3pid"))["threepids"]
    assert [each["address"] for each in own] == [someone.identity.address], f"the account has {own}"
    if home >= 0:
        await accounts.register_by_mail(cast.transport, cast.mailbox, colleague)


@pytest.mark.rule("REG-12")
async def test_every_homeserver_tells_where_an_address_lives(cast: Cast) -> None:
    """Asked of any homeserver, an agent's address lives on the agent's, and every other on that of guests."""
    for asked in range(len(cast.homes) + 1):
        for home in cast.homes:
            for domain in home.domains:
                told = accepted(await _info(cast, asked, f"prenom.nom@{domain}"), f"the home of an address of {domain}")
                assert told["hs"] == home.server_name, f"{domain} is told to live on {told['hs']}"
        for address in (cast.outsider().identity.address, "prenom.nom@gouv.fr", "pas une adresse", "", "@", "a@b@c"):
            told = accepted(await _info(cast, asked, address), f"the home of {address!r}")
            assert told["hs"] == cast.abroad.server_name, f"{address!r} is told to live on {told['hs']}"


@pytest.mark.rule("REG-12")
@pytest.mark.parametrize("home", [0, 1])
async def test_the_home_of_an_address_tells_nobody_who_has_an_account(cast: Cast, home: int) -> None:
    """With an account or without, invited or not, the answer about an address of one domain is the same, byte by byte."""
    known, unknown = cast.newcomer(home), cast.newcomer(home)
    first = await _info(cast, home, known.identity.address)
    await accounts.register_by_mail(cast.transport, cast.mailbox, known)
    after = [await _info(cast, home, person.identity.address) for person in (known, unknown)]
    assert {each.body for each in after} == {first.body}, f"the answers are {[each.body for each in after]}"

    guest, stranger = await cast.guest(), cast.outsider()
    told = [await _info(cast, home, person.identity.address) for person in (guest, stranger)]
    assert told[0].body == told[1].body, f"a guest's address answers {told[0].body!r}, a stranger's {told[1].body!r}"
    for answer in (first, told[0]):
        assert set(accepted(answer, "the home of an address")) == {"hs"}, f"more is told: {answer.body!r}"
        names = {name.lower() for name in answer.headers}
        assert "set-cookie" not in names, "a cookie is set"
    closed = cast.anonymous(cast.home(home), "a client")
    where = {"medium": "email", "address": known.identity.address}
    answer = await closed.get("/_matrix/identity/api/v1/internal-info", where)
    refused(answer, "what servers tell each other", status=(401, 403, 404))
