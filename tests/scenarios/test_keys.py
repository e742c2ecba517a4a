"""The machine: what it holds, what it gives away, and what it does with hostile input."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
import vodozemac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nio.exceptions import EncryptionError

from scenarios.devices import Device
from scenarios.files import download
from scenarios.keys import Undecryptable, decrypt_file, encrypt_file
from scenarios.session import ok

from .conftest import People


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _public(private: bytes) -> str:
    return str(vodozemac.Curve25519SecretKey.from_bytes(private).public_key().to_base64())


def _signing_public(private: bytes) -> str:
    raw = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return base64.b64encode(raw).decode().rstrip("=")


async def test_private_keys_found_are_those_of_the_published_keys(people: People) -> None:
    alice = await people.person("alice")
    answer = ok(await alice.session.post("/keys/query", {"device_keys": {alice.user_id: []}}))
    keys = answer["device_keys"][alice.user_id][alice.session.device_id]["keys"]
    found = dict(alice.machine.secrets())
    publics = {_public(value) for value in found.values() if len(value) == 32}
    assert keys[f"curve25519:{alice.session.device_id}"] in publics
    signing = {_signing_public(value) for value in found.values() if len(value) == 32}
    assert keys[f"ed25519:{alice.session.device_id}"] in signing
    bob = await people.person("bob")
    wanted = {"one_time_keys": {alice.user_id: {alice.session.device_id: "signed_curve25519"}}}
    claimed = ok(await bob.session.post("/keys/claim", wanted))["one_time_keys"]
    (one_time,) = claimed[alice.user_id][alice.session.device_id].values()
    assert one_time["key"] in publics, "the one-time private keys are missing"


async def test_room_keys_found_open_the_messages(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    for number in range(3):
        await bob.wait_to_read(room_id, await alice.say(room_id, f"secret {number}"))
    (key,) = bob.machine.room_keys()
    ratchets = [value for _, value in bob.machine.secrets() if len(value) == 128]
    assert _decoded(key.session_key)[5:133] in ratchets
    sent = [value for _, value in alice.machine.secrets() if len(value) == 128]
    assert _decoded(key.session_key)[5:133] in sent, "the sender's own copy is missing"
    current = vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(key.session_key)).export_at(3)
    assert current is not None
    assert _decoded(current.to_base64())[5:133] in sent, "the sender's ratchet as it stands now is missing"


async def test_room_keys_go_to_another_device_by_hand(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    event_id = await alice.say(room_id, "autrefois")
    await bob.wait_to_read(room_id, event_id)
    late = await people.another(bob)
    await late.wait_for("the message", lambda seen: seen.message(room_id, event_id) is not None)
    assert late.machine.import_room_keys(bob.machine.room_keys()) == 1
    message = late.message(room_id, event_id)
    assert message is not None and message.body == "autrefois"
    assert late.machine.import_room_keys(bob.machine.room_keys()) == 0


async def test_room_key_changes_after_the_number_of_messages_asked_for(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob, encryption={"rotation_period_msgs": 2})
    sessions = []
    for number in range(5):
        event_id = await alice.say(room_id, f"numéro {number}")
        await bob.wait_to_read(room_id, event_id)
        sessions.append(bob.room(room_id).events[event_id]["content"]["session_id"])
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3] != sessions[4]


@pytest.mark.parametrize("harm", ["altered", "no base64", "nothing", "replayed", "unknown session"])
async def test_harmed_message_is_undecryptable_and_says_why(people: People, harm: str) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    event_id = await alice.say(room_id, "intact")
    await bob.wait_to_read(room_id, event_id)
    event = dict(bob.room(room_id).events[event_id])
    content = dict(event["content"])
    text = content["ciphertext"]
    content["ciphertext"] = {
        "altered": text[:60] + ("A" if text[60] != "A" else "B") + text[61:],
        "no base64": "é" * 40,
        "nothing": "",
    }.get(harm, text)
    if harm == "unknown session":
        content["session_id"] = "inconnue"
    if harm == "replayed":
        event["event_id"] = "$another"
    opened = bob.machine.decrypt(room_id, {**event, "content": content})
    assert isinstance(opened, Undecryptable) and opened.reason


async def test_used_up_one_time_keys_are_uploaded_again(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    wanted = {"one_time_keys": {alice.user_id: {alice.session.device_id: "signed_curve25519"}}}
    for _ in range(10):
        ok(await bob.session.post("/keys/claim", wanted))
    await alice.sync()
    await alice.sync()
    counts = ok(await alice.session.post("/keys/upload", {}))["one_time_key_counts"]
    assert counts["signed_curve25519"] >= 50


async def _claim(by: Device, of: Device) -> dict[str, Any]:
    wanted = {"one_time_keys": {of.user_id: {of.session.device_id: "signed_curve25519"}}}
    given = ok(await by.session.post("/keys/claim", wanted))["one_time_keys"]
    keys: dict[str, Any] = given.get(of.user_id, {}).get(of.session.device_id, {})
    return keys


async def test_who_has_no_one_time_key_left_is_reached_by_the_fallback_key(people: People) -> None:
    """All of Alice's one-time keys go while she is not there; Bob writes to her, and she has a new fallback key after it."""
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    for _ in range(200):
        (key,) = (await _claim(bob, alice)).values()
        if key.get("fallback"):
            break
    assert key.get("fallback"), "200 one-time keys, and no end"
    message = await alice.wait_to_read(room_id, await bob.say(room_id, "tu es là ?"))
    assert message.body == "tu es là ?"
    await alice.sync()
    assert ok(await alice.session.get("/sync"))["device_unused_fallback_key_types"] == ["signed_curve25519"]


