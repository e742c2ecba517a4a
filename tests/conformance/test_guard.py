"""The guard of a visit: what goes out, what is held back, and what is written down before and after."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from conformance.guard import Guard
from conformance.outcome import Untestable
from conformance.transport import AsyncTransport
from fixtures.deployment import Deployment, Homeserver, Limits
from scenarios.visit.made import Made, journals
from scenarios.visit.pace import Pace, retry_after
from scenarios.visit.reading import only_reads
from scenarios.wire import Request, Response

SERVER = "127.0.0.1"
EICAR = b"a mark that an antivirus knows"


@pytest.mark.parametrize(
    ("method", "path", "reads"),
    [
        ("GET", "/_matrix/client/v3/sync?timeout=0", True),
        ("HEAD", "/_matrix/media/v3/download/a/b", True),
        ("POST", "/_matrix/client/v3/user_directory/search", True),
        ("POST", "/_matrix/client/r0/publicRooms?server=a", True),
        ("POST", "/_matrix/client/v3/createRoom", False),
        ("POST", "/_matrix/client/v3/user_directory/search/../createRoom", False),
        ("POST", "/_matrix/client/v3/user_directory/search%2F..%2FcreateRoom", False),
        ("POST", "/_matrix/client/v3/login", False),
        ("PUT", "/_matrix/client/v3/profile/a/displayname", False),
        ("DELETE", "/_matrix/client/v3/devices/a", False),
        ("get", "/_matrix/client/v3/versions", False),
        # Opening these is an act, whatever their method says.
        ("GET", "/_matrix/client/unstable/registration/email/submit_token?token=x", False),
        ("GET", "/_matrix/identity/v2/validate/email/submitToken?token=x", False),
        ("GET", "/_matrix/media/v3/preview_url?url=http://127.0.0.1", False),
    ],
)
def test_what_reads_and_what_acts(method: str, path: str, reads: bool) -> None:
    assert only_reads(Request(method, f"https://h.example{path}")) is reads


class Post:
    """A guard with its journal, and a way to pass one exchange by it."""

    def __init__(
        self, folder: Path, *allow: Literal["accounts", "load", "hostile", "faults"], people: int = 10, scanner: bool = True
    ) -> None:
        home = Homeserver(name="a", server_name=SERVER, url="https://h.example", scanner=scanner)
        self.deployment = Deployment(
            name="recette", allow=allow, homeservers=(home,), limits=Limits(people=people), infected={"Eicar": EICAR.hex()}
        )
        self.made = Made(folder / "abcd.jsonl")
        self.made.begin(self.deployment)
        self.guard = Guard(self.deployment, self.made, Pace(1000))

    def ask(self, method: str, path: str, body: object = None, token: str = "") -> Request:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.guard.admit(Request(method, f"https://h.example{path}", headers, content))

    def pass_by(self, method: str, path: str, body: object, status: int, answer: object, token: str = "") -> dict[str, Any]:
        request = self.ask(method, path, body, token)
        self.guard.note(request, Response(status, {}, json.dumps(answer).encode(), request))
        sent: dict[str, Any] = json.loads(request.body or b"{}")
        return sent

    def registered(self, name: str = "anne") -> str:
        answer = {"user_id": f"@{name}:{SERVER}", "access_token": f"token-{name}", "device_id": "D"}
        self.pass_by("POST", "/_matrix/client/v3/register", {"password": "first"}, 200, answer)
        return answer["user_id"]


def test_without_leave_only_reading_goes_out(tmp_path: Path) -> None:
    post = Post(tmp_path)
    post.ask("GET", "/_matrix/client/versions")
    for method, path in (("POST", "/_matrix/client/v3/login"), ("PUT", "/_synapse/admin/v2/users/@a:b")):
        with pytest.raises(Untestable, match='allow = \\["accounts"\\]'):
            post.ask(method, path, {})
    assert not post.made.things()


def test_infected_file_needs_leave_of_its_own(tmp_path: Path) -> None:
    post = Post(tmp_path, "accounts")
    post.ask("POST", "/_matrix/media/v3/upload", b"clean")
    with pytest.raises(Untestable, match='allow = \\["hostile"\\]'):
        post.ask("POST", "/_matrix/media/v3/upload", b"x" + EICAR + b"y")
    other = tmp_path / "other"
    other.mkdir()
    Post(other, "accounts", "hostile").ask("POST", "/_matrix/media/v3/upload", EICAR)


def test_absent_scanner_is_told(tmp_path: Path) -> None:
    with pytest.raises(Untestable, match="content scanner at a"):
        Post(tmp_path, "accounts", scanner=False).ask("GET", "/_matrix/media_proxy/unstable/scan/a/b")


def test_account_is_written_down_before_the_server_hears_of_it(tmp_path: Path) -> None:
    post = Post(tmp_path, "accounts")
    user_id = f"@anne:{SERVER}"
    post.ask("PUT", f"/_synapse/admin/v2/users/%40anne%3A{SERVER}", {"password": "p", "threepids": [{"address": "a@b.fr"}]})
    account = post.made.things().accounts[user_id]
    assert (account.password, account.address, account.sure) == ("p", "a@b.fr", False)


def test_registration_is_known_by_its_address_until_it_has_an_identifier(tmp_path: Path) -> None:
    post = Post(tmp_path, "accounts")
    where = "/_matrix/client/v3/register"
    post.pass_by("POST", f"{where}/email/requestToken", {"email": "a@b.fr"}, 200, {"sid": "7"})
    body = {"password": "p", "auth": {"threepid_creds": {"sid": "7", "client_secret": "c"}}}
    request = post.ask("POST", where, body)
    assert [each.address for each in post.made.things().accounts.values()] == ["a@b.fr"], "killed here, it would be forgotten"
    answer = {"user_id": f"@a-b.fr:{SERVER}", "access_token": "t", "device_id": "D"}
    post.guard.note(request, Response(200, {}, json.dumps(answer).encode(), request))
    (account,) = post.made.things().accounts.values()
    assert (account.user_id, account.token, account.password, account.sure) == (answer["user_id"], "t", "p", True)


def test_password_and_token_follow_what_happens(tmp_path: Path) -> None:
    post = Post(tmp_path, "accounts")
    user_id = post.registered()
    post.pass_by("POST", "/_matrix/client/v3/account/password", {"new_password": "second"}, 200, {}, "token-anne")
    login = {"user_id": user_id, "access_token": "token-2"}
    post.pass_by("POST", "/_matrix/client/v3/login", {"password": "second"}, 200, login)
    account = post.made.things().accounts[user_id]
    assert (account.password, account.token) == ("second", "token-2")
    post.pass_by("POST", "/_matrix/client/v3/account/deactivate", {}, 200, {}, "token-2")
    assert not post.made.things()


def test_somebody_elses_account_is_not_ours_to_take_away(tmp_path: Path) -> None:
    """Logging in to an account that the run did not make does not put it on the list."""
    post = Post(tmp_path, "accounts")
    login = {"user_id": f"@director:{SERVER}", "access_token": "t"}
    post.pass_by("POST", "/_matrix/client/v3/login", {"password": "p"}, 200, login)
    assert not post.made.things()


def test_rooms_are_written_down_with_their_aliases_and_bear_the_tag(tmp_path: Path) -> None:
    post = Post(tmp_path, "accounts")
    user_id = post.registered()
    body = {"room_alias_name": "forum", "creation_content": {"type": "m.space"}}
    sent = post.pass_by("POST", "/_matrix/client/v3/createRoom", body, 200, {"room_id": "!r:h"}, "token-anne")
    assert sent["creation_content"] == {"type": "m.space", "vigie": "abcd"}
    post.pass_by("POST", "/_matrix/client/v3/rooms/!r:h/upgrade", {}, 200, {"replacement_room": "!s:h"}, "token-anne")
    rooms = post.made.things().rooms
    assert {each.room_id: (each.user_id, each.aliases) for each in rooms.values()} == {
        "!r:h": (user_id, [f"#forum:{SERVER}"]),
        "!s:h": (user_id, []),
    }


def test_device_bears_the_tag(tmp_path: Path) -> None:
    sent = Post(tmp_path, "accounts").pass_by(
        "POST", "/_matrix/client/v3/login", {"initial_device_display_name": "poste"}, 403, {}
    )
    assert sent["initial_device_display_name"] == "poste (vigie abcd)"


def test_no_more_people_than_the_limits_say(tmp_path: Path) -> None:
    post = Post(tmp_path, "accounts", people=1)
    post.registered()
    with pytest.raises(Untestable, match=r"limits\.people = 1"):
        post.ask("POST", "/_matrix/client/v3/register", {"password": "p"})


def test_nothing_is_made_once_taking_away_began(tmp_path: Path) -> None:
    post = Post(tmp_path, "accounts")
    post.made.close()
    with pytest.raises(RuntimeError, match="the run is over"):
        post.ask("POST", "/_matrix/client/v3/createRoom", {})


def test_journal_belongs_to_its_deployment_and_its_owner(tmp_path: Path) -> None:
    post = Post(tmp_path, "accounts")
    assert post.made.path.stat().st_mode & 0o777 == 0o600
    assert [each.path for each in journals(post.deployment, tmp_path)] == [post.made.path]
    other = post.deployment.model_copy(update={"homeservers": (Homeserver(name="a", server_name="x", url="https://x"),)})
    assert journals(other, tmp_path) == []
    assert post.made.under_way()
    with post.made.path.open("a") as file:
        file.write('{"what": "acc')  # the machine stopped here
    assert not post.made.things()


def test_bucket_lets_its_rate_through_and_a_burst_of_a_second() -> None:
    now = 100.0
    pace = Pace(10, lambda: now)
    waits = [pace.turn() for _ in range(30)]
    assert waits[:9] == [0.0] * 9 and waits[29] == pytest.approx(2.0, abs=0.11)
    now += 5
    assert pace.turn() == 0.0
    pace.hold(3)
    assert pace.turn() == pytest.approx(3.1)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 1500}', 1.5),
        ({"Retry-After": "7"}, b"<html>", 7.0),
        ({"retry-after": "soon"}, b'{"retry_after_ms": "x"}', 1.0),
        ({}, b'{"retry_after_ms": -4}', 1.0),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], body: bytes, seconds: float) -> None:
    assert retry_after(Response(429, headers, body, Request("GET", "x"))) == seconds


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guard]:
    """Every transport of this process goes by a guard, as on a visit."""
    guard = Post(tmp_path, "accounts").guard
    before, AsyncTransport.guard = AsyncTransport.guard, guard
    yield guard
    AsyncTransport.guard = before


async def _limited(times: int, wait_ms: int = 50) -> tuple[asyncio.Server, str, list[float]]:
    """A server that answers 429 as often, and then 200; told when each request came."""
    came: list[float] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        came.append(time.monotonic())
        body = json.dumps({"retry_after_ms": wait_ms} if len(came) <= times else {}).encode()
        status = "429 Too Many Requests" if len(came) <= times else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/_matrix/client/versions", came


async def test_server_that_asks_to_wait_is_waited_for(guarded: Guard) -> None:
    """The request comes again, not before it was asked to, and the wait is not counted as the deployment's time."""
    server, url, came = await _limited(2, 300)
    transport = AsyncTransport(None)
    async with server:
        began, counted = time.monotonic(), transport.now()
        assert (await transport.send(Request("GET", url))).status == 200
    assert len(came) == 3 and came[1] - came[0] >= 0.29 and came[2] - came[1] >= 0.29
    assert time.monotonic() - began >= 0.58 > transport.now() - counted
    await transport.close()


async def test_server_that_never_stops_asking_leaves_it_open(guarded: Guard) -> None:
    server, url, _came = await _limited(9, 1_000_000)
    transport = AsyncTransport(None)
    async with server:
        with pytest.raises(Untestable, match="lets this pass"):
            await transport.send(Request("GET", url))
    await transport.close()


async def test_check_of_the_servers_limits_sees_them(guarded: Guard) -> None:
    server, url, came = await _limited(1)
    guarded.steps_back = True
    transport = AsyncTransport(None)
    async with server:
        assert (await transport.send(Request("GET", url))).status == 429
    assert len(came) == 1
    await transport.close()


async def test_own_rate_is_kept(guarded: Guard) -> None:
    server, url, came = await _limited(0)
    transport = AsyncTransport(None)
    async with server:
        guarded.pace, began = Pace(10), time.monotonic()
        await asyncio.gather(*(transport.send(Request("GET", url)) for _ in range(15)))
    assert max(came) - began >= 0.45, "15 requests at 10 a second, after a burst of 10, take half a second"
    await transport.close()
