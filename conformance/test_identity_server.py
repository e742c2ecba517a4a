"""INV, DIR, REG: what the identity server does for whom: it mails invitations, and knows whose address is whose."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, read, refused
from conformance.journeys import identity_server
from scenarios import accounts, conversations
from scenarios.invitations import identity_token, invite_by_mail
from scenarios.session import Session, ok
from scenarios.wire import until

_IDENTITY = "/_matrix/identity"
_CLOSED = (401, 403, 404, 405)


@pytest.mark.rule("INV-4", "REG-10")
async def test_identity_server_mails_no_invitation_of_a_guest_or_nobody(cast: Cast) -> None:
    """A guest, or somebody without an account, asks the identity server to invite a partner: refused; an agent's goes out."""
    host, guest, partner, witness = await cast.agent(), await cast.guest(), cast.outsider(), cast.outsider()
    server = identity_server(cast)
    room_id = await conversations.open_private(host.session, cast.word("projet"), externals=True)
    nobody = Session(cast.transport, server.url, "", who="somebody without an account")
    known = replace(nobody, access_token=await identity_token(guest.session, server), who="a guest")
    asked = {"medium": "email", "address": partner.identity.address, "room_id": room_id}
    # Sydent looks for a token that is not in the header in the question, which it has read by then, and calls malformed.
    without = (400, *_CLOSED)
    for session, closed in ((nobody, without), (replace(nobody, access_token="invented"), _CLOSED), (known, _CLOSED)):
        for version in ("v2", "api/v1"):
            for sender in (guest.user_id, host.user_id):
                answer = await session.post(f"{_IDENTITY}/{version}/store-invite", asked | {"sender": sender})
                refused(answer, f"an invitation by {version} for {session.who}, as of {sender},", status=closed)
    answer, _ = await accounts.ask_for_validation(cast.anonymous(cast.abroad, partner.name), partner.identity.address)
    refused(answer, "a token for a partner whom no agent invited", "M_THREEPID_DENIED")

    accepted(await invite_by_mail(host.session, server, room_id, witness.identity.address), "an agent's invitation")
    await cast.mailbox.expect_none(partner.identity.address, witness=witness.identity.address)
    answer, _ = await accounts.ask_for_validation(cast.anonymous(cast.abroad, witness.name), witness.identity.address)
    accepted(answer, "a token for a partner whom an agent invited")


def _question(details: dict[str, Any], address: str) -> dict[str, Any]:
    """Give a look-up of an address as the identity server wants it (Matrix specification, "Association lookup")."""
    pepper, algorithm = details["lookup_pepper"], "none" if "none" in details["algorithms"] else "sha256"
    asked = f"{address} email"
    if algorithm == "sha256":
        asked = base64.urlsafe_b64encode(hashlib.sha256(f"{asked} {pepper}".encode()).digest()).decode().rstrip("=")
    return {"addresses": [asked], "algorithm": algorithm, "pepper": pepper}


async def _found(known: Session, question: dict[str, Any]) -> list[str]:
    return list(ok(await known.post(f"{_IDENTITY}/v2/lookup", question))["mappings"].values())


async def _leads_to(known: Session, address: str, user_id: str) -> dict[str, Any]:
    """Wait until a look-up of an address finds an account, and give the look-up; raises `NotInTime`."""
    question = _question(ok(await known.get(f"{_IDENTITY}/v2/hash_details")), address)

    async def told() -> bool | None:
        return True if await _found(known, question) == [user_id] else None

    await until(known.transport, told, deadline=15, missing=f"{user_id} in a look-up of their address", pause=0.1)
    return question


@pytest.mark.rule("REG-9")
@pytest.mark.addresses
@pytest.mark.parametrize("door", ["homeserver", "identity server", "unbinding"])
@pytest.mark.parametrize("home", [0, -1])
async def test_no_account_takes_the_address_of_another(cast: Cast, home: int, door: str) -> None:
    """Two people read one mailbox: the account of its address stays the first one's, whoever of them proves to read it."""
    owner = await cast.guest() if home < 0 else cast.newcomer(home)
    if home >= 0:
        await accounts.register_by_mail(cast.transport, cast.mailbox, owner)
    rival, searcher = await cast.agents(0, 0)
    server, address = identity_server(cast), owner.identity.address
    nobody = Session(cast.transport, server.url, "", who="somebody without an account")
    token = await identity_token(rival.session, server)
    known = replace(nobody, access_token=await identity_token(searcher.session, server), who=searcher.name)
    theirs = replace(nobody, access_token=token, who=rival.name)
    for person in (owner, rival):
        await _leads_to(known, person.identity.address, person.user_id)
    question = await _leads_to(known, address, owner.user_id)

    before, secret = len(await cast.mailbox.messages(address)), secrets.token_hex(16)
    asked = {"client_secret": secret, "email": address, "send_attempt": 1}
    answer = await theirs.post(f"{_IDENTITY}/v2/validate/email/requestToken", asked)
    if answer.status == 200:
        proof = {"sid": str(answer.json()["sid"]), "client_secret": secret}
        link = accounts.link_of(await cast.mailbox.wait_for(address, after=before))
        await accounts.follow_link(cast.transport, link, rival.name)
        # Where the link's own page is of the older API, and closed, what it says can be handed in by the newer.
        [code] = parse_qs(urlsplit(link).query)["token"]
        await theirs.post(f"{_IDENTITY}/v2/validate/email/submitToken", proof | {"token": code})
        if door == "homeserver":
            through = proof | {"id_server": server.id_server, "id_access_token": token}
            answer = await rival.session.post("/account/3pid/bind", through)
        elif door == "identity server":
            answer = await theirs.post(f"{_IDENTITY}/v2/3pid/bind", proof | {"mxid": rival.user_id})
        else:
            bound = {"mxid": owner.user_id, "threepid": {"medium": "email", "address": address}}
            answer = await theirs.post(f"{_IDENTITY}/v2/3pid/unbind", proof | bound)
    found = await _found(known, question)
    assert found == [owner.user_id], f"{address} leads to {found}, by way of {door}: {answer}"


@pytest.mark.rule("DIR-5")
@pytest.mark.addresses
async def test_addresses_are_looked_up_by_who_has_an_account(cast: Cast) -> None:
    """Who has no account asks whose an agent's address is, by the older API too: told nothing; a colleague is told."""
    agent, colleague = await cast.agents(0, 0)
    server, address = identity_server(cast), agent.identity.address
    nobody = Session(cast.transport, server.url, "", who="somebody without an account")
    known = replace(nobody, access_token=await identity_token(colleague.session, server), who=colleague.name)
    question = await _leads_to(known, address, agent.user_id)
    one, many = {"medium": "email", "address": address}, {"threepids": [["email", address]]}
    for session in (nobody, replace(nobody, access_token="invented")):
        for what, answer in (
            ("a look-up", await session.post(f"{_IDENTITY}/v2/lookup", question)),
            ("a look-up by the older API", await session.get(f"{_IDENTITY}/api/v1/lookup", one)),
            ("a look-up of many by the older API", await session.post(f"{_IDENTITY}/api/v1/bulk_lookup", many)),
        ):
            refused(answer, f"{what}, for {session.who},", status=_CLOSED)
            assert agent.user_id not in read(answer), f"{what} is refused and tells"
