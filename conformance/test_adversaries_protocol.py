"""E2E-8, E2E-9, DEV-3: a server that was taken over lies about events and keys, as an adversary makes them up."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from conformance.adversaries.driving import Adversary
from conformance.adversaries.forging import (
    KNOWN_EVENTS,
    KNOWN_IDENTITIES,
    KNOWN_KEYS,
    Forgery,
    Intruder,
    altered_events,
    altered_identities,
    altered_keys,
)
from conformance.cast import Cast
from conformance.journeys import gathered
from conformance.tampering import Tampering, client_lied_to, to_device_in
from scenarios.devices import Device, Message
from scenarios.people import Person
from scenarios.trust import CrossSigning, IdentityChanged
from scenarios.wire import NotInTime

Json = dict[str, Any]


@dataclass
class _Scene:
    """Two writers and a reader, whose homeserver lies to them, in two conversations."""

    cast: Cast
    writers: Sequence[Device]
    reader: Device
    lies: Tampering
    here: str
    there: str
    forged: int = 0

    @classmethod
    async def set(cls, cast: Cast) -> _Scene:
        writers = await cast.devices(await cast.agents(0, 0))
        lies = Tampering(cast.transport)
        reader = await client_lied_to(cast, await cast.agent(1), lies)
        here, there = await gathered(writers[0], writers[1], reader), await gathered(writers[0], writers[1], reader)
        for writer in writers:
            await reader.wait_to_read(here, await writer.say(here, "bonjour"))
        return cls(cast, writers, reader, lies, here, there)

    def forged_id(self) -> str:
        self.forged += 1
        return f"$forged-{self.forged}-{self.cast.population.word()}"

    async def sees(self, room_id: str, *event_ids: str) -> None:
        """Wait until the reader has these events; whatever is in them, a client goes on."""
        try:
            await self.reader.wait_for("what was sent", lambda seen: set(event_ids) <= set(seen.room(room_id).events))
        except NotInTime:
            raise
        except Exception as error:
            raise AssertionError(f"what comes breaks the reader's client: {type(error).__name__}: {error}") from error

    def shown(self, room_id: str, event_id: str) -> Message | None:
        """Give what the reader is shown of an event; whatever is in it, a client goes on."""
        try:
            return self.reader.message(room_id, event_id)
        except Exception as error:
            raise AssertionError(f"what comes breaks the reader's client: {type(error).__name__}: {error}") from error


def _timeline(answer: Json, room_id: str) -> list[Json]:
    """Give the timeline of a room in an answer to `/sync`, which need not have had it."""
    room = answer.setdefault("rooms", {}).setdefault("join", {}).setdefault(room_id, {})
    events: list[Json] = room.setdefault("timeline", {}).setdefault("events", [])
    return events


@pytest.mark.rule("E2E-8")
@pytest.mark.long
def test_no_altered_message_is_shown_as_genuine(adversary: Adversary) -> None:
    """However a copy of a message is altered, redirected or replayed, the reader is shown the true one alone."""
    scene = adversary.run(_Scene.set(adversary.cast))
    writer, other = scene.writers

    async def attempt(forgery: Forgery) -> None:
        forged_id, done = scene.forged_id(), list[str]()
        where = scene.there if forgery.elsewhere else scene.here

        def slip_in(answer: Json) -> None:
            timeline = _timeline(answer, scene.here)
            for event in list(timeline):
                if event.get("type") == "m.room.encrypted" and event.get("sender") == writer.user_id and not done:
                    known = scene.reader.room(scene.here).events.values()
                    others = [each for each in known if each.get("sender") == other.user_id]
                    forged = {**copy.deepcopy(event), "event_id": forged_id}
                    for alteration in forgery.alterations:
                        alteration.apply(forged, others)
                    target = _timeline(answer, where)
                    target.insert(0 if forgery.first else len(target), forged)
                    done.append(event["event_id"])

        scene.lies.honest()
        scene.lies.in_answers("/sync", slip_in)
        text = scene.cast.word("vraiment dit")
        event_id = await writer.say(scene.here, text)
        await scene.sees(scene.here, event_id)
        await scene.sees(where, forged_id)
        order = [(where, forged_id), (scene.here, event_id)]
        shown = {each[1]: scene.shown(*each) for each in (order if forgery.first else reversed(order))}
        genuine, forged = shown[event_id], shown[forged_id]
        if forged is not None and forged.readable and forged.type in ("m.room.message", "m.sticker"):
            same = (forged.sender, forged.body) == (writer.user_id, text) and where == scene.here
            assert same and forgery.first, f"it is shown as {forged.sender}'s: {forged.body!r}"
            assert genuine is not None and not genuine.readable, "the message and its copy are both shown"
        else:
            assert genuine is not None and genuine.readable, f"the true message is not shown: {genuine and genuine.why}"
            assert (genuine.sender, genuine.body) == (writer.user_id, text)

    adversary.hunt(altered_events(), attempt, examples=30, known=KNOWN_EVENTS)


@pytest.mark.rule("E2E-8", "E2E-9")
@pytest.mark.long
def test_no_altered_room_key_is_taken(adversary: Adversary) -> None:
    """However a room key is altered on its way, the reader's device takes in the true one alone, from its true giver."""
    scene = adversary.run(_Scene.set(adversary.cast))
    writer, other = scene.writers
    machine = scene.reader.machine

    def held() -> set[tuple[str, str, str]]:
        return {(key.session_id, key.sender_key, key.sender_signing_key) for key in machine.room_keys()}

    async def attempt(forgery: Forgery) -> None:
        known, done = held(), list[Json]()
        earlier = [each for each in to_device_in(scene.lies.syncs) if each.get("sender") == other.user_id]

        def slip_in(answer: Json) -> None:
            events = answer.setdefault("to_device", {}).setdefault("events", [])
            for event in list(events):
                if event.get("sender") == writer.user_id and not done:
                    forged = copy.deepcopy(event)
                    for alteration in forgery.alterations:
                        alteration.apply(forged, earlier)
                    events.insert(0 if forgery.first else len(events), forged)
                    done.append(event)

        scene.lies.honest()
        scene.lies.in_answers("/sync", slip_in)
        writer.machine.forget_room_key(scene.here)
        text = scene.cast.word("sous une nouvelle clé")
        event_id = await writer.say(scene.here, text)
        await scene.sees(scene.here, event_id)
        raw = scene.reader.room(scene.here).events[event_id]["content"]
        true = {key for key in held() - known if key[:2] == (raw["session_id"], raw["sender_key"])}
        others = held() - known - true
        assert not others, f"a key came in that nobody gave: session {sorted(key[0] for key in others)}"
        message = scene.shown(scene.here, event_id)
        if not forgery.first:
            assert message is not None and message.readable, f"the true key does not open: {message and message.why}"
        if message is not None and message.readable:
            assert (message.sender, message.body) == (writer.user_id, text)

    adversary.hunt(altered_keys(), attempt, examples=20, known=KNOWN_KEYS)


