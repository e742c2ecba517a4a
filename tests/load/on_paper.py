"""A crowd that nobody started: its people, their devices and their room are written down, and no server is there."""

from __future__ import annotations

import time
from pathlib import Path

from vodozemac import Account

from fixtures.deployment import Deployment, Homeserver
from fixtures.population import Population
from load.agents.crowd import Crowd
from load.agents.surroundings import Surroundings
from load.measuring.measures import Measures
from load.population.plan import PersonPlan, Plan, RoomPlan
from load.population.store import Store
from load.profile import Profile
from load.transport import trusting

__all__ = ["crowd_on_paper"]


def crowd_on_paper(folder: Path, *homes: str) -> Crowd:
    """Give people, one of each of these homeservers, in one room."""
    store, identity = Store(folder / "population.jsonl"), Population(1, "comings").agent("one.test")
    people = [PersonPlan(number, identity, home, False, 0, 1) for number, home in enumerate(homes)]
    for person in people:
        store.put("person", str(person.number), {"user_id": f"@{person.number}:{person.home}.test"})
        store.put("device", f"{person.number}/0", {"device_id": f"D{person.number}", "token": "token"})
        store.keep_account(f"{person.number}/0", Account())
    store.put("room", "0", {"room_id": "!forum:one.test", "encrypted": False})
    servers = tuple(Homeserver(name=each, server_name=f"{each}.test", url=f"http://{each}.test") for each in {*homes})
    profile = Profile.read("smoke")
    around = Surroundings(Deployment(name="none", homeservers=servers), profile, trusting(None))
    room = RoomPlan(0, "public", "", tuple(each.number for each in people), 0)
    crowd = Crowd(around, Plan(tuple(people), (room,), 1), store, canaries=set())
    around.measures = Measures(profile.windows, time.monotonic() - 1)
    return crowd
