"""The crowd's keys when people's devices change at the worst moment: while they are asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from vodozemac import Account

from load.agents.crypto import CrowdMachine
from load.agents.devicekeys import KnownKeys
from load.driver import drive
from load.measuring.figures import name_of
from scenarios.session import Session
from scenarios.wire import Request, Response

ROOM = "!salon:un"


class KeyServer:
    """The key endpoints of a homeserver, in memory; `meanwhile` happens once, while a query is under way."""

    def __init__(self) -> None:
        self.devices: dict[str, dict[str, Any]] = {}
        self.keys: dict[tuple[str, str], dict[str, Any]] = {}
        self.fallback: dict[tuple[str, str], dict[str, Any]] = {}
        self.inbox: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.meanwhile: Callable[[], None] = lambda: None
        self.asked: list[str] = []

    async def send(self, request: Request) -> Response:
        body = json.loads(request.body or b"{}")
        user, device = request.headers["Authorization"].removeprefix("Bearer ").split("/")
        endpoint = request.url.split("/v3/")[1].split("/")
        self.asked.append(name_of(request.url))
        answer = self.answer(endpoint, user, device, body)
        if endpoint == ["keys", "query"]:
            happening, self.meanwhile = self.meanwhile, lambda: None
            happening()
        return Response(200, {}, json.dumps(answer).encode(), request)

    def answer(self, endpoint: list[str], user: str, device: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if endpoint == ["keys", "upload"]:
            self.devices.setdefault(user, {}).update({device: body["device_keys"]} if "device_keys" in body else {})
            self.keys.setdefault((user, device), {}).update(body["one_time_keys"])
            self.fallback[user, device] = body.get("fallback_keys", self.fallback.get((user, device), {}))
            return {"one_time_key_counts": {"signed_curve25519": len(self.keys[user, device])}}
        if endpoint == ["keys", "query"]:
            return {"device_keys": {each: dict(self.devices.get(each, {})) for each in body["device_keys"]}}
        if endpoint == ["keys", "claim"]:
            return {"one_time_keys": {u: {d: self.claimed(u, d) for d in ds} for u, ds in body["one_time_keys"].items()}}
        for recipient, messages in body["messages"].items():
            for to, content in messages.items():
                self.inbox.setdefault((recipient, to), []).append({"sender": user, "content": content})
        return {}

    def claimed(self, user: str, device: str) -> dict[str, Any]:
        left = self.keys[user, device]
        return dict([left.popitem()]) if left else self.fallback[user, device]

    async def sleep(self, seconds: float) -> None: ...

    def now(self) -> float:
        return 0.0


def machine(server: KeyServer, user: str, device: str = "UN", *, account: Account | None = None, run: str = "") -> CrowdMachine:
    session = Session(server, "http://un", "un", f"@{user}:un", device, f"@{user}:un/{device}")
    made = CrowdMachine(session, KnownKeys(), account=account, run=run)
    drive(made.upload())
    return made


def say(sender: CrowdMachine, *people: str, version: int = 1) -> dict[str, Any]:
    audience = [f"@{each}:un" for each in people]
    told: dict[str, Any] = json.loads(
        drive(sender.encrypt(ROOM, version, lambda: audience, "m.room.message", {"body": "bonjour"}))
    )
    return told


def reads(server: KeyServer, reader: CrowdMachine, user: str, told: Mapping[str, Any], device: str = "UN") -> bool:
    reader.receive(server.inbox.pop((f"@{user}:un", device), ()))
    return reader.holds(told["session_id"]) and reader.decrypt(ROOM, told)["content"]["body"] == "bonjour"


def test_who_prepared_waits_for_nothing_when_the_message_is_written() -> None:
    """Ada gives the room's key ahead: her message asks the server for nothing, and once Béa's devices changed, again."""
    server = KeyServer()
    ada, bea = machine(server, "ada"), machine(server, "bea")
    server.asked.clear()
    drive(ada.prepare(ROOM, 1, lambda: ["@bea:un"]))
    # As statistics name them: a message to a device is one of its kind, whatever its transaction.
    assert server.asked == ["keys/query", "keys/claim", "sendToDevice/m.room.encrypted/·"]
    assert reads(server, bea, "bea", say(ada, "bea")) and len(server.asked) == 3
    drive(ada.prepare(ROOM, 1, lambda: ["@bea:un"]))
    assert len(server.asked) == 3, "nothing has changed"
    ada.forget(["@bea:un"])
    drive(ada.prepare(ROOM, 1, lambda: ["@bea:un"]))
    assert server.asked[3:] == ["keys/query"], "she is asked for again, and has the key"


def test_who_is_forgotten_while_others_are_asked_for_is_not_taken_for_gone() -> None:
    """Béa's devices change while Cyd's are asked for: the message goes to Béa all the same."""
    server = KeyServer()
    ada, bea, cyd = machine(server, "ada"), machine(server, "bea"), machine(server, "cyd")
    assert reads(server, bea, "bea", say(ada, "bea"))
    server.meanwhile = lambda: ada.forget(["@bea:un"])
    told = say(ada, "bea", "cyd", version=2)
    assert reads(server, bea, "bea", told) and reads(server, cyd, "cyd", told)


def test_a_device_that_comes_while_its_owner_is_asked_for_gets_the_next_message() -> None:
    """Béa logs in on a second device while Ada asks for her devices: the answer is old, and is not relied upon again."""
    server = KeyServer()
    ada, bea = machine(server, "ada"), machine(server, "bea")
    second: list[CrowdMachine] = []

    def logs_in() -> None:
        second.append(machine(server, "bea", "DEUX"))
        ada.forget(["@bea:un"])

    server.meanwhile = logs_in
    assert reads(server, bea, "bea", say(ada, "bea"))
    told = say(ada, "bea")
    assert reads(server, bea, "bea", told) and reads(server, second[0], "bea", told, "DEUX")


def test_what_comes_late_of_an_earlier_run_is_no_way_to_write_to_anybody() -> None:
    """A server that is behind hands Béa what Ada sent in the run before; Ada, who began anew, reads Béa all the same."""
    server = KeyServer()
    bea, before = machine(server, "bea", run="today"), machine(server, "ada", run="yesterday")
    late = say(before, "bea")
    ada = machine(server, "ada", account=before._account, run="today")
    assert reads(server, bea, "bea", late), "it is of an earlier run, and true"
    assert reads(server, ada, "ada", say(bea, "ada"))
    # What comes of this run is: Ada's next message goes the way that Béa's came.
    assert reads(server, bea, "bea", say(ada, "bea")) and ada.no_one_time_key == bea.no_one_time_key == 0


def test_a_device_without_one_time_keys_is_reached_by_its_fallback_key() -> None:
    """More people write to Béa than she has one-time keys, before she is there to upload more."""
    server = KeyServer()
    bea = machine(server, "bea")
    server.keys["@bea:un", "UN"].clear()
    ada, cyd = machine(server, "ada"), machine(server, "cyd")
    assert reads(server, bea, "bea", say(ada, "bea")) and reads(server, bea, "bea", say(cyd, "bea"))
    assert ada.no_one_time_key == cyd.no_one_time_key == 0
    used = bea.counted({"signed_curve25519": 50}, [])
    before = server.fallback["@bea:un", "UN"]
    drive(bea.upload())
    assert used and server.fallback["@bea:un", "UN"] != before, "a fallback key that was used is not replaced"
