"""Who comes into a room of the crowd is in it when every homeserver there knows; for none is waited in vain."""

import time
from pathlib import Path
from random import Random
from typing import Any

from vodozemac import Account

from fixtures.deployment import Deployment, Homeserver
from fixtures.population import Population
from load.crowd import Crowd
from load.measures import Measures
from load.plan import PersonPlan, Plan, RoomPlan
from load.profile import Profile
from load.store import Store
from load.surroundings import Room, Surroundings
from load.transport import trusting


def _crowd(folder: Path, *homes: str) -> Crowd:
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
    around = Surroundings(Deployment(name="none", homeservers=servers), profile, trusting(None), Random(1))
    room = RoomPlan(0, "public", "", tuple(each.number for each in people), 0)
    crowd = Crowd(around, Plan(tuple(people), (room,), 1), store, canaries=set())
    around.measures = Measures(profile.windows, time.monotonic() - 1)
    return crowd


def _joins(user_id: str, at: int) -> dict[str, Any]:
    return {"state_key": user_id, "content": {"membership": "join"}, "origin_server_ts": at, "unsigned": {"age": 0}}


def _claire_comes_back(crowd: Crowd) -> tuple[Room, set[str]]:
    """Claire leaves and joins again, and her own homeserver knows; gives the room, and who was there before."""
    forum, claire = crowd.around.rooms["!forum:one.test"], crowd.members[2]
    there = set(forum.members)
    crowd.left(forum, claire)
    crowd.around.on_member(forum, _joins(claire.user_id, 10), "one.test")
    assert forum.members == there - {claire.user_id}
    return forum, there


def test_who_comes_back_is_there_when_every_homeserver_knows(tmp_path: Path) -> None:
    """Then Bruno's homeserver tells of her, too."""
    crowd = _crowd(tmp_path, "one", "two", "one")
    forum, there = _claire_comes_back(crowd)
    crowd.around.on_member(forum, _joins(crowd.members[2].user_id, 10), "two.test")
    assert forum.members == there


def test_nobody_waits_for_the_homeserver_of_who_left_meanwhile(tmp_path: Path) -> None:
    """Bruno, the only one of his homeserver there, leaves before it told of her: it will not tell any more."""
    crowd = _crowd(tmp_path, "one", "two", "one")
    forum, there = _claire_comes_back(crowd)
    crowd.left(forum, crowd.members[1])
    assert forum.members == there - {crowd.members[1].user_id} and not forum.joining
