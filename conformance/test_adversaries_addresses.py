"""REG-8, INC-1, REG-12, INV-3: spellings of addresses, tried by an adversary on everything that takes one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from conformance.adversaries.addresses import KNOWN_HOSTILE, Spelling, hostile, is_mailbox_of, unusual
from conformance.adversaries.driving import Adversary, one_line
from conformance.cast import Cast
from conformance.checks.answers import accepted
from conformance.journeys import identity_server, invited_outsider
from fixtures.deployment import Homeserver
from scenarios import accounts, conversations
from scenarios.invitations import identity_token
from scenarios.people import Person
from scenarios.session import Session, ok, path
from scenarios.wire import Response

Batch = Sequence[Spelling]
_SIDE_BY_SIDE = 12
_KNOWN = [KNOWN_HOSTILE[start : start + _SIDE_BY_SIDE] for start in range(0, len(KNOWN_HOSTILE), _SIDE_BY_SIDE)]


def _batches(strategy: st.SearchStrategy[Spelling], most: int = _SIDE_BY_SIDE) -> st.SearchStrategy[Batch]:
    return st.lists(strategy, min_size=1, max_size=most)


def _told(batch: Batch) -> str:
    return f"{batch[0]}" if len(batch) == 1 else f"one of {len(batch)} spellings"


def _agencies(cast: Cast) -> list[str]:
    """Give the domains of agents; raises `Untestable` where none is told."""
    cast.newcomer()
    return [domain for home in cast.homes for domain in home.domains]


def _word(cast: Cast) -> str:
    """Give a local part that nobody else has."""
    return "z" + cast.population.word()


def _written(cast: Cast, batch: Batch, agencies: Sequence[str]) -> dict[str, str]:
    """Write each spelling with a word of its own; gives the addresses by word."""
    words = [_word(cast) for _ in batch]
    return {word: each.of(word, agencies[n % len(agencies)]) for n, (word, each) in enumerate(zip(words, batch, strict=True))}


def _refused_or_agents(answer: Response, address: str, agencies: Sequence[str]) -> None:
    """Hold that only what comes to an agent's mailbox, once servers have trimmed it, is taken; and that nothing breaks."""
    assert answer.status < 500, f"{one_line(address)!r} breaks the server: {answer}"
    if answer.status == 200:
        assert is_mailbox_of(address.strip(), agencies), f"{one_line(address)!r} is taken for an agent's: {answer}"


async def _no_mail_outside(cast: Cast, written: dict[str, str], agencies: Sequence[str]) -> None:
    """Hold that whatever mail went out for these words went to mailboxes of agents."""
    for word, address in written.items():
        for recipient in await cast.mailbox.recipients(word):
            assert is_mailbox_of(recipient, agencies), f"{one_line(address)!r} sends a mail to {one_line(recipient)!r}"


async def _witness(cast: Cast, home: Homeserver, address: str) -> None:
    """Hold that a mail comes for who may have one: what was asked of this server before has come by then, if ever."""
    before = len(await cast.mailbox.messages(address))
    accepted((await accounts.ask_for_validation(cast.anonymous(home), address))[0], f"the token for {address}")
    await cast.mailbox.wait_for(address, after=before)


@pytest.mark.rule("REG-8", "INC-1")
@pytest.mark.long
def test_no_spelling_makes_an_agent_of_an_outsider(adversary: Adversary) -> None:
    """Whatever an outsider writes for an address, no homeserver takes it for an agent's or sends a mail elsewhere."""
    cast, agencies = adversary.cast, _agencies(adversary.cast)
    _agent, partner, _room = adversary.run(invited_outsider(cast))
    witnesses = {home.name: f"{_word(cast)}@{home.domains[0]}" for home in cast.homes if home.domains}
    witnesses[cast.abroad.name] = partner.identity.address
    servers = [home for home in cast.deployment.homeservers if home.name in witnesses]

    async def attempt(batch: Batch) -> None:
        written = _written(cast, batch, agencies)
        for server in servers:
            anyone = cast.anonymous(server, "an outsider")
            answers = await asyncio.gather(*(accounts.ask_for_validation(anyone, each) for each in written.values()))
            for address, (answer, _validation) in zip(written.values(), answers, strict=True):
                _refused_or_agents(answer, address, agencies if server is not cast.abroad else ())
            await _witness(cast, server, witnesses[server.name])
        await _no_mail_outside(cast, written, agencies)

    adversary.hunt(_batches(hostile()), attempt, examples=6, known=_KNOWN, told=_told)


@pytest.mark.rule("REG-8")
def test_no_agent_is_refused_for_an_unusual_address(adversary: Adversary) -> None:
    """Agents with dots, hyphens, apostrophes, a plus, capitals or long names register, and log in by their address."""
    cast, agencies = adversary.cast, _agencies(adversary.cast)
    homes = [(home, domain) for home in cast.homes for domain in home.domains]

    async def register(spelling: Spelling, home: Homeserver, domain: str) -> None:
        like = cast.newcomer(cast.homes.index(home)).identity
        address = spelling.of(_word(cast), domain)
        person = Person(type(like)(like.given_name, like.family_name, address, like.password), "agent", home)
        assert is_mailbox_of(address, agencies)
        told = ok(await cast.anonymous(home).get("/_matrix/identity/api/v1/info", {"medium": "email", "address": address}))
        assert told["hs"] == home.server_name, f"{address} is said to live on {told['hs']}"
        await accounts.register_by_mail(cast.transport, cast.mailbox, person)
        login = accepted(await accounts.log_in_with_address(cast.transport, person), f"the login of {address}")
        assert login["user_id"] == person.user_id

    async def attempt(batch: Batch) -> None:
        await asyncio.gather(*(register(each, *homes[number % len(homes)]) for number, each in enumerate(batch)))

    known = [
        Spelling("{who}+liste@{agency}"),
        Spelling("Jean-Noel.O'{who}@{agency}"),
        Spelling("{who}_de_la_tour.d'auvergne-lauraguais@{agency}"),
        Spelling("J-P.{who}@{agency}"),
    ]
    adversary.hunt(_batches(unusual(), 4), attempt, examples=3, known=[known], told=_told)


