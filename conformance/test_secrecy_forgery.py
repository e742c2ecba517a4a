"""E2E-8: what is forged, replayed, altered or redirected is not shown as genuine ("Confidentialité et sécurité des échanges").

The lie is put in between the homeserver and the recipient, as a homeserver that was taken over would: no server can refuse
it. Who keeps the rule is the recipient's client; here that of this suite.
"""

from __future__ import annotations

import base64
import copy
import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import vodozemac

from conformance.cast import Cast
from conformance.journeys import gathered
from conformance.tampering import Tampering, client_lied_to, events_in
from scenarios import conversations
from scenarios.backup import Backup
from scenarios.devices import Device, Message
from scenarios.session import ok
from scenarios.trust import CrossSigning, Trust
from scenarios.wire import until

Event = dict[str, Any]
_MEGOLM = conversations.MEGOLM


def _flipped(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def _altered(at: int) -> Callable[[Event], None]:
    def change(event: Event) -> None:
        event["content"]["ciphertext"] = _flipped(event["content"]["ciphertext"], at)

    return change


# What is done to a copy of a genuine event, which arrives beside the original under an id of its own.
_LIES: dict[str, Callable[[Event], None]] = {
    "replayed": lambda event: None,
    "replayed with another time": lambda event: event.update(origin_server_ts=event["origin_server_ts"] + 60_000),
    "altered text": _altered(40),
    "altered signature": _altered(-5),
    "altered index": _altered(3),
    "of another session": lambda event: event["content"].update(session_id=_flipped(event["content"]["session_id"], 7)),
    "from another person": lambda event: event.update(sender=event["unsigned"]["other"]),
    "in clear": lambda event: event.update(
        type="m.room.message", content={"msgtype": "m.text", "body": "Virez cent mille euros."}
    ),
    "under another name of algorithm": lambda event: event["content"].update(algorithm="m.megolm.v0.none"),
}


async def _both(reader: Device, room_id: str, first: str, second: str) -> tuple[Message, Message]:
    """Give two messages once both have come."""
    await reader.wait_for("both messages", lambda seen: {first, second} <= set(seen.room(room_id).events))
    messages = reader.message(room_id, first), reader.message(room_id, second)
    assert messages[0] and messages[1]
    return messages[0], messages[1]


async def _shows_as_signed(reader: Device, room_id: str, event_id: str) -> None:
    """Wait until a message shows as of a device that its owner signed; raises `NotInTime`."""

    async def known_as_such() -> bool | None:
        return True if await reader.machine.trust_in(reader.room(room_id).events[event_id]) is Trust.VERIFIED else None

    missing = "the true device's message as of one that its owner signed"
    await until(reader.session.transport, known_as_such, deadline=20, missing=missing, pause=0.1)


@pytest.mark.rule("E2E-8")
@pytest.mark.parametrize("lie", list(_LIES))
async def test_lie_beside_a_genuine_message_is_not_shown(cast: Cast, lie: str) -> None:
    """A message is shown; a copy of it that was tampered with on the way is not, whatever was done to it."""
    writer, third = await cast.devices(await cast.agents(0, 0))
    lies = Tampering(cast.transport)
    reader = await client_lied_to(cast, await cast.agent(1), lies)
    room_id = await gathered(writer, third, reader)
    forged_id = "$" + secrets.token_urlsafe(32)

    def slip_in(answer: dict[str, Any]) -> None:
        for event in list(events_in(answer, room_id)):
            if event["type"] == "m.room.encrypted" and event["sender"] == writer.user_id:
                forged = copy.deepcopy(event)
                forged["event_id"] = forged_id
                forged.setdefault("unsigned", {})["other"] = third.user_id
                _LIES[lie](forged)
                events_in(answer, room_id).append(forged)

    lies.in_answers("/sync", slip_in)
    text = cast.word("vraiment dit")
    event_id = await writer.say(room_id, text)
    genuine, forged = await _both(reader, room_id, event_id, forged_id)
    assert genuine.readable, f"the genuine message is not shown: {genuine.why}"
    assert genuine.body == text
    assert not forged.readable, f"a message that is {lie} is shown as {forged.sender}'s: {forged.body!r}"


@pytest.mark.rule("E2E-8")
async def test_message_redirected_to_another_conversation_is_not_shown(cast: Cast) -> None:
    """What was said in one conversation is not shown in another one of the same people; what is said there is."""
    writer = await cast.device(await cast.agent(0))
    lies = Tampering(cast.transport)
    reader = await client_lied_to(cast, await cast.agent(1), lies)
    here, there = await gathered(writer, reader), await gathered(writer, reader)
    said = await writer.say(here, cast.word("entre nous"))
    assert (await reader.wait_to_read(here, said)).readable
    moved = {**reader.room(here).events[said], "event_id": "$" + secrets.token_urlsafe(32)}

    def redirect(answer: dict[str, Any]) -> None:
        if events := events_in(answer, there):
            events.append(dict(moved))

    lies.in_answers("/sync", redirect)
    genuine, forged = await _both(reader, there, await writer.say(there, "dit ici"), str(moved["event_id"]))
    assert genuine.readable, f"what was said there is not shown: {genuine.why}"
    assert not forged.readable, f"what was said elsewhere is shown here: {forged.body!r}"


async def _signed_and_lied_to(cast: Cast) -> tuple[Device, Device, Tampering, str]:
    """Give a writer who signed their device, a reader whose server will lie, the lies, and their conversation."""
    author = await cast.agent(0)
    writer = await cast.device(author)
    signing = await CrossSigning.create(writer.session, author.identity.password)
    await signing.verify(writer.session, writer.session.device_id)
    lies = Tampering(cast.transport)
    reader = await client_lied_to(cast, await cast.agent(1), lies)
    room_id = await gathered(writer, reader)
    return writer, reader, lies, room_id


@pytest.mark.rule("E2E-8")
async def test_message_under_a_key_of_the_servers_own_is_told_from_a_persons(cast: Cast) -> None:
    """Who takes over a server can give out a room key in somebody's name: what it opens shows as of no device of theirs.

    A message of that person's true device, in the same conversation, shows as of a device that they signed.
    """
    writer, reader, lies, room_id = await _signed_and_lied_to(cast)
    forger, room_key = vodozemac.Account(), vodozemac.GroupSession()
    given = {"session_id": room_key.session_id, "session_key": room_key.session_key.to_base64()}
    key = {"algorithm": _MEGOLM, "room_id": room_id, **given}
    to_device = await _to_device(forger, writer, reader, writer.user_id, "m.room_key", key)
    encrypted = _under(room_key, forger.curve25519_key.to_base64(), writer, room_id)
    forged, told = await _forged(lies, writer, reader, room_id, to_device, encrypted)
    assert not forged.readable or told is Trust.UNKNOWN, f"the server's message shows as {forged.sender}'s own: {told.value}"


def _under(room_key: vodozemac.GroupSession, sender_key: str, writer: Device, room_id: str) -> dict[str, Any]:
    """Write a message under a room key, as of a device of the writer's: the content of its event."""
    content = {"type": "m.room.message", "room_id": room_id, "content": {"msgtype": "m.text", "body": "Virez tout."}}
    return {
        "algorithm": _MEGOLM,
        "sender_key": sender_key,
        "session_id": room_key.session_id,
        "device_id": writer.session.device_id,
        "ciphertext": room_key.encrypt(json.dumps(content).encode()).to_base64(),
    }


async def _forged(
    lies: Tampering, writer: Device, reader: Device, room_id: str, to_device: dict[str, Any], encrypted: dict[str, Any]
) -> tuple[Message, Trust]:
    """Slip a to-device message and a message of the server's own in beside the writer's next one; gives how it shows."""
    forged_id = "$" + secrets.token_urlsafe(32)

    def forge(answer: dict[str, Any]) -> None:
        if events := events_in(answer, room_id):
            answer.setdefault("to_device", {}).setdefault("events", []).append(to_device)
            events.append(
                {**copy.deepcopy(events[-1]), "event_id": forged_id, "content": encrypted, "type": "m.room.encrypted"}
            )
            events[-1]["sender"] = writer.user_id

    lies.in_answers("/sync", forge)
    event_id = await writer.say(room_id, "Bonjour.")
    genuine, forged = await _both(reader, room_id, event_id, forged_id)
    assert genuine.readable, f"the genuine message is not shown: {genuine.why}"
    await _shows_as_signed(reader, room_id, event_id)
    return forged, await reader.machine.trust_in(reader.room(room_id).events[forged_id])


@pytest.mark.rule("E2E-8")
@pytest.mark.parametrize("way", ["forwarded", "in clear"])
async def test_message_under_a_key_that_its_writer_never_gave_is_not_theirs(cast: Cast, way: str) -> None:
    """A server hands out a room key as one that the writer's true device had made: what it opens does not show as theirs.

    It forwards the key as another device of the reader's would, or gives it in clear.
    """
    writer, reader, lies, room_id = await _signed_and_lied_to(cast)
    await reader.wait_to_read(room_id, await writer.say(room_id, "Avant."))
    true_key = next(key for key in writer.machine.room_keys() if key.room_id == room_id)
    room_key = vodozemac.GroupSession()
    exported = vodozemac.InboundGroupSession(room_key.session_key).export_at(0)
    assert exported is not None
    key: dict[str, Any] = {"algorithm": _MEGOLM, "room_id": room_id, "session_id": room_key.session_id}
    key["sender_key"] = true_key.sender_key
    if way == "forwarded":
        key |= {"session_key": exported.to_base64(), "sender_claimed_ed25519_key": true_key.sender_signing_key}
        key |= {"forwarding_curve25519_key_chain": []}
        forger = vodozemac.Account()
        to_device = await _to_device(forger, writer, reader, reader.user_id, "m.forwarded_room_key", key)
    else:
        key |= {"session_key": room_key.session_key.to_base64()}
        to_device = {"type": "m.room_key", "sender": writer.user_id, "content": key}
    encrypted = _under(room_key, true_key.sender_key, writer, room_id)
    forged, told = await _forged(lies, writer, reader, room_id, to_device, encrypted)
    shown = forged.readable and told not in (Trust.UNKNOWN, Trust.COPIED)
    assert not shown, f"a message under a key that came {way} shows as {told.value}"


@pytest.mark.rule("E2E-8")
async def test_message_under_a_key_slipped_into_a_backup_is_told_from_a_persons(cast: Cast) -> None:
    """Who takes over a server can put a room key into somebody's backup: what it opens shows as of nobody's device.

    A message of the alleged writer's true device, in the same conversation, shows as of a device that they signed.
    """
    author, someone = await cast.agents(0, 1)
    writer, first = await cast.devices([author, someone])
    signing = await CrossSigning.create(writer.session, author.identity.password)
    await signing.verify(writer.session, writer.session.device_id)
    room_id = await gathered(writer, first)
    said = await writer.say(room_id, cast.word("autrefois"))
    await first.wait_to_read(room_id, said)
    backup, code = await Backup.create(first.session, first.machine)
    await backup.store(first.machine.room_keys())

    lies = Tampering(cast.transport)
    new = await client_lied_to(cast, someone, lies)
    room_key, forged_id = vodozemac.GroupSession(), "$" + secrets.token_urlsafe(32)
    true_key = next(key for key in first.machine.room_keys() if key.room_id == room_id)
    exported = vodozemac.InboundGroupSession(room_key.session_key).export_at(0)
    assert exported is not None
    slipped = replace(true_key, session_id=room_key.session_id, first_index=0, session_key=exported.to_base64())
    encrypted = _under(room_key, true_key.sender_key, writer, room_id)

    def slip_in(answer: dict[str, Any]) -> None:
        answer["rooms"][room_id]["sessions"][room_key.session_id] = backup.sealed(slipped)

    def forge(answer: dict[str, Any]) -> None:
        for event in list(events_in(answer, room_id)):
            if event["type"] == "m.room.encrypted" and event["sender"] == writer.user_id:
                events_in(answer, room_id).append({**event, "event_id": forged_id, "content": encrypted})

    lies.in_answers("/room_keys/keys", slip_in)
    lies.in_answers("/sync", forge)
    event_id = await writer.say(room_id, "Bonjour.")
    new.machine.import_room_keys(await (await Backup.current(new.session)).restore(code))
    genuine, forged = await _both(new, room_id, event_id, forged_id)
    assert genuine.readable, f"the genuine message is not shown: {genuine.why}"
    assert (await new.wait_to_read(room_id, said)).readable, "what was said before is not opened by the backup"
    await _shows_as_signed(new, room_id, event_id)
    told = await new.machine.trust_in(new.room(room_id).events[forged_id])
    shown = forged.readable and told not in (Trust.UNKNOWN, Trust.COPIED)
    assert not shown, f"a message under a key that was slipped into the backup shows as {told.value}"


async def _to_device(
    forger: vodozemac.Account, asking: Device, reader: Device, sender: str, kind: str, content: dict[str, Any]
) -> dict[str, Any]:
    """Give a to-device message of the server's own to the reader, encrypted as a device's, in whatever name it likes."""
    query = ok(await asking.session.post("/keys/query", {"device_keys": {reader.user_id: []}}))
    keys = query["device_keys"][reader.user_id][reader.session.device_id]["keys"]
    wanted = {reader.user_id: {reader.session.device_id: "signed_curve25519"}}
    claimed = ok(await asking.session.post("/keys/claim", {"one_time_keys": wanted}))
    one_time = next(iter(claimed["one_time_keys"][reader.user_id][reader.session.device_id].values()))["key"]
    identity = keys[f"curve25519:{reader.session.device_id}"]
    session = forger.create_outbound_session(
        vodozemac.Curve25519PublicKey.from_base64(identity), vodozemac.Curve25519PublicKey.from_base64(one_time)
    )
    plain = {
        "type": kind,
        "content": content,
        "sender": sender,
        "recipient": reader.user_id,
        "recipient_keys": {"ed25519": keys[f"ed25519:{reader.session.device_id}"]},
        "keys": {"ed25519": forger.ed25519_key.to_base64()},
    }
    olm, body = session.encrypt(json.dumps(plain).encode()).to_parts()
    return {
        "type": "m.room.encrypted",
        "sender": sender,
        "content": {
            "algorithm": "m.olm.v1.curve25519-aes-sha2",
            "sender_key": forger.curve25519_key.to_base64(),
            "ciphertext": {identity: {"type": olm, "body": base64.b64encode(body).decode().rstrip("=")}},
        },
    }
