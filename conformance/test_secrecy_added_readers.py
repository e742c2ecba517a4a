"""E2E-9: the server cannot add a reader behind people's backs ("Confidentialité et sécurité des échanges").

A homeserver that was taken over answers `/keys/query` and `/keys/claim` as it likes; the lie is put in between it and one
client. Who keeps the rule is that client: it has to notice, and to give the added device nothing. Of a person whose keys it
sees for the first time it can only take what the server shows; that is what comparing them by other means is for.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import vodozemac

from conformance.cast import Cast
from conformance.journeys import gathered
from conformance.tampering import Tampering, client_lied_to
from scenarios.backup import Backup, UntrustedBackup
from scenarios.devices import Device
from scenarios.people import Person
from scenarios.trust import CrossSigning, IdentityChanged, Trust, canonical
from scenarios.wire import until

_ADDED = "AJOUTE"


class Intruder:
    """A device that the server made up, in somebody's name."""

    def __init__(self, user_id: str, device_id: str = _ADDED) -> None:
        """Make its keys."""
        self.user_id, self.device_id, self.account = user_id, device_id, vodozemac.Account()
        self.account.generate_one_time_keys(5)

    def keys(self) -> dict[str, Any]:
        """Give its device keys, signed by itself as the specification wants."""
        keys = {
            f"curve25519:{self.device_id}": self.account.curve25519_key.to_base64(),
            f"ed25519:{self.device_id}": self.account.ed25519_key.to_base64(),
        }
        algorithms = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"]
        return self.signed({"user_id": self.user_id, "device_id": self.device_id, "algorithms": algorithms, "keys": keys})

    def one_time_key(self, *, signed: bool = True) -> dict[str, Any]:
        """Give a one-time key of it, as `/keys/claim` answers."""
        key: dict[str, Any] = {"key": next(iter(self.account.one_time_keys.values())).to_base64()}
        return {"signed_curve25519:AAAAAQ": self.signed(key) if signed else key}

    def signed(self, content: dict[str, Any]) -> dict[str, Any]:
        """Sign an object with the device's own key."""
        signature = self.account.sign(canonical(content)).to_base64()
        return {**content, "signatures": {self.user_id: {f"ed25519:{self.device_id}": signature}}}

    def was_given(self, lies: Tampering) -> list[str]:
        """Tell which to-device messages of a client were for it: by its name, or under its key."""
        key = self.account.curve25519_key.to_base64()
        found = [where for where, body in lies.sent if self.device_id == _ADDED and _ADDED in json.dumps(body.get("messages"))]
        return found + [where for where, body in lies.sent if "/sendToDevice/" in where and key in json.dumps(body)]


async def _signing(person: Person, device: Device) -> None:
    """Have a person sign the device they have."""
    signing = await CrossSigning.create(device.session, person.identity.password)
    await signing.verify(device.session, device.session.device_id)


async def _sees_signature(viewer: Device, owner: Device) -> None:
    """Wait until somebody's server has the signature of the other's device."""

    async def seen() -> bool | None:
        await viewer.machine.query([owner.user_id])
        told = viewer.machine.identities.trust(owner.user_id, owner.session.device_id)
        return True if told is Trust.VERIFIED else None

    missing = f"the signature of {owner.session.who}'s device, for {viewer.session.who}"
    await until(viewer.session.transport, seen, deadline=20, missing=missing, pause=0.1)


async def _pair(cast: Cast, home: int) -> tuple[Device, Device, Tampering, str]:
    """Give somebody whose server will lie, somebody who signed their device, the lies, and their conversation."""
    lies = Tampering(cast.transport)
    sender = await client_lied_to(cast, await cast.agent(home), lies)
    friend = await cast.agent(1 - home)
    receiver = await cast.device(friend)
    await _signing(friend, receiver)
    room_id = await gathered(sender, receiver)
    await _sees_signature(sender, receiver)
    await receiver.wait_to_read(room_id, await sender.say(room_id, "Avant que le serveur ne mente."))
    return sender, receiver, lies, room_id


