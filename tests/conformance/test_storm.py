"""What holds servers to what they acknowledged turns red for each way of not keeping it, and for its own reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.storm import Letter, Speaker, _judge, _missing
from fixtures.deployment import Homeserver
from scenarios.devices import Device

HOME = Homeserver(name="agents-1", server_name="un.example", url="https://un.example")


def spoken(sender: str, number: int) -> Speaker:
    device = SimpleNamespace(session=SimpleNamespace(who=sender), user_id=f"@{sender}:un.example")
    letters = [Letter(f"{sender} {each}", {}, event_id=f"${sender}{each}") for each in range(number)]
    return Speaker(cast(Device, device), HOME, "!salon:un.example", letters)


def timeline(*speaking: Speaker) -> list[dict[str, Any]]:
    """What a sound server shows: everybody's in turn."""
    turns = zip(*(each.letters for each in speaking), strict=True)
    senders = [each.device.user_id for each in speaking]
    return [
        {
            "event_id": letter.event_id,
            "type": "m.room.encrypted",
            "sender": sender,
            "content": {"ciphertext": f"chiffré {letter.text}"},
        }
        for turn in turns
        for sender, letter in zip(senders, turn, strict=True)
    ]


def test_a_sound_timeline_passes() -> None:
    speaking = [spoken("awa", 4), spoken("bruno", 4)]
    _judge("agents-1", timeline(*speaking), speaking)
    assert _missing(timeline(*speaking), speaking[0].letters) == []


def test_a_forgotten_message_is_missing() -> None:
    awa = spoken("awa", 3)
    assert _missing([timeline(awa)[0], timeline(awa)[2]], awa.letters) == ["$awa1"]


def test_an_event_that_is_shown_twice_is_doubled() -> None:
    awa = spoken("awa", 3)
    shown = timeline(awa)
    with pytest.raises(AssertionError, match="doubled: it shows 1 messages more than once"):
        _judge("agents-1", [*shown, shown[1]], [awa])


def test_a_message_in_two_events_is_doubled() -> None:
    """A retry after the crash that was taken for another message."""
    awa = spoken("awa", 3)
    shown = timeline(awa)
    with pytest.raises(AssertionError, match="doubled: 1 messages are there in several events"):
        _judge("agents-1", [*shown, {**shown[1], "event_id": "$another"}], [awa])


def test_two_messages_of_one_sender_in_the_wrong_order_are_reordered() -> None:
    speaking = [spoken("awa", 3), spoken("bruno", 3)]
    shown = timeline(*speaking)
    shown[0], shown[2] = shown[2], shown[0]
    with pytest.raises(AssertionError, match="reordered: message 2 of awa"):
        _judge("agents-1", shown, speaking)


def test_messages_of_several_senders_may_come_in_any_order() -> None:
    speaking = [spoken("awa", 3), spoken("bruno", 3)]
    shown = timeline(*speaking)
    _judge("agents-1", shown[::2] + shown[1::2], speaking)
