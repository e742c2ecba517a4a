"""A front that hides the administration answers for it: what it does not know is not gone. No deployment is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from fixtures.deployment import Deployment, Homeserver
from scenarios.visit.clearing import Clearing
from scenarios.visit.made import Account, Made
from scenarios.wire import Request, Response

SERVER = "a.example"
ALICE = f"@alice:{SERVER}"
HTML = b"<html><h1>404 Not Found</h1></html>"
UNRECOGNIZED = b'{"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}'
UNKNOWN = b'{"errcode": "M_NOT_FOUND", "error": "User not found"}'
REFUSED = b'{"errcode": "M_FORBIDDEN", "error": "Invalid username or password"}'
DEPLOYMENT = Deployment(
    name="recette",
    kind="remote",
    homeservers=(
        Homeserver(
            name="a", server_name=SERVER, url=f"https://{SERVER}", admin_url=f"https://{SERVER}", admin_token=SecretStr("t")
        ),
    ),
)


class Front:
    """The way to a homeserver that lets nobody log in, and whose administration gives this one answer."""

    def __init__(self, status: int, body: bytes, login: tuple[int, bytes] = (403, REFUSED)) -> None:
        self.status, self.body, self.login, self.clock = status, body, login, 0.0
        self.asked: list[str] = []

    async def send(self, request: Request) -> Response:
        if "/_synapse/admin/" in request.url:
            self.asked.append(request.url)
            return Response(self.status, {}, self.body, request)
        return Response(self.login[0], {}, self.login[1], request)

    async def sleep(self, seconds: float) -> None:
        self.clock += seconds

    def now(self) -> float:
        return self.clock


def left(folder: Path, what: str) -> Made:
    """Give the journal of a run that left this."""
    made = Made(folder / "abcd.jsonl")
    made.begin(DEPLOYMENT)
    match what:
        case "account":
            made.note("account", key=ALICE, server=SERVER, user_id=ALICE, password="p", sure=True)
        case "account by its address":
            made.note("account", key="a@a.example", server=SERVER, address="a@a.example", password="p")
        case "sure account by its address":
            made.note("account", key="a@a.example", server=SERVER, address="a@a.example", password="p", sure=True)
        case "device" | "keeper's device":
            made.note("device", device_id="D", server=SERVER, user_id=ALICE)
        case "room":
            made.note("room", room_id="!r:a", server=SERVER, user_id="")
    return made


async def cleared(made: Made, front: Front, people: dict[str, Account] | None = None) -> Clearing:
    clearing = Clearing(DEPLOYMENT, made, front, people or {})
    for stage in clearing.stages():
        for step in stage:
            await step()
    return clearing


@pytest.mark.parametrize("what", ["account", "account by its address", "device", "room"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        *[(404, each) for each in (HTML, UNRECOGNIZED, b'"Not Found"', b"[]", b"\xff", b"")],
        *[(200, b"[]"), (200, HTML), (403, HTML)],
    ],
)
async def test_what_a_front_hides_the_administration_of_stays(tmp_path: Path, what: str, status: int, body: bytes) -> None:
    """Nobody said that it is gone: the answer is told, and the journal keeps it."""
    made = left(tmp_path, what)
    before = made.things()
    front = Front(status, body)
    clearing = await cleared(made, front)
    (why,) = clearing.stays
    assert front.asked and f": {status}" in why, why
    assert made.things() == before, "what nobody took away is forgotten"


@pytest.mark.parametrize("what", ["account", "account by its address", "device", "room"])
async def test_what_the_homeserver_itself_does_not_know_is_gone(tmp_path: Path, what: str) -> None:
    """Synapse's own answer about users, addresses and devices that are not there: 404 with M_NOT_FOUND."""
    made = left(tmp_path, what)
    clearing = await cleared(made, Front(404, UNKNOWN))
    assert clearing.stays == [] and not made.things()


@pytest.mark.parametrize(("status", "body"), [(404, UNKNOWN), (200, b"{}"), (200, b"[]"), (200, HTML)])
async def test_account_that_came_to_be_stays_where_its_address_is_unknown(tmp_path: Path, status: int, body: bytes) -> None:
    """Its address may have been taken from it; the account is there all the same."""
    made = left(tmp_path, "sure account by its address")
    clearing = await cleared(made, Front(status, body))
    (why,) = clearing.stays
    assert "a@a.example" in why and made.things().accounts


@pytest.mark.parametrize("login", [(200, HTML), (200, b"[]"), (200, b"{}"), (200, b'{"user_id": 1}')])
async def test_login_that_gives_no_session_is_none(tmp_path: Path, login: tuple[int, bytes]) -> None:
    """A page in the place of the login is no login: the administrator is asked, and what they cannot do is told."""
    made = left(tmp_path, "account")
    clearing = await cleared(made, Front(404, HTML, login))
    (why,) = clearing.stays
    assert ": 404" in why and made.things().accounts


@pytest.mark.parametrize("body", [HTML, b"[]"])
async def test_device_that_its_owner_cannot_ask_about_stays(tmp_path: Path, body: bytes) -> None:
    """Whoever keeps it is answered by the front alone, in the place of the list of devices as well."""
    made = left(tmp_path, "keeper's device")

    class Hiding(Front):
        async def send(self, request: Request) -> Response:
            if request.url.endswith("/whoami"):
                return Response(200, {}, json.dumps({"user_id": ALICE}).encode(), request)
            return Response(404, {}, body, request)

    clearing = await cleared(made, Hiding(404, body), {ALICE: Account(SERVER, ALICE, password="p", token="t")})
    (why,) = clearing.stays
    assert ": 404" in why and made.things().devices
