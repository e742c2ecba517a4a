"""INV: inviting by e-mail ("Les avantages de Tchap")."""

from __future__ import annotations

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted
from conformance.journeys import identity_server, invited_outsider, join
from scenarios import accounts, conversations
from scenarios.invitations import invite_by_mail


@pytest.mark.rule("INV-1")
@pytest.mark.parametrize(("host", "guest"), [(0, 0), (0, 1)])
async def test_known_address_resolves_to_the_account(cast: Cast, host: int, guest: int) -> None:
    """Adèle invites a colleague by their address; it is known, so the colleague's account is invited."""
    adele, colleague = await cast.agent(host), cast.newcomer(guest)
    await accounts.register_by_mail(cast.transport, cast.mailbox, colleague)
    device = await cast.device(colleague)
    room_id = await conversations.open_private(adele.session, cast.word("réunion"))

    answer = await invite_by_mail(adele.session, identity_server(cast), room_id, colleague.identity.address)
    accepted(answer, "inviting a known address")
    await join(device, room_id)
    assert await conversations.membership(adele.session, room_id, colleague.user_id) == "join"


@pytest.mark.rule("INV-1")
async def test_unknown_agent_gets_a_mail_and_arrives(cast: Cast) -> None:
    """Adèle invites an agent who has no account: a mail comes, and once registered the agent is invited to the room."""
    adele, newcomer = await cast.agent(), cast.newcomer(1)
    room_id = await conversations.open_private(adele.session, cast.word("réunion"))
    answer = await invite_by_mail(adele.session, identity_server(cast), room_id, newcomer.identity.address)
    accepted(answer, "inviting an agent without account")
    await cast.mailbox.wait_for(newcomer.identity.address)

    await accounts.register_by_mail(cast.transport, cast.mailbox, newcomer)
    await join(await cast.device(newcomer), room_id, adele)


@pytest.mark.rule("INV-2")
@pytest.mark.parametrize("home", [0, 1])
async def test_external_correspondent_ends_up_in_the_conversation(cast: Cast, home: int) -> None:
    """A partner is invited by mail, registers, finds the invitation waiting, joins, reads and answers."""
    agent, partner, room_id = await invited_outsider(cast, home)
    host = await cast.device(agent)
    await accounts.register_by_mail(cast.transport, cast.mailbox, partner)
    visitor = await cast.device(partner)
    await join(visitor, room_id, agent)
    await host.wait_for(
        "the partner in the room",
        lambda seen: seen.room(room_id).state.get(("m.room.member", partner.user_id), {}).get("membership") == "join",
    )

    text = cast.word("bienvenue")
    message = await visitor.wait_to_read(room_id, await host.say(room_id, text))
    assert message.body == text
    answer = await host.wait_to_read(room_id, await visitor.say(room_id, "merci"))
    assert answer.body == "merci"
