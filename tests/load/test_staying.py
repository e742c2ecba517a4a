"""The crowd's transport on somebody else's deployment: what is written down before it is there, and the rate that is kept."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest

from fixtures.deployment import Deployment, Homeserver, Limits
from load.driver import drive
from load.population.staying import VisitorTransport
from scenarios.session import Session
from scenarios.visit.ledger import Ledger, TooMany
from scenarios.visit.made import Made, Opening
from scenarios.visit.pace import Pace
from scenarios.wire import Request, Unreachable
from tests.load.peers import answer, peer, request_of

SERVER = "a.example"
ANNE = f"@anne:{SERVER}"


def ledger_at(url: str, folder: Path, people: int = 10) -> Ledger:
    home = Homeserver(name="a", server_name=SERVER, url=url)
    deployment = Deployment(name="recette", allow=("accounts",), homeservers=(home,), limits=Limits(people=people))
    made = Made(folder / "abcd.jsonl")
    made.begin(deployment)
    return Ledger(deployment, made, people_stay=True)


def session_at(url: str, ledger: Ledger, token: str = "") -> Session:
    return Session(VisitorTransport(None, ledger=ledger), url, SERVER, ANNE, access_token=token or None)


def logs_in(connection: socket.socket, _number: int) -> None:
    while request := request_of(connection):
        body = json.loads(request.partition(b"\r\n\r\n")[2] or b"{}")
        told = {"user_id": ANNE, "device_id": body["device_id"], "access_token": "t"} if "identifier" in body else {}
        connection.sendall(answer(json.dumps(told).encode()))


def hangs_up(connection: socket.socket, _number: int) -> None:
    request_of(connection)


LOGIN = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": ANNE}, "password": "p"}


def test_a_device_is_written_down_until_it_is_logged_out(tmp_path: Path) -> None:
    """The login names the device itself; with the logout it is gone from the journal."""
    with peer(logs_in) as (url, _came):
        ledger = ledger_at(url, tmp_path)
        session = session_at(url, ledger)
        told = drive(session.post("/login", LOGIN)).json()
        (device,) = ledger.made.things().devices.values()
        assert (device.device_id, device.user_id, device.token) == (told["device_id"], ANNE, "t")
        assert device.device_id.startswith("VIGIEABCD") and not ledger.made.things().accounts
        session.access_token = "t"
        drive(session.post("/logout", {}))
        assert not ledger.made.things()


def test_what_nobody_heard_of_is_written_down_all_the_same(tmp_path: Path) -> None:
    """A device and a room whose answers never came may be there: the journal knows whose they are."""
    with peer(hangs_up) as (url, _came):
        ledger = ledger_at(url, tmp_path)
        ledger.know("t", ANNE)
        for where, body in (("/login", LOGIN), ("/createRoom", {})):
            with pytest.raises(Unreachable):
                drive(session_at(url, ledger, "t").post(where, body))
        things = ledger.made.things()
        assert [(each.user_id, each.token) for each in things.devices.values()] == [(ANNE, "")]
        assert list(things.openings.values()) == [Opening(SERVER, ANNE)]


def test_a_refusal_made_no_device_and_perhaps_a_room(tmp_path: Path) -> None:
    """A homeserver refuses a room also when it is there already, because of who is invited."""

    def refuses(connection: socket.socket, _number: int) -> None:
        while request_of(connection):
            connection.sendall(answer(b'{"errcode":"M_FORBIDDEN"}', "403 Forbidden"))

    with peer(refuses) as (url, _came):
        ledger = ledger_at(url, tmp_path)
        ledger.know("t", ANNE)
        for where, body in (("/login", LOGIN), ("/createRoom", {})):
            assert drive(session_at(url, ledger, "t").post(where, body)).status == 403
        things = ledger.made.things()
        assert not things.devices and list(things.openings.values()) == [Opening(SERVER, ANNE, answered=True)]


def test_a_front_that_gave_up_waiting_answered_nothing(tmp_path: Path) -> None:
    """The homeserver behind it may still be making the room: it is waited for, as where no answer came."""

    def gives_up(connection: socket.socket, _number: int) -> None:
        while request_of(connection):
            connection.sendall(answer(b"<html>", "504 Gateway Timeout"))

    with peer(gives_up) as (url, _came):
        ledger = ledger_at(url, tmp_path)
        ledger.know("t", ANNE)
        assert drive(session_at(url, ledger, "t").post("/createRoom", {})).status == 504
        assert list(ledger.made.things().openings.values()) == [Opening(SERVER, ANNE)]


def test_nobody_is_registered_beyond_the_limit_or_after_the_end(tmp_path: Path) -> None:
    with peer(logs_in) as (url, came):
        ledger = ledger_at(url, tmp_path, people=0)
        with pytest.raises(TooMany, match=r"limits\.people = 0"):
            drive(session_at(url, ledger).post("/register", {"username": "anne", "password": "p"}))
        ledger.made.close()
        with pytest.raises(Unreachable, match="being taken away"):
            drive(session_at(url, ledger).post("/createRoom", {}))
        assert came == []


def test_the_deployments_rate_and_patience_are_kept(tmp_path: Path) -> None:
    """While preparing: no faster than the limit, and after a 429 not before the server said."""
    times: list[float] = []

    def asks_for_patience(connection: socket.socket, _number: int) -> None:
        while request_of(connection):
            times.append(time.monotonic())
            limited = len(times) == 12
            body = b'{"retry_after_ms":700}' if limited else b"{}"
            connection.sendall(answer(body, "429 Too Many Requests" if limited else "200 OK"))

    with peer(asks_for_patience) as (url, _came):
        transport = VisitorTransport(None, pace=Pace(10))
        answers = [transport.exchange(Request("GET", f"{url}/")).status for _ in range(15)]
    assert answers == [200] * 15 and len(times) == 16
    # The twelfth was told to wait; what comes after the pause comes ten a second.
    assert times[12] - times[11] >= 0.69 and times[15] - times[11] >= 1.05