async def test_who_claims_at_the_same_moment_as_others_gets_a_key_all_the_same(people: People) -> None:
    """Synapse has keys enough for all four and gives some of them none now and then: they get the fallback key."""
    alice, bob = await people.person("alice"), await people.person("bob")
    for _ in range(12):
        given = await asyncio.gather(*(_claim(bob, alice) for _ in range(4)))
        assert all(given), f"{given.count({})} of 4 were given no key"


@pytest.mark.parametrize("told", [7, "signed_curve25519", {"signed_curve25519": 0}, None])
async def test_what_is_no_list_of_fallback_keys_says_nothing_of_them(people: People, told: Any) -> None:
    """Without it in the list Alice's fallback key was used, and she makes another; what is no list changes nothing."""
    alice, bob = await people.person("alice"), await people.person("bob")

    async def last_resort() -> dict[str, Any]:
        for _ in range(200):
            key: dict[str, Any]
            (key,) = (await _claim(bob, alice)).values()
            if key.get("fallback"):
                return key
        raise AssertionError("200 one-time keys, and no end")

    before = await last_resort()
    await alice.machine.receive({"device_unused_fallback_key_types": told})
    assert await last_resort() == before
    await alice.machine.receive({"device_unused_fallback_key_types": []})
    assert await last_resort() != before


async def test_file_opens_by_its_event_alone(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    content = "pièce jointe ".encode() * 500
    ciphertext, file = encrypt_file(content)
    assert b"jointe" not in ciphertext
    answer = ok(
        await alice.session.send("POST", "/_matrix/media/v3/upload", ciphertext, content_type="application/octet-stream")
    )
    body = {"msgtype": "m.file", "body": "note.odt", "file": {**file, "url": answer["content_uri"]}}
    message = await bob.wait_to_read(room_id, await alice.send(room_id, "m.room.message", body))
    raw = await download(bob.session, message.content["file"]["url"])
    assert raw.status == 200 and raw.body == ciphertext
    assert decrypt_file(raw.body, message.content["file"]) == content
    with pytest.raises(EncryptionError):
        decrypt_file(raw.body[:-1] + bytes([raw.body[-1] ^ 1]), message.content["file"])
