"""INC-9: the identity server is made to call inside addresses. Source: CVE-2021-29431."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

import pytest

from conformance.cast import Cast
from conformance.inside import called_by_others, listener_beside
from conformance.journeys import identity_server
from fixtures.services.identity import SYDENT
from scenarios.session import ok, path
from scenarios.wire import Request, Response


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

    Who listens there is seen to be there by its call to itself. Told where the harness can listen beside the identity server.
    """
    server = identity_server(cast)
    agent = await cast.agent()

    async def ask(where: str, body: Mapping[str, object], token: str = "") -> Response:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        url = f"{server.url}/_matrix/identity/{where}"
        return await cast.transport.send(Request("POST", url, headers, json.dumps(body).encode(), who="somebody from outside"))

    async def vouched_for() -> str:
        opened = ok(await agent.session.post(path("user", agent.user_id, "openid", "request_token"), {}))
        return str(ok(await ask("v2/account/register", opened)).get("token", ""))

    token = await vouched_for()
    assert token, "the identity server does not let in who names a true homeserver"
    async with listener_beside(cast, SYDENT) as listener:
        called: list[str] = []
        for name in _names(listener.port):
            before = listener.calls()
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
            called += [name] * (listener.calls() > before)
        calls = await called_by_others(cast, listener)
        assert not calls, f"the identity server called an inside address {calls} times, as {', '.join(called) or 'one of them'}"
    assert await vouched_for(), "a true homeserver is not asked any more"