@pytest.mark.rule("REG-8", "INC-1", "REG-12")
def test_no_spelling_is_said_to_live_with_agents(adversary: Adversary) -> None:
    """Asked where an outsider's spelling lives, no server names one of agents; an agent's address has its own named."""
    cast, agencies = adversary.cast, _agencies(adversary.cast)
    external = cast.abroad.server_name
    places = [cast.anonymous(home) for home in cast.deployment.homeservers]
    places.append(Session(cast.transport, identity_server(cast).url, "", who="nobody"))

    async def home_of(place: Session, address: str) -> str:
        params = {"medium": "email", "address": address}
        return str(ok(await place.get("/_matrix/identity/api/v1/info", params))["hs"])

    async def attempt(batch: Batch) -> None:
        written = _written(cast, batch, agencies)
        for place in places:
            for address in written.values():
                found = await home_of(place, address)
                told = f"{one_line(address)!r} is said to live on {found}"
                assert found == external or is_mailbox_of(address, agencies), told
            for home in cast.homes:
                found = await home_of(place, f"{_word(cast)}@{home.domains[0]}")
                assert found == home.server_name, f"an agent of {home.domains[0]} is said to live on {found}"

    adversary.hunt(_batches(hostile()), attempt, examples=12, known=_KNOWN, told=_told)


@pytest.mark.rule("REG-8", "INC-1")
def test_identity_server_writes_to_the_address_alone(adversary: Adversary) -> None:
    """Asked for a token by a hostile spelling, the identity server writes to nobody else; without an account, to nobody."""
    cast, agencies = adversary.cast, _agencies(adversary.cast)
    server = identity_server(cast)
    agent = adversary.run(cast.agent())
    token = adversary.run(identity_token(agent.session, server))
    known = Session(cast.transport, server.url, "", access_token=token, who=agent.name)
    nobody = Session(cast.transport, server.url, "", who="nobody")

    async def ask(session: Session, version: str, address: str) -> Response:
        body = {"client_secret": cast.population.word(), "email": address, "send_attempt": 1}
        return await session.post(f"/_matrix/identity/{version}/validate/email/requestToken", body)

    async def attempt(batch: Batch) -> None:
        written = _written(cast, batch, agencies)
        unknown = _written(cast, batch, agencies)
        for address in unknown.values():
            for version in ("api/v1", "v2"):
                answer = await ask(nobody, version, address)
                assert answer.status in (400, 401, 403, 404), f"nobody's request for {one_line(address)!r} gets: {answer}"
        for address in written.values():
            answer = await ask(known, "v2", address)
            assert answer.status < 500, f"{one_line(address)!r} breaks the identity server: {answer}"
        witness = f"{_word(cast)}@{agencies[0]}"
        accepted(await ask(known, "v2", witness), f"the token for {witness}")
        await cast.mailbox.wait_for(witness)
        for word in unknown:
            assert await cast.mailbox.recipients(word) == [], f"a mail went out for nobody's {one_line(unknown[word])!r}"
        for word, address in written.items():
            for recipient in await cast.mailbox.recipients(word):
                whole = recipient == address.casefold() and is_mailbox_of(recipient, [recipient.rsplit("@", 1)[-1]])
                assert whole, f"{one_line(address)!r} sends a mail to {one_line(recipient)!r}"

    adversary.hunt(_batches(hostile()), attempt, examples=3, known=_KNOWN, told=_told)


@pytest.mark.rule("REG-8", "INC-1", "INV-3")
def test_no_spelling_is_invited_into_a_closed_room(adversary: Adversary) -> None:
    """In a room closed to externals no spelling of an outsider's address is invited; a new agent's is, and gets a mail."""
    cast, agencies = adversary.cast, _agencies(adversary.cast)
    server = identity_server(cast)
    host = adversary.run(cast.agent())
    token = adversary.run(identity_token(host.session, server))
    room_id = adversary.run(conversations.open_private(host.session, cast.word("fermé")))

    async def invite(address: str) -> Response:
        body = {"id_server": server.id_server, "id_access_token": token, "medium": "email", "address": address}
        return await host.session.post(path("rooms", room_id, "invite"), body)

    async def invitations() -> int:
        state = await conversations.room_state(host.session, room_id)
        return sum(kind == "m.room.third_party_invite" for kind, _key in state)

    async def attempt(batch: Batch) -> None:
        written, before = _written(cast, batch, agencies), await invitations()
        answers = await asyncio.gather(*map(invite, written.values()))
        for address, answer in zip(written.values(), answers, strict=True):
            _refused_or_agents(answer, address, agencies)
        taken = sum(answer.status == 200 for answer in answers)
        assert await invitations() == before + taken, "an invitation was refused, and is in the room all the same"
        colleague = f"{_word(cast)}@{agencies[-1]}"
        accepted(await invite(colleague), f"the invitation of {colleague}")
        await cast.mailbox.wait_for(colleague)
        await _no_mail_outside(cast, written, agencies)

    adversary.hunt(_batches(hostile()), attempt, examples=3, known=_KNOWN, told=_told)
