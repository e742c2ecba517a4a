"""INV: inviting by e-mail ("Les avantages de Tchap")."""

from __future__ import annotations

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.journeys import gathered, identity_server, invited_guest, invited_outsider, join
from scenarios import accounts, conversations
from scenarios.devices import Device
from scenarios.invitations import invite_by_mail
from scenarios.people import Person
from scenarios.session import ok


@pytest.mark.rule("INV-1")
@pytest.mark.parametrize(("host", "guest"), [(0, 0), (0, 1)])
async def test_known_address_resolves_to_the_account(cast: Cast, host: int, guest: int) -> None:
    """Adèle invites a colleague by their address, and by it in capitals; it is known, so the colleague's account is invited."""
    adele, colleague = await cast.agent(host), cast.newcomer(guest)
    await accounts.register_by_mail(cast.transport, cast.mailbox, colleague)
    device = await cast.device(colleague)
    address = colleague.identity.address
    for what, spelt in (("a known address", address), ("a known address in capitals", address.upper())):
        room_id = await conversations.open_private(adele.session, cast.word("réunion"))
        answer = await invite_by_mail(adele.session, identity_server(cast), room_id, spelt)
        accepted(answer, f"inviting {what}")
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


@pytest.mark.rule("INV-2")
async def test_external_correspondent_finds_every_invitation(cast: Cast) -> None:
    """Invited by mail to two conversations before they register, and to a third after, a partner ends up in all three."""
    agent, partner, first = await invited_outsider(cast)
    other, third = await cast.agents(1, 0)
    rooms = {first: agent}
    second = await conversations.open_private(other.session, cast.word("projet"), externals=True)
    answer = await invite_by_mail(other.session, identity_server(cast), second, partner.identity.address)
    accepted(answer, "a second invitation of one address")
    rooms[second] = other
    await accounts.register_by_mail(cast.transport, cast.mailbox, partner)
    visitor = await cast.device(partner)
    for room_id, host in rooms.items():
        await join(visitor, room_id, host)

    later = await conversations.open_private(third.session, cast.word("projet"), externals=True)
    answer = await invite_by_mail(third.session, identity_server(cast), later, partner.identity.address)
    accepted(answer, "inviting a guest by their address")
    await join(visitor, later, third)
    assert set(await conversations.joined_rooms(partner.session)) == {first, second, later}


@pytest.mark.rule("INV-3")
@pytest.mark.parametrize("home", [0, 1])
async def test_closed_conversation_invites_no_external(cast: Cast, home: int) -> None:
    """Into a room closed to externals, a direct one and a public one no partner is invited by mail, and no guest; open, yes."""
    agent, colleague = await cast.agents(home, 1 - home)
    guest = await cast.guest()
    partner, server = cast.outsider(), identity_server(cast)
    closed = {
        "a private room": await conversations.open_private(agent.session, cast.word("réunion")),
        "a direct conversation": await conversations.open_direct(agent.session, colleague.user_id),
        "a public room": await conversations.open_public(agent.session, cast.word("forum")),
    }
    for what, room_id in closed.items():
        for address in (partner.identity.address, partner.identity.address.upper(), guest.identity.address):
            answer = await invite_by_mail(agent.session, server, room_id, address)
            refused(answer, f"an external's invitation to {what}", "M_FORBIDDEN")
        answer = await conversations.invite(agent.session, room_id, guest.user_id)
        refused(answer, f"a guest's invitation to {what}", "M_FORBIDDEN")
        state = await conversations.room_state(agent.session, room_id)
        assert not [key for key in state if key[0] == "m.room.third_party_invite"], f"{what} keeps an invitation"

    witness = cast.outsider()
    room_id = await conversations.open_private(agent.session, cast.word("projet"), externals=True)
    answer = await invite_by_mail(agent.session, server, room_id, witness.identity.address)
    accepted(answer, "an external's invitation to an open room")
    accepted(await conversations.invite(agent.session, room_id, guest.user_id), "a guest's invitation to an open room")
    await cast.mailbox.expect_none(partner.identity.address, witness=witness.identity.address)