def _keys_sent_to(sent: Sequence[tuple[str, Json]]) -> set[tuple[str, str, str]]:
    """Give each person, device and identity key that a to-device message went out for."""
    found = set()
    for where, body in sent:
        if "/sendToDevice/" not in where:
            continue
        for user, devices in body.get("messages", {}).items():
            for device, content in devices.items():
                found |= {(user, device, key) for key in _ciphertexts(content)}
    return found


def _ciphertexts(content: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = content.get("ciphertext", {})
    return found


@pytest.mark.rule("E2E-9")
@pytest.mark.long
def test_no_lie_about_devices_adds_a_reader(adversary: Adversary) -> None:
    """Whatever a server says of somebody's devices and keys, who writes to them gives room keys to their own devices alone."""
    cast = adversary.cast

    async def scene() -> tuple[Person, Device, Device, str, Tampering, str]:
        owner, author = await cast.agents(1, 0)
        theirs = await cast.device(owner)
        signing = await CrossSigning.create(theirs.session, owner.identity.password)
        await signing.verify(theirs.session, theirs.session.device_id)
        lies = Tampering(cast.transport)
        writer = await client_lied_to(cast, author, lies)
        room_id = await gathered(writer, theirs)
        await theirs.wait_to_read(room_id, await writer.say(room_id, "bonjour"))
        answer = await writer.session.post("/keys/query", {"device_keys": {owner.user_id: []}})
        device_id = theirs.session.device_id
        key = answer.json()["device_keys"][owner.user_id][device_id]["keys"][f"curve25519:{device_id}"]
        return owner, theirs, writer, room_id, lies, key

    owner, theirs, writer, room_id, lies, key = adversary.run(scene())
    number = itertools.count(1)

    async def attempt(told: tuple[str, ...]) -> None:
        intruder = Intruder(owner.user_id, theirs.session.device_id, f"INTRUDER{next(number)}")
        lies.honest()
        lies.sent.clear()
        for how in told:
            lies.in_answers("/keys/query", partial(intruder.lie_about_devices, how))
            lies.in_answers("/keys/claim", partial(intruder.lie_about_one_time_keys, how))
        writer.machine.forget_room_key(room_id)
        try:
            await writer.say(room_id, cast.word("entre nous"))
        except IdentityChanged:
            # Noticed: nothing is sent until people have cleared it up.
            assert not _keys_sent_to(lies.sent), "the change is noticed, and a key went out all the same"
        reached = {each for each in _keys_sent_to(lies.sent) if each[0] == owner.user_id}
        wrong = {each for each in reached if each[1:] != (theirs.session.device_id, key)}
        assert not wrong, f"a room key goes to {sorted(device for _user, device, _key in wrong)}"
        lies.honest()
        writer.machine.forget_room_key(room_id)
        text = cast.word("de nouveau")
        message = await theirs.wait_to_read(room_id, await writer.say(room_id, text))
        assert message.body == text, "once nobody lies any more, the owner's device does not read"

    adversary.hunt(altered_identities(), attempt, examples=10, known=KNOWN_IDENTITIES, told=" and ".join)
