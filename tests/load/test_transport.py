"""The crowd's transport, against peers that answer as they should, and as they should not."""

from __future__ import annotations

import asyncio
import socket
import time

import gevent
import pytest

from load.driver import Suspended, drive
from load.transport import GeventTransport, HalfAnswer, PatientTransport
from scenarios.wire import Request, Response, TimedOut, Unreachable
from tests.load.peers import answer, peer, request_of


def ask(transport: GeventTransport, url: str, method: str = "GET", body: bytes | None = None, timeout: float = 5.0) -> Response:
    return drive(transport.send(Request(method, url, {"Authorization": "Bearer sesame"}, body, timeout)))


def echoes(connection: socket.socket, _number: int) -> None:
    while request := request_of(connection):
        connection.sendall(answer(request))


def test_a_request_goes_out_whole_and_the_connection_is_used_again() -> None:
    """Two requests of an agent go over one connection, with their headers and bodies."""
    with peer(echoes) as (url, came):
        transport = GeventTransport(None)
        first = ask(transport, f"{url}/a?b=c", "PUT", b'{"d":1}')
        second = ask(transport, f"{url}/e")
        assert first.status == 200 and first.headers["content-length"] == str(len(first.body))
        assert first.body.startswith(b"PUT /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
        assert b"Authorization: Bearer sesame\r\n" in first.body and first.body.endswith(b'\r\n\r\n{"d":1}')
        assert second.body.startswith(b"GET /e HTTP/1.1") and came == [0]
        transport.close()


def test_chunked_and_trickling_answers_are_read_whole() -> None:
    """An answer in chunks, and in pieces of a byte, is the same answer."""
    whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"

    def trickles(connection: socket.socket, _number: int) -> None:
        while request_of(connection):
            for number in range(len(whole)):
                connection.sendall(whole[number : number + 1])

    with peer(trickles) as (url, came):
        transport = GeventTransport(None)
        assert [ask(transport, url + "/").body for _ in range(2)] == [b"hello world"] * 2 and came == [0]


def test_nothing_is_sent_twice() -> None:
    """A server that takes a request and hangs up is an error for the act, and sees the request once."""
    seen: list[bytes] = []

    def hangs_up(connection: socket.socket, number: int) -> None:
        if number == 0:
            connection.sendall(answer(request_of(connection)))
        seen.append(request_of(connection))

    with peer(hangs_up) as (url, _came):
        transport = GeventTransport(None)
        assert ask(transport, url + "/first").status == 200
        with pytest.raises(Unreachable, match=r"PUT .*: the connection ended before any answer"):
            ask(transport, url + "/second", "PUT", b"{}")
        assert len([each for each in seen if b"/second" in each]) == 1


def test_a_connection_that_was_closed_while_idle_is_not_used() -> None:
    """Where the server closed an idle connection, the next request goes over a new one."""

    def once(connection: socket.socket, _number: int) -> None:
        connection.sendall(answer(request_of(connection)))

    with peer(once) as (url, came):
        transport = GeventTransport(None)
        for _ in range(2):
            assert ask(transport, url + "/").status == 200
            gevent.sleep(1.1)
        assert came == [0, 1]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "after 4 bytes of the answer's body"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "within the answer's head"),
        (b"\x15\x03\x01 this is no HTTP\r\n\r\n", "no HTTP answer"),
        (b"", "before any answer"),
    ],
)
def test_half_an_answer_is_no_answer(sent: bytes, said: str) -> None:
    """What breaks off, or is no HTTP, is told as that, and the connection is not used again."""

    def breaks_off(connection: socket.socket, _number: int) -> None:
        request_of(connection)
        connection.sendall(sent)

    with peer(breaks_off) as (url, came):
        transport = GeventTransport(None)
        for _ in range(2):
            with pytest.raises(HalfAnswer, match=said):
                ask(transport, url + "/")
        assert came == [0, 1]


def test_silence_ends_in_the_request_s_time() -> None:
    """A server that says nothing, and one that never ends, are given up after the request's time, not later."""

    def says_nothing(connection: socket.socket, number: int) -> None:
        request_of(connection)
        if number == 0:
            time.sleep(5)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    with peer(says_nothing) as (url, _came):
        transport = GeventTransport(None)
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(TimedOut, match=r"no answer within 0\.4 s"):
                ask(transport, url + "/", timeout=0.4)
            assert time.monotonic() - began < 2.0


def test_an_answer_to_somebody_who_was_killed_goes_to_nobody_else() -> None:
    """A request broken off in the middle takes its connection along: the next one gets its own answer."""

    def slowly(connection: socket.socket, number: int) -> None:
        request = request_of(connection)
        if number == 0:
            time.sleep(0.3)
        connection.sendall(answer(request.split(b" ")[1]))

    with peer(slowly) as (url, came):
        transport = GeventTransport(None)
        killed = gevent.spawn(ask, transport, url + "/killed")
        gevent.sleep(0.1)
        killed.kill()
        gevent.sleep(0.4)
        assert ask(transport, url + "/next").body == b"/next" and came == [0, 1]


def test_more_than_was_asked_for_ends_the_connection() -> None:
    """A server that sends two answers to one request is not asked again over the same connection."""

    def doubles(connection: socket.socket, number: int) -> None:
        while request_of(connection):
            connection.sendall(answer(b"%d" % number) * 2)

    with peer(doubles) as (url, came):
        transport = GeventTransport(None)
        assert [ask(transport, url + "/").body for _ in range(2)] == [b"0", b"1"] and came == [0, 1]


def test_patience_is_had_where_it_is_asked_for() -> None:
    """A 429 is waited out as long as the server says, counted, and then the request comes again."""

    def asks_for_patience(connection: socket.socket, _number: int) -> None:
        request_of(connection)
        connection.sendall(answer(b'{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":300}', "429 Too Many Requests"))
        request_of(connection)
        connection.sendall(answer(b'{"done":true}'))

    with peer(asks_for_patience) as (url, _came):
        limited: list[int] = []
        transport = PatientTransport(None, on_limited=lambda: limited.append(1))
        began = time.monotonic()
        assert ask(transport, url + "/").json() == {"done": True}
        assert limited == [1] and time.monotonic() - began >= 0.3


def test_patience_ends_with_the_request_s_time() -> None:
    """A server that only ever answers 429 gives the act a 429, within its time."""

    def refuses(connection: socket.socket, _number: int) -> None:
        while request_of(connection):
            connection.sendall(answer(b'{"retry_after_ms":200}', "429 Too Many Requests"))

    with peer(refuses) as (url, _came):
        assert ask(PatientTransport(None), url + "/", timeout=0.5).status == 429


def test_no_server_at_all_is_told_in_a_line() -> None:
    """A port nobody listens at, and a name nobody has, are told without the query, in which tokens could be."""
    with pytest.raises(Unreachable, match=r"^GET http://127\.0\.0\.1:1/x: Connection refused$"):
        ask(GeventTransport(None), "http://127.0.0.1:1/x?access_token=sesame")


def test_an_act_that_uses_asyncio_is_refused() -> None:
    """An act that suspends is closed at once, its `finally` run, and told."""
    ended: list[str] = []

    async def act() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            ended.append("finally")

    with pytest.raises(Suspended, match="asyncio"):
        drive(act())
    assert ended == ["finally"]


def test_tls_without_an_authority_is_refused() -> None:
    """Whom nobody said to trust is not talked to."""
    with peer(echoes) as (url, _came), pytest.raises(Unreachable, match="nobody said whom to trust"):
        ask(GeventTransport(None), url.replace("http:", "https:") + "/")
