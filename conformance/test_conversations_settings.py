"""CNV-4 to CNV-6: a person's own settings of a conversation: pinned, when it notifies, muted."""

from __future__ import annotations

import pytest

from conformance.cast import Cast
from conformance.checks.answers import refused
from conformance.journeys import gathered
from scenarios import conversations
from scenarios.devices import Device
from scenarios.session import ok, path


@pytest.mark.rule("CNV-4")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_conversation_is_pinned_on_all_own_devices(cast: Cast, home: int) -> None:
    """What an agent or guest pins on one device is pinned on their other and a new one, for nobody else, until unpinned."""
    someone = await cast.guest() if home < 0 else await cast.agent(home)
    other = await cast.agent(1 - max(home, 0))
    first, theirs = await cast.devices([someone, other])
    second = await cast.device(someone)
    room_id = await gathered(theirs, first, externals=home < 0)
    where = path("user", someone.user_id, "rooms", room_id, "tags", "m.favourite")

    def is_pinned(device: Device) -> bool:
        return "m.favourite" in device.room(room_id).account_data.get("m.tag", {}).get("tags", {})

    ok(await someone.session.put(where, {"order": 0.25}))
    for device in (first, second):
        await device.wait_for("the pin", is_pinned)
    assert is_pinned(await cast.device(someone)), "the new device, which logs in after, has nothing pinned"
    await theirs.wait_to_read(room_id, await first.say(room_id, "épinglé"))
    assert not is_pinned(theirs), "the other person sees the pin"
    answer = await other.session.get(path("user", someone.user_id, "rooms", room_id, "tags"))
    refused(answer, "reading another's pins", "M_FORBIDDEN")

    ok(await someone.session.delete(where))
    await second.wait_for("the pin gone", lambda seen: not is_pinned(seen))


async def _unread(device: Device, room_id: str, event_id: str) -> tuple[int, int]:
    """Wait for a message, and for the counts that come with it; gives notifications and highlights."""
    await device.wait_for(f"the message {event_id}", lambda seen: event_id in seen.room(room_id).events)
    room = device.room(room_id)
    return room.notifications, room.highlights


async def _has_read(device: Device, room_id: str, event_id: str) -> None:
    ok(await device.session.post(path("rooms", room_id, "receipt", "m.read", event_id), {}))
    await device.wait_for("its counts at zero", lambda seen: seen.room(room_id).notifications == 0)


def _is_quiet(device: Device, room_id: str) -> bool:
    rules = device.account_data.get("m.push_rules", {}).get("global", {}).get("room", [])
    return any(each["rule_id"] == room_id and "notify" not in each["actions"] for each in rules)


@pytest.mark.rule("CNV-5")
@pytest.mark.parametrize("home", [0, 1])
async def test_notifications_of_a_conversation_are_set(cast: Cast, home: int) -> None:
    """Set to mentions only, a conversation notifies for a mention and not for a plain message; set back, for both.

    The person's other device, which judges by itself what is encrypted, is told of the setting.
    """
    listener, speaker = await cast.agents(home, 1 - home)
    ears, mouth = await cast.devices([listener, speaker])
    tablet = await cast.device(listener)
    room_id = await conversations.open_public(listener.session, cast.word("forum"))
    ok(await conversations.ask_to_join(speaker.session, room_id, listener.home.server_name))
    rule = path("pushrules", "global", "room", room_id)
    ok(await listener.session.put(rule, {"actions": ["notify"]}))

    plain = await mouth.say(room_id, "message un")
    assert await _unread(ears, room_id, plain) == (1, 0), "with all messages, a plain one notifies"
    await _has_read(ears, room_id, plain)

    ok(await listener.session.put(rule, {"actions": []}))
    quiet = await mouth.say(room_id, "message deux")
    assert await _unread(ears, room_id, quiet) == (0, 0), "with mentions only, a plain message notifies"
    await tablet.wait_for("the setting of the conversation", lambda seen: _is_quiet(seen, room_id))
    mention = await mouth.say(room_id, "message trois", **{"m.mentions": {"user_ids": [listener.user_id]}})
    assert await _unread(ears, room_id, mention) == (1, 1), "with mentions only, a mention does not notify"
    await _has_read(ears, room_id, mention)

    ok(await listener.session.put(rule, {"actions": ["notify"]}))
    again = await mouth.say(room_id, "message quatre")
    assert await _unread(ears, room_id, again) == (1, 0), "set back to all messages, a plain one does not notify"


