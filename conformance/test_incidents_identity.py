"""INC-9: the identity server is made to call inside addresses. Source: CVE-2021-29431."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest

from conformance.cast import Cast
from conformance.journeys import identity_server
from conformance.outcome import untestable
from scenarios.session import ok, path
from scenarios.wire import Request, Response, until


@dataclass
class Listener:
    """Something that listens inside, and counts who comes."""

    port: int
    calls: int = 0


@contextlib.asynccontextmanager
async def _listening() -> AsyncIterator[Listener]:
    listener = Listener(0)

    async def called(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.calls += 1
        writer.close()

    server = await asyncio.start_server(called, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener


async def _knock(listener: Listener) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.close()
    await writer.wait_closed()


def _names(port: int) -> list[str]:
    """Give names under which a server on this machine's inside might be reached."""
    return [
        f"127.0.0.1:{port}",
        f"localhost:{port}",
        f"127.1:{port}",
        f"2130706433:{port}",
        f"0.0.0.0:{port}",
        f"0:{port}",
        f"[::1]:{port}",
        f"[::ffff:127.0.0.1]:{port}",
        f"127.0.0.1:{port}/_matrix/x?",
        f"127.0.0.1:{port}#",
        f"x@127.0.0.1:{port}",
    ]


@pytest.mark.rule("INC-9")
@pytest.mark.needs("hostile")
async def test_identity_server_calls_no_inside_address(cast: Cast) -> None:
    """Whatever inside address is named to it as homeserver, the identity server calls nobody there; a true one it asks.

    Who listens inside is seen to be reachable, before and after. Told for an identity server on the harness's own machine.
    """
    server = identity_server(cast)
    if cast.deployment.kind != "embedded":
        raise untestable("an identity server on the harness's own machine, beside an address of which it must keep away")
    agent = await cast.agent()

    async def ask(where: str, body: Mapping[str, object], token: str = "") -> Response:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        content = json.dumps(body).encode()
        url = f"{server.url}/_matrix/identity/{where}"
        return await cast.transport.send(Request("POST", url, headers, content, who="somebody from outside"))

    opened = ok(await agent.session.post(path("user", agent.user_id, "openid", "request_token"), {}))
    token = str(ok(await ask("v2/account/register", opened)).get("token", ""))
    assert token, "the identity server does not let in who names a true homeserver"
    async with _listening() as listener:
        await _knock(listener)
        called: list[str] = []
        for name in _names(listener.port):
            before = listener.calls
            body = {"access_token": secrets.token_hex(8), "token_type": "Bearer", "matrix_server_name": name, "expires_in": 60}
            answer = await ask("v2/account/register", body)
            assert answer.status != 200, f"{name} is taken for a homeserver that vouches for somebody"
            wrong = {
                "sid": "1",
                "client_secret": "x",
                "mxid": f"@x:{name}",
                "threepid": {"medium": "email", "address": "a@b.c"},
            }
            for where in ("v2/3pid/bind", "v2/3pid/unbind", "api/v1/3pid/unbind"):
                await ask(where, wrong, token)
            called += [name] * (listener.calls > before)
        assert not called, f"the identity server called an inside address: {', '.join(called)}"
        told = listener.calls
        await _knock(listener)

        async def seen() -> bool | None:
            return True if listener.calls == told + 1 else None

        await until(cast.transport, seen, deadline=5, missing="the knock from this check itself, afterwards")
    again = ok(await agent.session.post(path("user", agent.user_id, "openid", "request_token"), {}))
    assert ok(await ask("v2/account/register", again)).get("token"), "a true homeserver is not asked any more"
