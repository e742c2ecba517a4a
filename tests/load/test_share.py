"""What a worker is handed is what the master has, less what is the master's own; what it changes is on record first."""

import tomllib
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import msgpack
import pytest
from vodozemac import Account

from fixtures.deployment import Deployment
from load.agents.crowd import canaries_of
from load.agents.crypto import CrowdMachine
from load.agents.devicekeys import KnownKeys
from load.arrivals import replayed, schedule
from load.driver import drive
from load.population.plan import PersonPlan, Plan, RoomPlan, draw
from load.population.store import Store
from load.profile import Profile, names
from load.sharing.share import MADE, HandedMade, HandedRecords, pack, unpack
from scenarios.session import Session
from scenarios.visit.ledger import Ledger
from scenarios.visit.made import Made
from scenarios.wire import Request, TimedOut

TEXT = """
schema = "vigie.profile/1"
name = "shared"
title = "Shared"
arrivals = { shape = "constant", rate = 5 }
mix = { send = 3, receipt = 1 }
windows = { measured = 20 }
objectives = [{ id = "nothing-lost", figure = "lost", at_most = 0 }]

[population]
people = 40
canaries = 0.2
rooms = { direct = 10, private = 4 }
"""


def deployment() -> Deployment:
    return Deployment.model_validate(
        {
            "schema": "vigie.deployment/1",
            "name": "shared",
            "mail": {"kind": "imap", "url": "imap://mail.test", "user": "u", "password": "the-mailbox"},
            "homeservers": [
                {
                    "name": "one",
                    "server_name": "one.test",
                    "url": "http://127.0.0.1:1",
                    "admin_url": "http://127.0.0.1:2",
                    "admin_token": "the-administrator",
                }
            ],
        }
    )


def populated(path: Path, plan: Plan) -> Store:
    store = Store(path)
    for person in plan.people:
        store.put("person", str(person.number), {"user_id": f"@{person.number}:one.test"})
        for number in range(person.devices):
            name = f"{person.number}/{number}"
            store.put("device", name, {"device_id": f"D{person.number}{number}", "token": f"token-{name}"})
            store.keep_account(name, Account())
    for room in plan.rooms:
        store.put("room", str(room.number), {"room_id": f"!{room.number}:one.test", "encrypted": True})
    return store


def test_shares_are_together_everybody_and_nobody_twice(tmp_path: Path) -> None:
    profile = Profile.parse(TEXT, "shared.toml")
    plan = draw(profile.population, deployment(), profile.seed)
    store, canaries = populated(tmp_path / "population.jsonl", plan), canaries_of(plan, profile)
    people: list[PersonPlan] = []
    rooms: list[RoomPlan] = []
    chosen: list[int] = []
    arrivals = []
    for shard in range(2):
        sent = msgpack.dumps(pack(deployment(), profile, plan, canaries, store, shard, 2))
        for secret in (b"the-administrator", b"the-mailbox"):
            assert secret not in sent
        share = unpack(msgpack.loads(sent, strict_map_key=False))
        people += share.plan.people
        rooms += share.plan.rooms
        chosen += share.canaries
        arrivals += [each.number for each in schedule(share.profile, share.shard, share.shards)]
        handed = HandedRecords(share.records, keep=lambda _records: None)
        for person in share.plan.people:
            name = f"{person.number}/0"
            assert handed.get("device", name) == store.get("device", name)
            assert handed.account(name).curve25519_key.to_base64() == store.account(name).curve25519_key.to_base64()
        others = [each for each in plan.people if each not in share.plan.people]
        assert others and all(handed.get("device", f"{each.number}/0") is None for each in others)
    assert sorted(people, key=lambda each: each.number) == list(plan.people)
    assert sorted(rooms, key=lambda each: each.number) == list(plan.rooms)
    assert sorted(chosen) == sorted(canaries)
    assert sorted(arrivals) == [each.number for each in schedule(profile)]
    store.close()