@pytest.mark.rule("INV-4")
@pytest.mark.parametrize("home", [0, 1])
async def test_only_members_invite_and_guests_never(cast: Cast, home: int) -> None:
    """A stranger and a guest invite nobody, by mail or identifier; the guest's host, a member, invites the same people.

    By the room's levels everybody in it may: what keeps the guest from it is that they are one.
    """
    host, stranger, colleague = await cast.agent(home), await cast.agent(1 - home), await cast.agent(1 - home)
    guest, room_id = await invited_guest(cast, await cast.device(host))
    await _everybody_may_invite(host, guest, room_id)
    partner, server = cast.outsider(), identity_server(cast)
    other_guest = await cast.guest()
    for session in (stranger.session, guest.session):
        for invited in (colleague.user_id, other_guest.user_id):
            answer = await conversations.invite(session, room_id, invited)
            refused(answer, f"an invitation of {invited} by {session.who}", "M_FORBIDDEN")
        answer = await invite_by_mail(session, server, room_id, partner.identity.address)
        refused(answer, f"an invitation by mail of {session.who}", "M_FORBIDDEN")
    where = f"{server.url}/_matrix/identity/v2/pubkey/isvalid"
    token = {"display_name": "p...@e...", "public_key": "A" * 43, "key_validity_url": where}
    answer = await conversations.set_state(guest.session, room_id, "m.room.third_party_invite", token, "un-jeton")
    refused(answer, "an invitation that a guest writes by hand", "M_FORBIDDEN")
    members = await conversations.members(host.session, room_id)
    assert set(members) == {host.user_id, guest.user_id}, f"the room has {sorted(members)}"

    witness = cast.outsider()
    for invited in (colleague.user_id, other_guest.user_id):
        accepted(await conversations.invite(host.session, room_id, invited), "a member's invitation")
    answer = await invite_by_mail(host.session, server, room_id, witness.identity.address)
    accepted(answer, "a member's invitation by mail")
    await cast.mailbox.expect_none(partner.identity.address, witness=witness.identity.address)


async def _everybody_may_invite(host: Person, guest: Device, room_id: str) -> None:
    """Have the levels of a room keep nobody in it from inviting, if they can be set so, and wait until the guest's are."""
    key = "m.room.power_levels"
    levels = ok(await conversations.read_state(host.session, room_id, key))
    answer = await conversations.set_state(host.session, room_id, key, {**levels, "invite": 0})
    if answer.status != 200:
        refused(answer, "levels by which everybody may invite", status=(400, 403))
        return
    await guest.wait_for("the new levels", lambda seen: seen.room(room_id).state.get((key, ""), {}).get("invite") == 0)


@pytest.mark.rule("INV-4")
async def test_who_left_invites_no_more(cast: Cast) -> None:
    """Somebody invited while they were a member; once they have left, the same act is refused."""
    host, member = await cast.agents(0, 1)
    first, second = await cast.agents(0, 1)
    devices = await cast.devices([host, member])
    room_id = await gathered(*devices)
    levels = ok(await conversations.read_state(host.session, room_id, "m.room.power_levels"))
    raised = {**levels, "users": {**levels["users"], member.user_id: 50}}
    ok(await conversations.set_state(host.session, room_id, "m.room.power_levels", raised))
    key = ("m.room.power_levels", "")
    await devices[1].wait_for("their new level", lambda seen: member.user_id in seen.room(room_id).state[key]["users"])
    accepted(await conversations.invite(member.session, room_id, first.user_id), "a member's invitation")
    ok(await conversations.leave(member.session, room_id))
    refused(await conversations.invite(member.session, room_id, second.user_id), "an invitation of who left", "M_FORBIDDEN")
    answer = await invite_by_mail(member.session, identity_server(cast), room_id, cast.newcomer().identity.address)
    refused(answer, "an invitation by mail of who left", "M_FORBIDDEN")
