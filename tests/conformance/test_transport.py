"""The conformance side's transport, against sockets that misbehave in true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from conformance.transport import AsyncTransport
from scenarios.wire import Request, Response, TimedOut, Unreachable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Told = list[tuple[Request, Response | None, str, float, float]]


@asynccontextmanager
async def _peer(reply: bytes | None) -> AsyncIterator[str]:
    """A server on loopback that gives these bytes and closes, or with None never answers."""
    release = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if reply is None:
            await release.wait()
        else:
            writer.write(reply)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        release.set()
        server.close()
        await server.wait_closed()


async def _tell(url: str, timeout: float = 5.0) -> tuple[Response | Exception, Told]:
    told: Told = []
    transport = AsyncTransport(None, (lambda *exchange: told.append(exchange),))
    try:
        return await transport.send(Request("GET", url + "/x?access_token=a-token", timeout=timeout, who="Anne")), told
    except (TimedOut, Unreachable) as error:
        return error, told
    finally:
        await transport.close()


async def test_exchange_is_told_with_its_answer() -> None:
    async with _peer(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 2\r\n\r\n{}") as url:
        answer, told = await _tell(url)
    assert isinstance(answer, Response) and answer.status == 302 and answer.headers["location"] == "/elsewhere"
    ((request, response, error, _, seconds),) = told
    assert request.who == "Anne" and response is answer and error == "" and seconds >= 0


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=["closed", "no HTTP", "cut short", "body does not unpack"],
)
async def test_broken_answer_is_unreachable_and_told(reply: bytes) -> None:
    async with _peer(reply) as url:
        error, told = await _tell(url)
    assert isinstance(error, Unreachable) and "a-token" not in str(error)
    assert told[0][1] is None and told[0][2]


async def test_address_without_a_server_is_unreachable_and_its_query_not_told() -> None:
    error, told = await _tell("http://")
    assert isinstance(error, Unreachable) and "a-token" not in str(error)
    assert told[0][1] is None and told[0][2] and "a-token" not in told[0][2]


async def test_silence_times_out_and_is_told() -> None:
    async with _peer(None) as url:
        error, told = await _tell(url, timeout=0.2)
    assert isinstance(error, TimedOut) and "0.2 s" in str(error) and "a-token" not in str(error)
    assert told[0][2] == "no answer in time"


async def test_nobody_there_is_unreachable() -> None:
    async with _peer(b"") as url:
        pass
    error, told = await _tell(url)
    assert isinstance(error, Unreachable) and len(told) == 1


@asynccontextmanager
async def _first_alone() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers the first request of a connection, and hangs up on the second; notes the request lines."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_request_that_broke_is_not_sent_again(method: str) -> None:
    async with _first_alone() as (url, asked):
        transport = AsyncTransport(None)
        try:
            assert (await transport.send(Request(method, url + "/one"))).status == 200
            with pytest.raises(Unreachable):
                await transport.send(Request(method, url + "/two"))
        finally:
            await transport.close()
    assert asked == [f"{method} /one HTTP/1.1".encode(), f"{method} /two HTTP/1.1".encode()]


async def test_paths_reach_the_server_as_they_are_written() -> None:
    written = "/a/../b//c%2Fd%2e/%C3%A9?to=%40anne%3Ax&q=a+b%20c"
    async with _first_alone() as (url, asked):
        transport = AsyncTransport(None)
        try:
            await transport.send(Request("GET", url + written))
        finally:
            await transport.close()
        assert asked == [f"GET {written} HTTP/1.1".encode()]


async def test_a_large_body_arrives_whole() -> None:
    got: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        got.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=2**22)
    body = bytes(range(256)) * 8192  # 2 MiB
    transport = AsyncTransport(None)
    try:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await transport.send(Request("POST", url + "/file", body=body))
    finally:
        await transport.close()
        server.close()
        await server.wait_closed()
    assert got == [body]