@pytest.mark.rule("E2E-9")
@pytest.mark.parametrize("home", [0, 1])
async def test_added_device_gets_nothing_and_is_noticed(cast: Cast, home: int) -> None:
    """A device that the server adds to somebody is told from theirs, and no key goes to it; the true device reads on."""
    sender, receiver, lies, room_id = await _pair(cast, home)
    intruder = Intruder(receiver.user_id)

    def add(answer: dict[str, Any]) -> None:
        answer["device_keys"].setdefault(receiver.user_id, {})[_ADDED] = intruder.keys()

    def lend(answer: dict[str, Any]) -> None:
        answer["one_time_keys"].setdefault(receiver.user_id, {})[_ADDED] = intruder.one_time_key()

    lies.in_answers("/keys/query", add)
    lies.in_answers("/keys/claim", lend)
    event_id = await sender.say(room_id, cast.word("entre nous"))
    assert not intruder.was_given(lies), "a room key went to the device that the server added"
    assert sender.machine.identities.trust(receiver.user_id, _ADDED) is Trust.UNVERIFIED, "the added device passes for signed"
    assert sender.machine.identities.trust(receiver.user_id, receiver.session.device_id) is Trust.VERIFIED
    await receiver.wait_to_read(room_id, event_id)


@pytest.mark.rule("E2E-9")
@pytest.mark.parametrize("how", ["not signed", "signed anew"])
async def test_swapped_keys_of_a_known_device_are_not_taken(cast: Cast, how: str) -> None:
    """The server shows its own keys for a device that is known: no key goes to them, and afterwards the true device reads."""
    sender, receiver, lies, room_id = await _pair(cast, 0)
    device_id = receiver.session.device_id
    intruder = Intruder(receiver.user_id, device_id)

    def swap(answer: dict[str, Any]) -> None:
        if how == "signed anew":
            answer["device_keys"][receiver.user_id][device_id] = intruder.keys()
        else:
            answer["device_keys"][receiver.user_id][device_id]["keys"] = intruder.keys()["keys"]

    def lend(answer: dict[str, Any]) -> None:
        answer["one_time_keys"].setdefault(receiver.user_id, {})[device_id] = intruder.one_time_key()

    lies.in_answers("/keys/query", swap)
    lies.in_answers("/keys/claim", lend)
    # A client that takes them sees the same devices as before, and would give them a key with the next one alone.
    sender.machine.forget_room_key(room_id)
    await sender.say(room_id, cast.word("entre nous"))
    assert not intruder.was_given(lies), "a room key went to the keys that the server put in another's place"
    told = sender.machine.identities.trust(receiver.user_id, device_id)
    assert told is not Trust.VERIFIED, "the swapped keys pass for signed"
    lies.honest()
    await receiver.wait_to_read(room_id, await sender.say(room_id, "Le serveur dit vrai."))


@pytest.mark.rule("E2E-9")
async def test_swapped_identity_stops_the_conversation(cast: Cast) -> None:
    """The server shows another master key for somebody, with a device signed by it: the sender's client sends nothing.

    Once the server shows the known identity again the conversation goes on.
    """
    sender, receiver, lies, room_id = await _pair(cast, 0)
    intruder, false = Intruder(receiver.user_id), CrossSigning(receiver.user_id)

    def swap(answer: dict[str, Any]) -> None:
        public = false.public()
        answer.setdefault("master_keys", {})[receiver.user_id] = public["master_key"]
        answer.setdefault("self_signing_keys", {})[receiver.user_id] = public["self_signing_key"]
        device = intruder.keys()
        device["signatures"][receiver.user_id] |= false.signed(device)["signatures"][receiver.user_id]
        answer["device_keys"][receiver.user_id][_ADDED] = device

    lies.in_answers("/keys/query", swap)
    noticed = False
    try:
        await sender.say(room_id, cast.word("entre nous"))
    except IdentityChanged:
        noticed = True
    assert noticed, "the sender's client does not notice that somebody's identity was swapped"
    assert not intruder.was_given(lies), "a room key went to the device that the server added"
    lies.honest()
    await receiver.wait_to_read(room_id, await sender.say(room_id, "Le serveur dit vrai."))


