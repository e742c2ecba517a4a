"""What the master hands a worker so that it can be a part of the crowd: where, what, who, with which keys. Nothing else.

It is a Locust message: what msgpack takes. It has people's passwords and tokens in it, and is neither logged nor written
down; an administrator's token and a mailbox's password stay with the master.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vodozemac import Account

from fixtures.deployment import Deployment
from fixtures.population import Identity
from load.arrivals import replayed
from load.population.plan import PersonPlan, Plan, RoomPlan
from load.population.store import Records
from load.profile import Profile
from scenarios.visit.made import Made

__all__ = ["MADE", "HandedMade", "HandedRecords", "Share", "pack", "unpack"]

MADE = "made"
"""The kind of a record that goes into the journal of what is made on somebody else's deployment."""

Record = list[Any]
"""Kind, name, value."""


@dataclass
class Share:
    """What one worker is handed: its circles' people and rooms, and what there is on record of them."""

    shard: int
    shards: int
    deployment: Deployment
    authority: str
    profile: Profile
    plan: Plan
    canaries: set[int]
    records: list[Record]
    tag: str = ""


def pack(
    deployment: Deployment,
    profile: Profile,
    plan: Plan,
    canaries: set[int],
    store: Records,
    shard: int,
    shards: int,
    tag: str = "",
) -> dict[str, Any]:
    """Give a worker's share, as a message carries it; `tag` is that of the run's journal on somebody else's deployment."""
    people = [each for each in plan.people if each.circle % shards == shard]
    rooms = [each for each in plan.rooms if each.circle % shards == shard]
    return {
        "shard": shard,
        "shards": shards,
        "deployment": _without_secrets(deployment).model_dump(mode="json", by_alias=True, exclude_none=True),
        "authority": deployment.ca.read_text(encoding="ascii") if deployment.ca else "",
        "profile": profile.told(),
        "recording": replayed(profile),
        "people": [asdict(each) for each in people],
        "rooms": [asdict(each) for each in rooms],
        "circles": plan.circles,
        "canaries": sorted(canaries & {each.number for each in people}),
        "records": _records(store, people, rooms),
        "tag": tag,
    }


def unpack(content: dict[str, Any]) -> Share:
    """Give back what :func:`pack` gave."""
    people = tuple(PersonPlan(**{**each, "identity": Identity(**each["identity"])}) for each in content["people"])
    rooms = tuple(RoomPlan(**{**each, "members": tuple(each["members"])}) for each in content["rooms"])
    return Share(
        content["shard"],
        content["shards"],
        Deployment.model_validate(content["deployment"]),
        content["authority"],
        Profile.handed(content["profile"], content["recording"]),
        Plan(people, rooms, content["circles"]),
        set(content["canaries"]),
        content["records"],
        content["tag"],
    )


def _without_secrets(deployment: Deployment) -> Deployment:
    keep = {"admin_url": None, "admin_token": None, "metrics_url": None}
    # The crowd reads mail by Mailpit alone; a mailbox has a password.
    mail = deployment.mail if deployment.mail and deployment.mail.password is None else None
    homeservers = tuple(each.model_copy(update=keep) for each in deployment.homeservers)
    return deployment.model_copy(
        update={"homeservers": homeservers, "mail": mail, "ca": None, "storage": None, "programs": {}, "infected": {}}
    )


def _records(store: Records, people: list[PersonPlan], rooms: list[RoomPlan]) -> list[Record]:
    wanted = [("pickle-key", "")]
    for person in people:
        wanted.append(("person", str(person.number)))
        for number in range(person.devices):
            wanted += [(kind, f"{person.number}/{number}") for kind in ("device", "since", "account")]
    wanted += [("room", str(room.number)) for room in rooms]
    found = ((kind, name, store.get(kind, name)) for kind, name in wanted)
    return [[kind, name, value] for kind, name, value in found if value is not None]


class HandedMade(Made):
    """The journal of a run as a worker has it: what it notes is on the master's disk when `note` returns."""

    def __init__(self, share: Share, keep: Callable[[list[Record]], None]) -> None:
        """Take the run's tag; `keep` has the master write records down, and returns when it has."""
        super().__init__(Path(f"{share.tag}.jsonl"))
        self._shards, self._keep = share.shards, keep
        self._told: list[dict[str, Any]] = []

    def _append(self, entry: dict[str, Any]) -> None:
        self._keep([[MADE, "", entry]])
        self._told.append(entry)

    def _entries(self) -> list[dict[str, Any]]:
        return self._told

    def count(self) -> int:
        """Count the accounts that all workers made, taking the others for as busy as this one."""
        return super().count() * self._shards

    def is_closing(self) -> bool:
        """Tell that more may be made: the master takes away what there is when no worker is left."""
        return False


class HandedRecords(Records):
    """The records of a worker: what changes goes back to the master, who has the population."""

    def __init__(self, records: list[Record], keep: Callable[[list[Record]], None]) -> None:
        """Take what was handed; `keep` has the master write records down, and returns when it has."""
        super().__init__()
        self._records = {(kind, name): value for kind, name, value in records}
        self._key = base64.b64decode(self.get("pickle-key", ""))
        self._keep = keep
        self._changed: list[Record] = []

    def put(self, kind: str, name: str, value: Any) -> None:
        """Take a change; it goes to the master with the next report."""
        super().put(kind, name, value)
        self._changed.append([kind, name, value])

    def keep_account(self, name: str, account: Account) -> None:
        """Have a device's keys written down by the master before anything made of them is published.

        This process may be killed at any time: keys that somebody claims and nobody has any more could never be answered.
        """
        super().keep_account(name, account)
        self._keep(self.changed())

    def changed(self) -> list[Record]:
        """Give what changed since the last time."""
        changed, self._changed = self._changed, []
        return changed
