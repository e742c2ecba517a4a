"""Those who send, one in a process: ``python -m load.bench.senders WHO URL SECONDS`` prints one line of JSON."""

from __future__ import annotations

import sys

if not "".join(sys.argv[1:2]).startswith("nio"):
    from gevent import monkey

    monkey.patch_all()

import gc
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from vodozemac import Account

from fixtures.deployment import Deployment, Homeserver
from fixtures.population import Population as Names
from load.agents.crypto import CrowdMachine
from load.agents.devicekeys import KnownKeys
from load.bench.nio_client import send_for_a_while
from load.bench.readers import READER
from load.population.plan import PersonPlan, Plan, RoomPlan
from load.population.store import Store
from load.profile import Profile

AGENTS = 16
BODY = json.dumps({"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x" * 560}).encode()
PATH = "/_matrix/client/v3/rooms/!bench:bench/send/m.room.encrypted/vigie-1"
_TEXT = {"msgtype": "m.text", "body": "le dossier est prêt " * 8}
_WARM_UP = 1.0


def _measured(count: Callable[[], int], seconds: float, sleep: Callable[[float], None]) -> dict[str, float]:
    """Count for a while, in wall-clock time and in this process's own processor time."""
    sleep(_WARM_UP)
    first, used, began = count(), time.process_time(), time.monotonic()
    sleep(seconds)
    number, used, took = count() - first, time.process_time() - used, time.monotonic() - began
    return {"number": number, "rate": number / took, "processor_us": used / max(number, 1) * 1e6, "processor": used / took}


def fast(url: str, seconds: float) -> dict[str, float]:
    """Locust's FastHttpUser, sending constant bytes."""
    import gevent
    from locust import FastHttpUser, constant, task
    from locust.env import Environment

    done = [0]

    class Bare(FastHttpUser):  # type: ignore[misc,unused-ignore]
        wait_time = constant(0)  # type: ignore[no-untyped-call,unused-ignore]
        host = url

        @task
        def send(self) -> None:
            body: Any = BODY
            self.client.request("PUT", PATH, data=body, headers={"Authorization": "Bearer bench"}, name="send")
            done[0] += 1

    runner = Environment(user_classes=[Bare]).create_local_runner()
    runner.start(AGENTS, spawn_rate=1000)
    return _measured(lambda: done[0], seconds, gevent.sleep)


def nio(url: str, seconds: float) -> dict[str, float]:
    """matrix-nio's AsyncClient as it comes: what it knows is in SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        return send_for_a_while(url, AGENTS, seconds, _WARM_UP, _TEXT, Path(folder))


def nio_in_memory(url: str, seconds: float) -> dict[str, float]:
    """matrix-nio's AsyncClient with a store in memory, which is kinder than its own."""
    return send_for_a_while(url, AGENTS, seconds, _WARM_UP, _TEXT, None)


class Standing:
    """A crowd whose people exist in a file alone, at a peer that knows nobody: each in a room of their own."""

    def __init__(self, url: str, people: int, folder: Path, profile: Profile) -> None:
        """Write the file, and let everybody come, poll, and be idle."""
        import gevent
        from locust.env import Environment

        from load.agents.crowd import Crowd
        from load.agents.surroundings import Surroundings
        from load.agents.user import Agent
        from load.transport import trusting

        store = Store(folder / "population.jsonl")
        names = Names(1, "bench")
        identity = names.agent("bench.example")
        persons, rooms = [], []
        for number in range(people):
            persons.append(PersonPlan(number, identity, "bench", False, 0, 1))
            rooms.append(RoomPlan(number, "private", "", (number,), 0))
            store.put("person", str(number), {"user_id": f"@{number}:bench"})
            store.put("device", f"{number}/0", {"device_id": f"BENCH{number}", "token": "bench"})
            account = Account()
            account.generate_one_time_keys(50)
            account.mark_keys_as_published()
            store.keep_account(f"{number}/0", account)
            store.put("room", str(number), {"room_id": f"!{number}:bench", "encrypted": True})
        home = Homeserver(name="bench", server_name="bench", url=url)
        deployment = Deployment(name="bench", homeservers=(home,))
        around = Surroundings(deployment, profile, trusting(None))
        self.crowd = Crowd(around, Plan(tuple(persons), tuple(rooms), 1), store)
        environment: Any = Environment(user_classes=[Agent])
        environment.crowd = self.crowd
        self.environment = environment
        runner = environment.create_local_runner()
        runner.start(people, spawn_rate=2000)
        while self.crowd.came_so_far < people:
            if self.crowd.failed_to_come:
                raise RuntimeError(self.crowd.failed_to_come[0])
            gevent.sleep(0.1)
        store.forget()


