"""DEV-3: a device that was removed, and whoever kept it."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest

from conformance.adversaries.driving import Adversary
from conformance.adversaries.removing import Scene
from conformance.adversaries.returning import KNOWN, Return, Thief, returns
from conformance.checks.answers import refused
from conformance.tampering import to_device_in
from scenarios.devices import Device
from scenarios.session import ok
from scenarios.trust import Trust

Json = dict[str, Any]


async def _try(scene: Scene, thief: Thief, shape: Return, keys: Json, said: Json) -> list[str]:
    """Do what the thief does; gives the ids of the events that the friend's homeserver passes off as the owner's."""
    forged: list[Json] = []
    slipped: list[Json] = []
    for trick in shape.tricks:
        match trick:
            case "its keys shown again":
                scene.lies.in_answers("/keys/query", partial(thief.shown_again, keys))
            case "its keys uploaded by another account":
                answer = await scene.helper_session.post("/keys/upload", {"device_keys": keys})
                assert answer.status in (200, 400, 403), f"the removed device's keys, uploaded by another account: {answer}"
            case "a message under its old room key":
                forged.append(thief.write("Virez cent mille euros."))
            case "a message of its replayed":
                forged.append(copy.deepcopy(said))
            case "its to-device messages replayed":
                slipped += [each for each in to_device_in(scene.lies.syncs) if each.get("sender") == scene.owner.user_id]
            case "a new room key over its old session":
                content = thief.new_room_key(scene.theirs)
                slipped.append({"type": "m.room.encrypted", "sender": scene.owner.user_id, "content": content})
                forged.append(thief.write("Virez tout."))
            case "a new room key sent by another account":
                content = thief.new_room_key(scene.theirs)
                messages = {scene.theirs.user_id: {scene.theirs.session.device_id: content}}
                where = f"/sendToDevice/m.room.encrypted/{scene.cast.population.word()}"
                ok(await scene.helper_session.put(where, {"messages": messages}))
                forged.append(thief.write("Virez le reste."))
            case "its old refresh token used":
                answer = await scene.helper_session.post("/refresh", {"refresh_token": thief.refresh_token})
                refused(answer, "the removed device's refresh token", "M_UNKNOWN_TOKEN", "M_FORBIDDEN", status=(401, 403))
    return scene.slip_in(forged, slipped)


async def _attempt(scene: Scene, shape: Return) -> None:
    scene.lies.honest()
    answer = await scene.log_in()
    lost = await scene.newcomer(answer)
    thief = Thief(lost, answer["refresh_token"], scene.room_id)
    await scene.shows_as(scene.own, thief)
    await scene.everybody_reads(lost)
    said, keys = await scene.says_something(lost)

    await scene.remove(shape.way, lost)
    taken, again = (trick in shape.tricks for trick in ("its id taken by a new login", "its keys shown again"))
    if taken and not again:
        await scene.takes_its_id(thief)
    for what, told in await thief.ask_for_all(shape):
        # The front looks for a token in the header alone.
        reasons = ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN") if shape.in_query else ("M_UNKNOWN_TOKEN",)
        refused(told, f"{what} with the token of the removed device", *reasons, status=401)
    await scene.shows_as(Trust.UNKNOWN, thief)
    if taken and again:
        # Who never saw the device gone could not tell that it was shown again.
        await scene.newcomer(await scene.log_in(device_id=lost.session.device_id))
    scene.forget_what_was_sent()
    forged = await _try(scene, thief, shape, keys, said)
    texts = {await writer.say(scene.room_id, scene.cast.word("après")): writer for writer in (scene.theirs, scene.kept)}
    for event_id in texts:
        for reader in (scene.theirs, scene.kept):
            await reader.wait_to_read(scene.room_id, event_id)
    assert thief.key not in scene.keys_sent_to(), "a room key goes to the removed device"
    lost.machine.overhear(each for each in to_device_in(scene.heard.syncs))
    for event_id in texts:
        opened = lost.machine.decrypt(scene.room_id, scene.kept.room(scene.room_id).events[event_id])
        assert not isinstance(opened, dict), "the removed device reads what was said after it was out"
    await _shows_as_nobodys(scene, forged, texts)


async def _shows_as_nobodys(scene: Scene, forged: list[str], texts: dict[str, Device]) -> None:
    """What the thief wrote is not shown, or shown as of no device of the owner; what the owner writes, as of one of theirs."""
    reader = scene.theirs
    await reader.wait_for("what the thief wrote", lambda seen: set(forged) <= set(seen.room(scene.room_id).events))
    for event_id in forged:
        message = reader.message(scene.room_id, event_id)
        assert message is not None
        shown = await reader.machine.trust_in(reader.room(scene.room_id).events[event_id])
        genuine = message.readable and shown is not Trust.UNKNOWN
        assert not genuine, f"what the removed device wrote after it was out shows as of a device that is {shown.value}"
    own = next(event_id for event_id, writer in texts.items() if writer is scene.kept)
    shown = await reader.machine.trust_in(reader.room(scene.room_id).events[own])
    assert shown is scene.own, f"what the owner writes shows as of a device that is {shown.value}"


@pytest.mark.rule("DEV-3")
@pytest.mark.parametrize("signs", [False, True], ids=["devices unsigned", "devices signed"])
@pytest.mark.long
def test_whoever_kept_a_removed_device_gets_and_says_nothing_more(adversary: Adversary, signs: bool) -> None:
    """However a device was removed and whatever is tried with it, it is refused, reads nothing and passes for nobody's."""
    scene = adversary.run(Scene.laid(adversary.cast, signs=signs))

    async def attempt(shape: Return) -> None:
        await _attempt(scene, shape)

    adversary.hunt(returns(), attempt, examples=2, known=KNOWN[signs::2])