@pytest.mark.parametrize("name", names())
def test_a_profile_is_the_same_where_it_is_handed_to(name: str) -> None:
    profile = Profile.read(name)
    if replayed(profile) is None:
        profile = profile.with_changes(rate=Random(name).uniform(0.1, 3), measured=30)
    sent = msgpack.dumps([profile.told(), replayed(profile)])
    handed = Profile.handed(*msgpack.loads(sent))
    assert handed.told() == profile.told()
    assert list(schedule(handed)) == list(schedule(profile))


def test_a_recording_is_played_where_its_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "recorded.csv").write_text("at,act\n0.5,send\n1.5,receipt\n")
    path = tmp_path / "recorded.toml"
    path.write_text(TEXT.replace('{ shape = "constant", rate = 5 }', '{ shape = "replay", file = "recorded.csv" }'))
    profile = Profile.read(path)
    handed = Profile.handed(profile.told(), replayed(profile))
    (tmp_path / "recorded.csv").unlink()
    assert [(each.at, each.act) for each in schedule(handed)] == [(0.5, "send"), (1.5, "receipt")]


class Server:
    """Takes key uploads, and remembers in which order things happened."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def send(self, request: Any) -> Any:
        raise AssertionError(request)


def test_keys_are_with_the_master_before_they_are_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker may be killed at any time: keys that somebody can claim are on record, or were never published."""
    log: list[str] = []
    records = [["pickle-key", "", "A" * 43 + "="]]
    handed = HandedRecords(records, keep=lambda changed: log.extend(kind for kind, _, _ in changed))
    session = Session(Server(log), "http://127.0.0.1:1", "one.test", "@a:one.test", "D", "t")  # type: ignore[arg-type]

    class Taken:
        status = 200

        def json(self) -> dict[str, Any]:
            return {"one_time_key_counts": {"signed_curve25519": 50}}

    async def send(method: str, where: str, body: bytes) -> Any:
        del method, body
        log.append(where)
        return Taken()

    monkeypatch.setattr("load.agents.crypto.ok", lambda answer: answer.json())
    monkeypatch.setattr(session, "send", send)
    machine = CrowdMachine(session, KnownKeys(), keep=lambda account: handed.keep_account("0/0", account))
    drive(machine.upload())
    assert log == ["account", "/keys/upload"]

    def gone(_changed: Any) -> None:
        raise TimedOut("the master of this run does not answer")

    log.clear()
    alone = HandedRecords(records, keep=gone)
    machine = CrowdMachine(session, KnownKeys(), keep=lambda account: alone.keep_account("0/0", account))
    with pytest.raises(TimedOut):
        drive(machine.upload())
    assert log == []


def test_what_a_worker_makes_elsewhere_is_in_the_master_s_journal_before_it_is_there(tmp_path: Path) -> None:
    """A worker on somebody else's deployment asks the master to write down, and makes nothing while nobody answers."""
    journal, profile = Made(tmp_path / "abcd.jsonl"), Profile.model_validate(tomllib.loads(TEXT))
    journal.begin(deployment())
    plan = draw(profile.population, deployment(), 1)
    with closing(populated(tmp_path / "population.jsonl", plan)) as store:
        share = unpack(pack(deployment(), profile, plan, set(), store, 0, 2, journal.tag))

    def keep(records: list[list[Any]]) -> None:
        for kind, _name, entry in msgpack.unpackb(msgpack.packb(records)):
            assert kind == MADE
            journal.note(**entry)

    ledger = Ledger(share.deployment, HandedMade(share, keep), people_stay=True)
    body = b'{"username":"newcomer","password":"p"}'
    ledger.intend(Request("POST", "http://127.0.0.1:1/_matrix/client/v3/register", body=body))
    assert list(journal.things().accounts) == ["@newcomer:one.test"] and ledger.mark == "vigieabcd"
    assert ledger.made.count() == 2, "the other worker is taken for as busy"

    def silent(_records: list[list[Any]]) -> None:
        raise TimedOut("the master of this run does not answer")

    alone = Ledger(share.deployment, HandedMade(share, silent), people_stay=True)
    with pytest.raises(TimedOut):
        alone.intend(Request("POST", "http://127.0.0.1:1/_matrix/client/v3/register", body=body))
