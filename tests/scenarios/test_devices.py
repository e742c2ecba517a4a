"""Devices against a real homeserver: who reads what, and who does not."""

from __future__ import annotations

import pytest

from scenarios.session import ok, path
from scenarios.wire import NotInTime

from .conftest import People


async def test_two_people_three_devices_read_each_other(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    second = await people.another(bob)
    room_id = await people.gather(alice, bob, second)
    for writer in (alice, bob, second, alice):
        event_id = await writer.say(room_id, f"de {writer.session.who}, été")
        for reader in (alice, bob, second):
            message = await reader.wait_to_read(room_id, event_id)
            assert (message.body, message.sender, message.encrypted) == (
                f"de {writer.session.who}, été",
                writer.user_id,
                True,
            )
    raw = ok(await bob.session.get(path("rooms", room_id, "event", event_id)))
    assert raw["type"] == "m.room.encrypted" and "été" not in str(raw)


async def test_a_room_key_is_there_before_the_message(people: People) -> None:
    """Alice gives the room's key ahead: Bob holds it while she has said nothing, and what she says is told with it."""
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    await alice.prepare(room_id)
    await bob.wait_for("the room's key", lambda seen: bool(seen.machine.room_keys()))
    (key,) = bob.machine.room_keys()
    assert (key.room_id, bob.messages(room_id)) == (room_id, [])
    said = await alice.say(room_id, "prête")
    assert (await bob.wait_to_read(room_id, said)).body == "prête"
    raw = ok(await bob.session.get(path("rooms", room_id, "event", said)))
    assert raw["content"]["session_id"] == key.session_id


async def test_device_that_came_later_reads_what_follows_alone(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    before = await alice.say(room_id, "avant")
    await bob.wait_to_read(room_id, before)
    late = await people.another(bob)
    after = await alice.say(room_id, "après")
    assert (await late.wait_to_read(room_id, after)).body == "après"
    earlier = late.message(room_id, before)
    assert earlier is not None and not earlier.readable and "no session found" in earlier.why
    with pytest.raises(NotInTime, match=r"it came, but: .*no session found"):
        await late.wait_to_read(room_id, before, deadline=0.2)


async def test_invited_person_reads_from_the_invitation_on(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice)
    before = await alice.say(room_id, "avant")
    ok(await alice.session.post(path("rooms", room_id, "invite"), {"user_id": bob.user_id}))
    between = await alice.say(room_id, "invité")
    ok(await bob.session.post(path("join", room_id), {}))
    assert (await bob.wait_to_read(room_id, between)).body == "invité"
    message = bob.message(room_id, before)
    assert message is None or not message.readable


async def test_who_left_cannot_read_what_follows(people: People) -> None:
    alice, bob, carol = [await people.person(name) for name in ("alice", "bob", "carol")]
    room_id = await people.gather(alice, bob, carol)
    shared = await alice.say(room_id, "à tous")
    await carol.wait_to_read(room_id, shared)
    ok(await carol.session.post(path("rooms", room_id, "leave"), {}))
    after = await alice.say(room_id, "sans Carole")
    assert (await bob.wait_to_read(room_id, after)).body == "sans Carole"
    await carol.sync()
    assert carol.room(room_id).membership == "leave"
    # Even with the event itself in hand, as somebody would have it who reads the whole traffic.
    carol.room(room_id).events[after] = ok(await bob.session.get(path("rooms", room_id, "event", after)))
    message = carol.message(room_id, after)
    assert message is not None and not message.readable
    assert carol.message(room_id, shared).readable  # type: ignore[union-attr]


async def test_long_absence_is_filled(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    sent = [await alice.say(room_id, f"numéro {number}") for number in range(60)]
    await bob.wait_to_read(room_id, sent[-1])
    read = [message for message in bob.messages(room_id) if message.event_id in set(sent)]
    assert [message.event_id for message in read] == sent
    assert all(message.readable for message in read), [message.why for message in read if message.why][:1]


async def test_message_does_not_go_in_clear_before_the_room_is_known(people: People) -> None:
    """A room that the device has not joined by its own syncs might be encrypted: nothing is sent."""
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice)
    with pytest.raises(NotInTime, match="joined"):
        await bob.send(room_id, "m.room.message", {"msgtype": "m.text", "body": "en clair ?"})


async def test_what_is_missing_is_said(people: People) -> None:
    alice = await people.person("alice")
    with pytest.raises(NotInTime, match=r"alice did not see the moon within 0\.2 s; it knows "):
        await alice.wait_for("the moon", lambda seen: False, deadline=0.2)


async def test_unread_counts_tags_and_receipts_are_kept(people: People) -> None:
    alice, bob = await people.person("alice"), await people.person("bob")
    room_id = await people.gather(alice, bob)
    event_id = await alice.say(room_id, "lisez")
    await bob.wait_for("an unread message", lambda seen: seen.room(room_id).notifications == 1)
    tag = path("user", bob.user_id, "rooms", room_id, "tags", "m.favourite")
    ok(await bob.session.put(tag, {"order": 0.5}))
    await bob.wait_for("the tag", lambda seen: "m.tag" in seen.room(room_id).account_data)
    ok(await bob.session.post(path("rooms", room_id, "receipt", "m.read", event_id), {}))
    await alice.wait_for("the receipt", lambda seen: event_id in seen.room(room_id).receipts)
    await bob.wait_for("no unread message", lambda seen: seen.room(room_id).notifications == 0)