@pytest.mark.rule("CNV-5")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_notifications_of_a_private_conversation_are_set(cast: Cast, home: int) -> None:
    """An agent or guest has a private conversation notify for mentions only: its messages count nothing until set back.

    Whom a message mentions is encrypted there, so that their devices see to it: both are told of the setting.
    """
    listener = await cast.guest() if home < 0 else await cast.agent(home)
    ears, mouth = await cast.devices([listener, await cast.agent(1 - max(home, 0))])
    tablet = await cast.device(listener)
    room_id, other = [await gathered(mouth, ears, externals=home < 0, name=name) for name in ("calme", "autre")]
    before = await mouth.say(room_id, "avant")
    assert await _unread(ears, room_id, before) == (1, 0), "before it is set, a private conversation does not notify"
    await _has_read(ears, room_id, before)

    rule = path("pushrules", "global", "room", room_id)
    ok(await listener.session.put(rule, {"actions": []}))
    quiet = await mouth.say(room_id, "pendant")
    assert await _unread(ears, room_id, quiet) == (0, 0), "with mentions only, a message of a private conversation notifies"
    assert await _unread(ears, other, await mouth.say(other, "ailleurs")) == (1, 0), "another conversation does not notify"
    for device in (ears, tablet):
        await device.wait_for("the setting of the conversation", lambda seen: _is_quiet(seen, room_id))

    ok(await listener.session.put(rule, {"actions": ["notify"]}))
    again = await mouth.say(room_id, "après")
    assert (await _unread(ears, room_id, again))[0] >= 1, "set back to all messages, a private conversation does not notify"


@pytest.mark.rule("CNV-6")
@pytest.mark.parametrize("home", [0, 1, -1])
async def test_muted_conversation_is_silent_and_others_are_not(cast: Cast, home: int) -> None:
    """A conversation that an agent or guest mutes counts no notification though its messages come; another still notifies."""
    listener = await cast.guest() if home < 0 else await cast.agent(home)
    ears, mouth = await cast.devices([listener, await cast.agent(1 - max(home, 0))])
    muted, other = [await gathered(mouth, ears, externals=home < 0, name=name) for name in ("sourdine", "autre")]
    before = await mouth.say(muted, "avant")
    assert await _unread(ears, muted, before) == (1, 0), "before it is muted, a conversation does not notify"
    await _has_read(ears, muted, before)

    rule = path("pushrules", "global", "override", muted)
    condition = {"kind": "event_match", "key": "room_id", "pattern": muted}
    ok(await listener.session.put(rule, {"conditions": [condition], "actions": []}))
    heard = await mouth.say(muted, "pendant")
    assert await _unread(ears, muted, heard) == (0, 0), "a muted conversation notifies"
    assert (await ears.wait_to_read(muted, heard)).body == "pendant"
    assert await _unread(ears, other, await mouth.say(other, "ailleurs")) == (1, 0), "another conversation does not notify"

    ok(await listener.session.delete(rule))
    after = await mouth.say(muted, "après")
    assert (await _unread(ears, muted, after))[0] >= 1, "a conversation that is muted no more does not notify"


@pytest.mark.rule("CNV-6")
@pytest.mark.parametrize("home", [0, 1])
async def test_muted_public_room_is_silent(cast: Cast, home: int) -> None:
    """A public room, where nothing is encrypted, notifies; muted, it does so neither for a message nor for a mention."""
    listener, speaker = await cast.agents(home, 1 - home)
    ears, mouth = await cast.devices([listener, speaker])
    room_id = await conversations.open_public(listener.session, cast.word("forum"))
    ok(await conversations.ask_to_join(speaker.session, room_id, listener.home.server_name))
    named = {"m.mentions": {"user_ids": [listener.user_id]}}
    before = await mouth.say(room_id, "avant", **named)
    assert await _unread(ears, room_id, before) == (1, 1), "before it is muted, a public room does not notify for a mention"
    await _has_read(ears, room_id, before)

    condition = {"kind": "event_match", "key": "room_id", "pattern": room_id}
    rule = path("pushrules", "global", "override", room_id)
    ok(await listener.session.put(rule, {"conditions": [condition], "actions": []}))
    plain = await mouth.say(room_id, "pendant")
    assert await _unread(ears, room_id, plain) == (0, 0), "a muted public room notifies"
    mention = await mouth.say(room_id, "pendant", **named)
    assert await _unread(ears, room_id, mention) == (0, 0), "a muted public room notifies for a mention"

    ok(await listener.session.delete(rule))
    after = await mouth.say(room_id, "après")
    assert (await _unread(ears, room_id, after))[0] >= 1, "a public room that is muted no more does not notify"