def _profile() -> Profile:
    profile = Profile.read("smoke")
    changed = profile.population.model_copy(update={"canaries": 0.0, "decrypting": 1.0})
    return profile.model_copy(update={"population": changed, "mix": {"send": 1.0}, "probes": ()})


def crowd(url: str, seconds: float, *, measuring: bool = True) -> dict[str, float]:
    """Vigie's crowd, sending encrypted messages under Locust's runner while it polls, everything measured."""
    import gevent

    from load.agents.acts import ACTS, Occasion
    from load.driver import drive

    with tempfile.TemporaryDirectory() as folder:
        standing = Standing(url, AGENTS, Path(folder), _profile())
        crowd = standing.crowd
        measures = crowd.begin(time.monotonic())
        for room in crowd.around.rooms.values():
            crowd.around.enter(room, READER)
        if not measuring:
            measures.delivery.acknowledged = lambda *_args, **_more: None  # type: ignore[method-assign]
            for member in crowd.members:
                member.devices[0].session.transport.observer = None  # type: ignore[attr-defined]
        done = [0]
        send = ACTS["send"]

        def sender(member: Any) -> None:
            random = Random(member.user_id)  # noqa: S311 -- a bench
            while True:
                drive(send(Occasion(crowd, member, time.monotonic(), random)))
                done[0] += 1

        def figures() -> None:
            while measuring:
                gevent.sleep(1)
                crowd.around.figures.hand_on(standing.environment.stats)

        for member in crowd.members:
            gevent.spawn(sender, member)
        gevent.spawn(figures)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        return _measured(lambda: done[0], seconds, gevent.sleep)


def unmeasured(url: str, seconds: float) -> dict[str, float]:
    """The crowd with nothing measured: what measuring costs is the difference."""
    return crowd(url, seconds, measuring=False)


def idle(url: str, seconds: float, people: int = 5000) -> dict[str, float]:
    """Agents with keys that poll and do nothing."""
    import gevent
    import psutil

    with tempfile.TemporaryDirectory() as folder:
        standing = Standing(url, people, Path(folder), _profile())
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        gevent.sleep(3)
        used, began = time.process_time(), time.monotonic()
        gevent.sleep(seconds)
        share = (time.process_time() - used) / (time.monotonic() - began)
        memory = psutil.Process().memory_info().rss / 2**20
        connected = len(psutil.Process().net_connections("tcp"))
        del standing
        return {"people": people, "memory_mib": memory, "processor": share, "connected": connected}


def slip(url: str, seconds: float, rate: float = 500.0) -> dict[str, float]:
    """The open model: how late arrivals are handed out at this rate."""
    import gevent

    from load.arrivals import schedule

    profile = _profile().with_changes(rate=rate, measured=seconds, warm_up=2)
    with tempfile.TemporaryDirectory() as folder:
        crowd = Standing(url, 200, Path(folder), profile).crowd
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        start = time.monotonic() + 0.2
        measures = crowd.begin(start)
        used = time.process_time()
        crowd.dispatch(schedule(profile), start)
        share = (time.process_time() - used) / (time.monotonic() - start)
        gevent.sleep(0.5)
        found = {f"slip_p{p}_ms": (measures.tally.slip.percentile(p) or 0.0) * 1000 for p in (50, 99)}
        offered = measures.tally.total("offered", None)
        return {**found, "rate": rate, "dropped": measures.tally.total("dropped", None) / max(offered, 1), "processor": share}


