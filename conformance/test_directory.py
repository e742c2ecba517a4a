"""DIR: finding people ("Rechercher une personne")."""

from __future__ import annotations

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted
from conformance.checks.directory import finds, finds_only, no_longer_finds
from conformance.journeys import join
from fixtures.population import Kind
from scenarios import accounts, conversations, directory
from scenarios.session import ok, path
from scenarios.wire import until


@pytest.mark.rule("DIR-1")
@pytest.mark.parametrize(("searcher", "found"), [(0, 1), (1, 0), (0, 0), (1, 1)])
async def test_agent_finds_agent_by_name(cast: Cast, searcher: int, found: int) -> None:
    """An agent finds a colleague of any administration, by family name and by the beginning of it."""
    someone, colleague = await cast.agents(searcher, found)
    name = colleague.identity.family_name.split()[-1]
    await finds(someone.session, name, colleague.user_id)
    await finds(someone.session, name[:6], colleague.user_id)


@pytest.mark.rule("DIR-1")
@pytest.mark.parametrize(("searcher", "found", "like"), [(0, 1, "plain"), (1, 0, "particle")])
async def test_agent_finds_newcomer(cast: Cast, searcher: int, found: int, like: Kind) -> None:
    """Whoever registers by mail is in the directory of the other administration, without doing anything."""
    someone, newcomer = await cast.agent(searcher), cast.newcomer(found, like)
    await accounts.register_by_mail(cast.transport, cast.mailbox, newcomer)
    await finds(someone.session, newcomer.identity.family_name.split()[-1], newcomer.user_id)


@pytest.mark.rule("DIR-2")
@pytest.mark.parametrize("home", [0, 1])
async def test_closed_account_leaves_the_search(cast: Cast, home: int) -> None:
    """Somebody whom both homeservers find closes their account: neither finds them any more, and both a namesake."""
    former, namesake, near, far = await cast.agents(home, home, 0, 1)
    tag = former.identity.family_name.split()[-1]
    await directory.set_name(namesake.session, f"Autre {tag} [Interieur]")
    for searcher in (near, far):
        await finds(searcher.session, tag, former.user_id)
    # Erased or not: who has left the administration is no agent.
    closed = await accounts.deactivate(former.session, former.identity.password, erase=False)
    accepted(closed, "closing the account")
    for searcher in (near, far):
        await no_longer_finds(searcher.session, tag, former.user_id)
        for term in (former.identity.full_name, tag[:6], former.user_id):
            assert former.user_id not in await directory.find(searcher.session, term), f"a search for {term!r} shows them"
        await finds_only(searcher.session, tag, namesake.user_id, former.user_id)


@pytest.mark.rule("DIR-3")
@pytest.mark.parametrize("other", [0, 1])
async def test_contacts_are_found_again_on_a_new_device(cast: Cast, other: int) -> None:
    """Somebody who logs in on a new device finds the conversations with their contacts there."""
    someone, contact = await cast.agents(0, other)
    first, theirs = await cast.devices([someone, contact])
    room_id = await conversations.open_direct(someone.session, contact.user_id)
    await join(theirs, room_id)
    await first.wait_for("the contact", lambda seen: room_id in seen.account_data.get("m.direct", {}).get(contact.user_id, []))

    second = await cast.device(someone)
    assert room_id in second.account_data.get("m.direct", {}).get(contact.user_id, []), f"it has {second.account_data}"
    assert second.room(room_id).membership == "join"


@pytest.mark.rule("DIR-3")
async def test_contact_is_marked_for_the_invited_too(cast: Cast) -> None:
    """Who is invited to a conversation between two is told that it is one, so that their client lists the contact."""
    someone, contact = await cast.agents(0, 1)
    theirs = await cast.device(contact)
    room_id = await conversations.open_direct(someone.session, contact.user_id)
    await theirs.wait_for("the invitation", lambda seen: seen.room(room_id).membership == "invite")
    own = [event for event in theirs.room(room_id).invite_state if event.get("state_key") == contact.user_id]
    assert own and own[0]["content"].get("is_direct") is True, f"the invitation says {own}"

    where = path("user", contact.user_id, "account_data", "m.direct")
    ok(await contact.session.put(where, {someone.user_id: [room_id]}))

    async def listed() -> bool | None:
        answer = await contact.session.get(where)
        return True if answer.status == 200 and answer.json().get(someone.user_id) == [room_id] else None

    await until(cast.transport, listed, deadline=5, missing="the contact in the account data")
