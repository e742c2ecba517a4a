"""Room keys for people whose homeserver did not answer in time: they are not forgotten."""

from __future__ import annotations

import json
from typing import Any

from load.agents.crypto import CrowdMachine
from load.agents.devicekeys import KnownKeys
from load.driver import drive
from scenarios.session import Session
from scenarios.wire import Request, Response

ANNE, PAUL = "@anne:a.example", "@paul:b.example"


class Homeserver:
    """Keeps uploaded keys, and says which room keys went to whom; `slow` is what it could not ask the other one."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.slow: set[str] = set()
        self.given: list[str] = []
        self.asked: list[str] = []

    async def send(self, request: Request) -> Response:
        where = request.url.rsplit("/v3/", 1)[1].split("/")
        self.asked.append("/".join(where[:2]))
        return Response(200, {}, json.dumps(self.answer(where, json.loads(request.body or b"{}"))).encode(), request)

    def answer(self, where: list[str], body: dict[str, Any]) -> dict[str, Any]:
        kind = "/".join(where[:2])
        if kind == "keys/upload":
            device = body["device_keys"]
            self.keys[device["user_id"]] = (device, body["one_time_keys"])
            return {"one_time_key_counts": {"signed_curve25519": len(body["one_time_keys"])}}
        if kind in self.slow:
            return {"device_keys": {}, "one_time_keys": {}, "failures": {"b.example": {"status": 504}}}
        if kind == "keys/query":
            found = {user: self.keys[user][0] for user in body["device_keys"]}
            return {"device_keys": {user: {each["device_id"]: each} for user, each in found.items()}}
        if kind == "keys/claim":
            return {
                "one_time_keys": {
                    user: {device: dict([self.keys[user][1].popitem()]) for device in devices}
                    for user, devices in body["one_time_keys"].items()
                }
            }
        self.given += list(body["messages"])
        return {}

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")

    def now(self) -> float:
        return 0.0


def machine(server: Homeserver, user_id: str) -> CrowdMachine:
    session = Session(server, "http://h", user_id.partition(":")[2], user_id, f"D{user_id[1]}", "t")
    made = CrowdMachine(session, KnownKeys())
    drive(made.upload())
    return made


def write(writer: CrowdMachine) -> None:
    drive(writer.encrypt("!r:a", 1, lambda: [ANNE, PAUL], "m.room.message", {"body": "bonjour"}))


def test_who_was_left_out_gets_the_key_with_the_next_message() -> None:
    """A homeserver asked in vain for devices or for one-time keys is asked again; once it answered, it is left in peace."""
    for slow in ("keys/query", "keys/claim"):
        server = Homeserver()
        anne, _paul = machine(server, ANNE), machine(server, PAUL)
        server.slow = {slow}
        write(anne)
        assert server.given == [], f"after a slow {slow}"
        told = "its homeserver did not answer, which says nothing of its keys"
        assert (anne.unanswered, anne.no_one_time_key) == (int(slow == "keys/claim"), 0), told
        server.slow = set()
        write(anne)
        assert server.given == [PAUL], f"after a slow {slow}"
        server.asked.clear()
        write(anne)
        assert server.asked == [], f"after a slow {slow}"
