"""CNV-1: nothing brings a third into a conversation between two ("Communiquer avec Tchap")."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.journeys import identity_server, join
from scenarios import conversations
from scenarios.conversations import ACCESS_RULES
from scenarios.invitations import identity_token, invite_by_mail
from scenarios.people import Person
from scenarios.session import path
from scenarios.wire import until

_MEMBER, _JOIN_RULES = "m.room.member", "m.room.join_rules"


async def _present(person: Person, room_id: str) -> list[str]:
    """Give who is in a room or invited to it, as somebody in it sees it."""
    members = await conversations.members(person.session, room_id)
    return sorted(user for user, member in members.items() if member["membership"] in ("join", "invite"))


def _for_members_of(room_id: str) -> dict[str, Any]:
    return {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": room_id}]}


@pytest.mark.rule("CNV-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_no_change_of_a_conversation_between_two_brings_in_a_third(cast: Cast, home: int) -> None:
    """Neither of the two can bring in a third by what the conversation is: at its start, by its rules, or once one has left.

    Nor into what takes its place, where it can be upgraded. A private room takes the same third by the same ways.
    """
    someone, other, third = await cast.agents(home, 1 - home, home)
    direct: dict[str, Any] = {"preset": "trusted_private_chat", "is_direct": True}
    answer = await conversations.ask_for_room(someone.session, **direct, invite=[other.user_id, third.user_id])
    refused(answer, "beginning a conversation between two with a third", "M_FORBIDDEN")
    room_id = await conversations.open_direct(someone.session, other.user_id)
    await join(await cast.device(other), room_id)
    common = await conversations.open_private(someone.session, cast.word("bureau"), [third.user_id, other.user_id])
    for person in (third, other):
        accepted(await conversations.ask_to_join(person.session, common, someone.home.server_name), "an invited member's join")

    for person in (someone, other):
        for content in ({"rule": "restricted"}, {"rule": "unrestricted"}, {}):
            answer = await conversations.set_state(person.session, room_id, ACCESS_RULES, content)
            refused(answer, f"making a conversation between two one of {content.get('rule', 'no rule')}", "M_FORBIDDEN")
        answer = await conversations.set_state(person.session, room_id, _MEMBER, {"membership": "invite"}, third.user_id)
        refused(answer, "a third's invitation that is written by hand", "M_FORBIDDEN")
        for content in ({"join_rule": "knock"}, _for_members_of(common)):
            # Whatever is said to the rule: what it would open stays shut.
            await conversations.set_state(person.session, room_id, _JOIN_RULES, content)
            for ask in (conversations.ask_to_join, conversations.ask_to_knock):
                answer = await ask(third.session, room_id, person.home.server_name)
                refused(answer, f"a third's way in by the join rule {content['join_rule']}", "M_FORBIDDEN")
        # Whatever is said to it: an emptied event counts as none.
        for event in await conversations.state_events(person.session, room_id):
            if event["type"] == ACCESS_RULES:
                where = path("rooms", room_id, "redact", event["event_id"], f"vigie-{secrets.token_hex(8)}")
                await person.session.put(where, {})
        answer = await conversations.invite(person.session, room_id, third.user_id)
        refused(answer, "inviting a third once the rule of a conversation between two was redacted", "M_FORBIDDEN")
        answer = await person.session.post(path("rooms", room_id, "upgrade"), {"new_version": "11"})
        if answer.status == 200:
            place = answer.json()["replacement_room"]
            answer = await conversations.invite(person.session, place, third.user_id)
            refused(answer, "inviting a third into what takes the place of a conversation between two", "M_FORBIDDEN")
        else:
            refused(answer, "an upgrade of a conversation between two", "M_FORBIDDEN")
    assert await _present(someone, room_id) == sorted([someone.user_id, other.user_id])
    accepted(await conversations.leave(other.session, room_id), "leaving a conversation between two")

    async def seen_gone() -> bool | None:
        return True if await conversations.membership(someone.session, room_id, other.user_id) == "leave" else None

    missing = "the leave of one of the two, at the other's homeserver"
    await until(cast.transport, seen_gone, deadline=20, missing=missing, pause=0.1)
    answer = await conversations.invite(someone.session, room_id, third.user_id)
    refused(answer, "inviting a third in the place of who left", "M_FORBIDDEN")

    private: dict[str, Any] = {"preset": "private_chat", "name": cast.word("réunion")}
    answer = await conversations.ask_for_room(someone.session, **private, invite=[other.user_id, third.user_id])
    assert len(await _present(someone, accepted(answer, "a private room of three")["room_id"])) == 3
    room = await conversations.open_private(someone.session, cast.word("réunion"))
    accepted(
        await conversations.set_state(someone.session, room, _JOIN_RULES, _for_members_of(common)), "a join rule of members"
    )
    accepted(await conversations.ask_to_join(third.session, room), "a join by that rule")
    answer = await conversations.set_state(someone.session, room, _MEMBER, {"membership": "invite"}, other.user_id)
    accepted(answer, "an invitation that is written by hand, to a private room")


@pytest.mark.rule("CNV-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_no_letter_brings_a_third_into_a_conversation_between_two(cast: Cast, home: int) -> None:
    """An agent's address is invited by neither of the two, nor anybody beside an address with which it was begun.

    A private room invites the same address.
    """
    someone, other, third = await cast.agents(home, 1 - home, home)
    server = identity_server(cast)
    room_id = await conversations.open_direct(someone.session, other.user_id)
    await join(await cast.device(other), room_id)
    for person in (someone, other):
        answer = await invite_by_mail(person.session, server, room_id, third.identity.address)
        refused(answer, "inviting a third's address into a conversation between two", "M_FORBIDDEN")
    assert await _present(someone, room_id) == sorted([someone.user_id, other.user_id])

    asked = {"medium": "email", "id_server": server.id_server, "address": cast.newcomer(1 - home).identity.address}
    asked["id_access_token"] = await identity_token(someone.session, server)
    direct: dict[str, Any] = {"preset": "trusted_private_chat", "is_direct": True, "invite_3pid": [asked]}
    answer = await conversations.ask_for_room(someone.session, **direct)
    begun = accepted(answer, "beginning a conversation between two with an address")["room_id"]
    answer = await conversations.invite(someone.session, begun, third.user_id)
    refused(answer, "inviting a third beside an address that was invited", "M_FORBIDDEN")
    for address in (third.identity.address, cast.newcomer(home).identity.address):
        answer = await invite_by_mail(someone.session, server, begun, address)
        refused(answer, "inviting a third's address beside one that was invited", "M_FORBIDDEN")
    assert await _present(someone, begun) == [someone.user_id]

    room = await conversations.open_private(someone.session, cast.word("réunion"))
    answer = await invite_by_mail(someone.session, server, room, third.identity.address)
    accepted(answer, "inviting the same address into a private room")
    assert third.user_id in await _present(someone, room), "the address of an agent invited nobody"
