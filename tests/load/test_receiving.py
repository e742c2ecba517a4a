"""What a device takes of an answer, and what becomes of it when something about it is broken."""

import json
from pathlib import Path
from typing import Any

import pytest
import vodozemac

from load.agents.crowd import Crowd
from load.agents.crypto import CrowdMachine
from load.agents.devices import CrowdDevice
from load.driver import drive
from load.measuring.measures import Measures
from scenarios.keys import encrypt_file
from scenarios.session import Session
from scenarios.wire import Request, Response, UnexpectedAnswer
from tests.load.on_paper import crowd_on_paper

FORUM, CAFE, HALL = "!forum:one.test", "!cafe:one.test", "!hall:one.test"


class Answers:
    """Answers by the end of a request's path, each time with the next one of its list; the last one stays."""

    def __init__(self, **answers: list[tuple[int, Any]]) -> None:
        self.answers, self.asked = answers, list[str]()

    async def send(self, request: Request) -> Response:
        self.asked.append(request.url)
        waiting = self.answers[request.url.partition("?")[0].rsplit("/", 1)[1]]
        status, content = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return Response(status, {}, content if isinstance(content, bytes) else json.dumps(content).encode(), request)

    async def sleep(self, seconds: float) -> None: ...

    def now(self) -> float:
        return 0.0


def measures_of(crowd: Crowd) -> Measures:
    measures = crowd.around.measures
    assert measures is not None
    return measures


def device_of(crowd: Crowd, number: int, server: Answers, since: str = "") -> CrowdDevice:
    session = Session(server, "http://one", "one.test", crowd.members[number].user_id, f"D{number}", "token")
    return CrowdDevice(crowd.around, number, session, CrowdMachine(session, crowd.around.keys), since=since)


def said(event_id: str) -> dict[str, Any]:
    return {"type": "m.room.message", "event_id": event_id, "sender": "@0:one.test", "content": {"body": "bonjour"}}


def two_rooms_and_a_gap(server: Answers, folder: Path) -> tuple[Crowd, CrowdDevice]:
    """Anna wrote five messages into two rooms, and Bruno's device, which had synced up to `s1`, is to see them."""
    crowd = crowd_on_paper(folder, "one", "one")
    delivery = measures_of(crowd).delivery
    for room_id in (CAFE, HALL):
        crowd.around.rooms[room_id] = type(crowd.around.rooms[FORUM])(room_id, "public", False)
        delivery.room(room_id, "public", {0: "one", 1: "one"})
    at = measures_of(crowd).tally.start
    for room_id, event_id in ((CAFE, "$1"), (HALL, "$2"), (HALL, "$3"), (HALL, "$4"), (CAFE, "$5")):
        delivery.acknowledged(room_id, 0, event_id, at, at, at)
    return crowd, device_of(crowd, 1, server, since="s1")


def joined(**rooms: tuple[bool, list[str]]) -> dict[str, Any]:
    return {
        {"cafe": CAFE, "hall": HALL}[name]: {
            "timeline": {"limited": limited, "prev_batch": f"before-{name}", "events": [said(each) for each in events]}
        }
        for name, (limited, events) in rooms.items()
    }


@pytest.mark.parametrize("broken", [(502, {}), (200, {}), (200, {"chunk": None})])
def test_a_gap_that_could_not_be_read_takes_nothing_and_loses_nothing(broken: tuple[int, Any], tmp_path: Path) -> None:
    """The read for the gap in the hall fails once: the device asks from where it was, and sees all of it, once."""
    answer = {
        "next_batch": "s2",
        "to_device": {"events": [{"type": "m.room.encrypted", "sender": "@0:one.test", "content": {}}]},
        "rooms": {"join": joined(cafe=(False, ["$1", "$5"]), hall=(True, ["$4"]))},
    }
    missed = {"chunk": [said("$3"), said("$2")]}
    server = Answers(sync=[(200, answer)], messages=[broken, (200, missed)])
    crowd, device = two_rooms_and_a_gap(server, tmp_path)
    crowd.around.listening = True
    taken: list[int] = []
    receive = device.machine.receive

    class Counting(CrowdMachine):
        def receive(self, events: Any) -> list[str]:
            taken.append(len(events))
            return receive(events)

    device.machine = Counting(device.session, crowd.around.keys)

    with pytest.raises(UnexpectedAnswer):
        drive(device.sync())
    assert device.since == "s1", "what was not taken is to be asked for again"
    assert not taken, "the homeserver gives these messages again"
    assert measures_of(crowd).tally.total("delivered") == 0

    drive(device.sync())
    assert "since=s1" in server.asked[-2]
    assert (device.since, taken) == ("s2", [1])
    measures_of(crowd).finish()
    total = measures_of(crowd).tally.total
    assert {name: total(name) for name in ("delivered", "lost", "duplicated", "out-of-order")} == {
        "delivered": 5, "lost": 0, "duplicated": 0, "out-of-order": 0,
    }  # fmt: skip


def a_file(content: bytes) -> tuple[bytes, dict[str, Any]]:
    sealed, keys = encrypt_file(content)
    return sealed, {**keys, "url": "mxc://one.test/plan"}


def scanner(sealed: bytes) -> Answers:
    key = vodozemac.PkDecryption().public_key.to_base64()
    return Answers(public_key=[(200, {"public_key": key})], download_encrypted=[(200, sealed)])


def fetched(folder: Path, server: Answers, file: dict[str, Any]) -> tuple[int, int, int]:
    """Let Bruno fetch a file that he read of; gives how many came, how many went wrong, and how many of these by their body."""
    crowd = crowd_on_paper(folder, "one", "one")
    crowd.members[1]._fetch(device_of(crowd, 1, server), "$file", {"msgtype": "m.file", "file": file})
    tally = measures_of(crowd).tally
    came = sum(sum(found.counts.values()) for (_, name), found in tally.latencies.items() if name == "fetch")
    return came, tally.total("failed-act:fetch"), tally.total("failed:bad-body")


def test_a_file_that_comes_back_altered_is_a_failure_that_is_counted(tmp_path: Path) -> None:
    sealed, file = a_file(b"le plan de la salle")
    assert fetched(tmp_path / "whole", scanner(sealed), file) == (1, 0, 0)
    assert fetched(tmp_path / "altered", scanner(b"#" + sealed[1:]), file) == (0, 1, 1)


@pytest.mark.parametrize("lacking", ["key", "hashes", "iv"])
def test_a_file_whose_message_lacks_how_to_open_it_is_counted_too(lacking: str, tmp_path: Path) -> None:
    sealed, file = a_file(b"le plan de la salle")
    del file[lacking]
    assert fetched(tmp_path, scanner(sealed), file) == (0, 1, 1)


def test_a_scanner_that_gives_no_key_is_counted_too(tmp_path: Path) -> None:
    sealed, file = a_file(b"le plan de la salle")
    for number, answer in enumerate(({}, {"public_key": "no key"}, {"public_key": None})):
        server = scanner(sealed)
        server.answers["public_key"] = [(200, answer)]
        assert fetched(tmp_path / str(number), server, file) == (0, 1, 1)