@pytest.mark.rule("E2E-9")
@pytest.mark.parametrize("signed", [False, True])
async def test_one_time_key_of_the_servers_own_opens_nothing(cast: Cast, signed: bool) -> None:
    """The server hands out a one-time key of its own for a true device, unsigned or signed by another: nothing goes by it.

    After an honest answer the device reads what is said next.
    """
    lies = Tampering(cast.transport)
    sender = await client_lied_to(cast, await cast.agent(0), lies)
    receiver = await cast.device(await cast.agent(1))
    room_id = await gathered(sender, receiver)
    intruder = Intruder(receiver.user_id, receiver.session.device_id)

    def lend(answer: dict[str, Any]) -> None:
        answer["one_time_keys"][receiver.user_id] = {receiver.session.device_id: intruder.one_time_key(signed=signed)}

    lies.in_answers("/keys/claim", lend)
    lost = await sender.say(room_id, cast.word("entre nous"))
    shares = [body for where, body in lies.sent if "/sendToDevice/" in where]
    assert not shares, "a room key was given by a one-time key that the device did not sign"
    lies.honest()
    sender.machine.forget_room_key(room_id)
    await receiver.wait_to_read(room_id, await sender.say(room_id, "Le serveur dit vrai."))
    unread = receiver.message(room_id, lost)
    assert unread is not None and not unread.readable, "what was given to nobody can be read"


@pytest.mark.rule("E2E-9")
async def test_recipient_tells_a_message_of_an_added_device(cast: Cast) -> None:
    """A device that somebody did not sign, as one added in their name, shows as such by what it sends."""
    author = await cast.agent(0)
    first = await cast.device(author)
    await _signing(author, first)
    second = await cast.device(author)
    reader = await cast.device(await cast.agent(1))
    room_id = await gathered(first, reader)
    await second.wait_for("the conversation", lambda seen: seen.room(room_id).membership == "join")
    await _sees_signature(reader, first)
    for device, told in ((first, Trust.VERIFIED), (second, Trust.UNVERIFIED)):
        event_id = await device.say(room_id, "C’est moi.")
        await reader.wait_to_read(room_id, event_id)
        found = await reader.machine.trust_in(reader.room(room_id).events[event_id])
        assert found is told, f"a message of a device that is {told.value} shows as {found.value}"


@pytest.mark.rule("E2E-9", "E2E-5")
@pytest.mark.parametrize("signature", ["none", "of the true key", "of an added device"])
async def test_backup_of_the_servers_own_is_given_no_key(cast: Cast, signature: str) -> None:
    """The server shows somebody's device another backup than theirs, which it could read: the device puts nothing into it.

    Into the true one, which their first device signed, it does, and the recovery code opens it.
    """
    owner, friend = await cast.agents(0, 0)
    first, theirs = await cast.devices([owner, friend])
    _backup, code = await Backup.create(first.session, first.machine)
    lies = Tampering(cast.transport)
    second = await client_lied_to(cast, owner, lies)
    signing = await CrossSigning.create(first.session, owner.identity.password)
    for device in (first, second):
        await signing.verify(first.session, device.session.device_id)
        for viewer in (second, theirs):
            await _sees_signature(viewer, device)
    room_id = await gathered(theirs, first)
    await second.wait_to_read(room_id, await theirs.say(room_id, cast.word("entre nous")))
    intruder = Intruder(owner.user_id)
    swapped: dict[str, Any] = {"public_key": vodozemac.Curve25519SecretKey().public_key().to_base64()}

    def swap(answer: dict[str, Any]) -> None:
        kept = {"none": {}, "of the true key": {"signatures": answer["auth_data"]["signatures"]}}
        answer["auth_data"] = intruder.signed(swapped) if signature not in kept else {**swapped, **kept[signature]}

    def add(answer: dict[str, Any]) -> None:
        answer["device_keys"].setdefault(owner.user_id, {})[_ADDED] = intruder.keys()

    lies.in_answers("/room_keys/version", swap)
    lies.in_answers("/keys/query", add)
    await second.machine.query([owner.user_id])
    with pytest.raises(UntrustedBackup):
        await (await Backup.continued(second.session, second.machine)).store(second.machine.room_keys())
    assert not [where for where, _ in lies.sent if "/room_keys/keys" in where], "a key went into the server's own backup"

    lies.honest()
    await (await Backup.continued(second.session, second.machine)).store(second.machine.room_keys())
    stored = await (await Backup.current(first.session)).restore(code)
    assert room_id in {key.room_id for key in stored}, "the true backup lacks the key"
