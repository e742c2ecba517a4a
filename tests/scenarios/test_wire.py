"""The transport's words: what an answer tells, what waiting tells, and that acts suspend on nothing else."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest

from scenarios.devices import Device
from scenarios.session import Session, ok, path
from scenarios.wire import NotInTime, Request, Response, UnexpectedAnswer, until

T = TypeVar("T")


class Still:
    """A transport that never suspends; its clock goes on only when somebody sleeps."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers, self.sent, self.clock = answers, list[Request](), 0.0

    async def send(self, request: Request) -> Response:
        self.sent.append(request)
        where = urlsplit(request.url).path
        answer = next(answer for part, answer in self.answers.items() if part in where)
        return Response(200, {}, json.dumps(answer).encode(), request)

    async def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def now(self) -> float:
        return self.clock


def drive(act: Coroutine[Any, Any, T]) -> T:
    """Run an act to its end in one step, as the load side does."""
    try:
        act.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    act.close()
    raise AssertionError("the act suspended on something that is not its transport")


ROOM = "!r:h.test"
MEMBERS = [{"state_key": "@a:h.test", "content": {"membership": "join"}}]
ENCRYPTED = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


def test_acts_never_suspend_on_anything_but_the_transport() -> None:
    joined = {ROOM: {"state": {"events": [ENCRYPTED]}, "timeline": {"events": []}}}
    still = Still(
        {
            "/keys/upload": {"one_time_key_counts": {"signed_curve25519": 50}},
            "/keys/query": {"device_keys": {}, "failures": {}},
            "/sync": {"next_batch": "s1", "rooms": {"join": joined}},
            "/members": {"chunk": MEMBERS},
            "/send/": {"event_id": "$e"},
        }
    )
    session = Session(still, "https://h.test", "h.test", "@a:h.test", "DEVICE", "a-token")
    device = drive(Device(session).start())
    assert drive(device.say(ROOM, "bonjour")) == "$e"
    assert "/send/m.room.encrypted/" in still.sent[-1].url and b"bonjour" not in (still.sent[-1].body or b"")
    assert all("a-token" not in request.url for request in still.sent)
    with pytest.raises(NotInTime):
        drive(until(still, _nothing, deadline=1.0, missing="anything"))


async def _nothing() -> None:
    return None


def test_until_tells_what_was_missing_and_seen() -> None:
    still = Still({})
    with pytest.raises(NotInTime, match=r"not within 1 s: a mail; seen: two others"):
        drive(until(still, _nothing, deadline=1.0, missing="a mail", seen=lambda: "two others"))
    assert 1.0 <= still.clock < 1.1


def test_until_looks_once_even_when_no_time_is_left() -> None:
    async def found() -> int:
        return 0

    assert drive(until(Still({}), found, deadline=0.0, missing="anything")) == 0


def _answer(status: int, body: bytes) -> Response:
    return Response(status, {}, body, Request("GET", "https://h.test/_matrix/x?access_token=a-token"))


def test_unexpected_answer_tells_no_token() -> None:
    with pytest.raises(UnexpectedAnswer, match=r"GET /_matrix/x: 403 M_FORBIDDEN no") as caught:
        ok(_answer(403, b'{"errcode": "M_FORBIDDEN", "error": "no"}'))
    assert "a-token" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<html>a page</html>", b"[]", b'"text"', b"null", b"\xff"])
def test_success_that_is_no_json_object_is_no_success(body: bytes) -> None:
    """A page from a proxy taken for an empty result would make an absence pass for the wrong reason."""
    with pytest.raises(UnexpectedAnswer):
        ok(_answer(200, body))


def test_error_without_json_still_has_words() -> None:
    assert _answer(502, b"<html>").errcode == ""
    assert str(_answer(502, b"<html>")) == "GET /_matrix/x: 502"


def test_path_quotes_every_part() -> None:
    assert path("rooms", "!a/b:h.test", "état") == "/rooms/%21a%2Fb%3Ah.test/%C3%A9tat"