def receive(_url: str, seconds: float) -> dict[str, float]:
    """Taking syncs full of encrypted messages: JSON, room keys, decryption, and the books of deliveries."""
    from pydantic_core import from_json

    from load.agents.devices import CrowdDevice
    from load.agents.surroundings import Room, Surroundings
    from load.driver import drive
    from load.measuring.measures import Measures
    from load.transport import trusting

    profile = _profile()
    home = Homeserver(name="bench", server_name="bench", url="http://127.0.0.1:1")
    around = Surroundings(Deployment(name="bench", homeservers=(home,)), profile, trusting(None))
    room = around.rooms["!r:bench"] = Room("!r:bench", "private", encrypted=True)
    session = around.session(home, "@reader:bench", "READER", "bench")
    machine = CrowdMachine(session, KnownKeys(), account=Account())
    reader = CrowdDevice(around, 1, session, machine, since="s0")
    measures = around.measures = Measures(profile.windows, time.monotonic())
    measures.delivery.room(room.room_id, room.kind, {1: "bench", 2: "bench"})
    bodies = _syncs(machine, measures, room.room_id, events=int(seconds * 12_000), each=20)
    gc.collect()
    gc.freeze()
    used = time.process_time()
    for body in bodies:
        drive(reader._take(from_json(body), time.monotonic()))
    used = time.process_time() - used
    number = len(bodies) * 20
    opened = number - measures.delivery.outstanding()
    if opened != number:
        raise RuntimeError(f"only {opened} of {number} messages were decrypted")
    return {"number": number, "rate": number / used, "processor_us": used / number * 1e6}


def _syncs(reader: CrowdMachine, measures: Any, room_id: str, events: int, each: int) -> list[bytes]:
    """Write the syncs that a device gets: every 100 messages a new room key has come before."""
    from pydantic_core import to_json
    from vodozemac import GroupSession, InboundGroupSession

    found = []
    now = time.monotonic()
    sender: GroupSession | None = None
    for start in range(0, events - each + 1, each):
        timeline = []
        for number in range(start, start + each):
            if sender is None or number % 100 == 0:
                sender = GroupSession()
                reader._inbound[sender.session_id] = InboundGroupSession(sender.session_key)
            inner = to_json({"type": "m.room.message", "content": _TEXT, "room_id": room_id})
            content = {
                "algorithm": "m.megolm.v1.aes-sha2",
                "ciphertext": sender.encrypt(inner).to_base64(),
                "device_id": "WRITER",
                "sender_key": "x" * 43,
                "session_id": sender.session_id,
            }
            event_id = f"${number:042}"
            timeline.append(
                {
                    "content": content,
                    "event_id": event_id,
                    "origin_server_ts": 1_700_000_000_000 + number,
                    "sender": "@writer:bench",
                    "type": "m.room.encrypted",
                    "unsigned": {"age": 12},
                }
            )
            measures.delivery.acknowledged(room_id, 2, event_id, now, now, now)
        joined = {room_id: {"timeline": {"events": timeline, "limited": False}, "ephemeral": {"events": []}}}
        counts = {"signed_curve25519": 50}
        found.append(to_json({"next_batch": f"s{start}", "rooms": {"join": joined}, "device_one_time_keys_count": counts}))
    return found


_WHO: dict[str, Callable[[str, float], dict[str, float]]] = {
    "fast": fast,
    "nio": nio,
    "nio-memory": nio_in_memory,
    "crowd": crowd,
    "unmeasured": unmeasured,
    "idle": idle,
    "slip": slip,
    "receive": receive,
}


def main() -> None:
    """Run one of them, and end without ceremony."""
    logging.disable(logging.WARNING)
    told = _WHO[sys.argv[1]](sys.argv[2], float(sys.argv[3]))
    print(json.dumps(told), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
