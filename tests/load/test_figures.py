"""Requests are named for statistics without what is somebody's: one line for all of a kind, and nobody's name in it."""

from __future__ import annotations

import pytest

from load.measuring.figures import Figures, name_of
from scenarios.wire import Request

CLIENT = "https://127.0.0.1:1/_matrix/client/v3"


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("/rooms/!a%3Aun/send/m.room.encrypted/vigie-00ff", "rooms/·/send/m.room.encrypted/·"),
        ("/sendToDevice/m.room.encrypted/vigie-00ff", "sendToDevice/m.room.encrypted/·"),
        ("/user_directory/search", "user_directory/search"),
        ("/rooms/!a%3Aun/receipt/m.read/%24event", "rooms/·/receipt/m.read/·"),
    ],
)
def test_a_request_is_named_by_its_kind(where: str, name: str) -> None:
    assert name_of(CLIENT + where) == name


def test_messages_to_devices_are_one_line_and_nothing_is_remembered_of_each() -> None:
    figures = Figures()
    for number in range(100):
        figures.exchange(Request("PUT", f"{CLIENT}/sendToDevice/m.room.encrypted/vigie-{number:016x}"), 200, 0.01, 2)
    assert list(figures._sums) == [("PUT", "sendToDevice/m.room.encrypted/·")] and len(figures._names) == 1
