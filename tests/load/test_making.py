"""A crowd's people are accounts: they come to be only where accounts are allowed."""

from __future__ import annotations

import resource
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import pytest
from vodozemac import Account

from fixtures.deployment import Deployment, Homeserver
from fixtures.errors import DeploymentError
from load.population import making, provision
from load.population.howfar import teller
from load.population.store import Store
from load.profile import Profile
from scenarios.wire import Unreachable


class WentThere(Exception):
    """What would begin the population's journal, before anything is asked of the deployment."""


def goes_there(*_what: object) -> None:
    raise WentThere


def test_nobody_is_made_where_accounts_are_not_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave to load a deployment is none to make accounts on it: refused in a line, with nothing asked or written.

    The same call goes on to the deployment as soon as accounts are allowed too.
    """
    monkeypatch.setattr(making, "settle", goes_there)
    home = Homeserver(name="a", server_name="a.example", url="https://127.0.0.1:1", domains=("a.example",))
    abroad = Homeserver(name="b", server_name="b.example", url="https://127.0.0.1:2", people="externals")
    narrow = Deployment(name="recette", allow=("load",), homeservers=(home, abroad))
    profile = Profile.read("smoke")

    with pytest.raises(DeploymentError, match=r'on recette needs allow = \["accounts"\]'):
        making.ensure(narrow, profile, lambda *_far: None, tmp_path)
    assert list(tmp_path.iterdir()) == []

    wide = narrow.model_copy(update={"allow": ("load", "accounts")})
    with pytest.raises(WentThere):
        making.ensure(wide, profile, lambda *_far: None, tmp_path)


def test_two_populations_share_nobody(tmp_path: Path) -> None:
    """Populations of one seed that differ in their rooms have people of their own, the same ones each time."""
    deployment = Deployment(
        name="recette",
        homeservers=(
            Homeserver(name="a", server_name="a.example", url="https://127.0.0.1:1", domains=("a.example",)),
            Homeserver(name="b", server_name="b.example", url="https://127.0.0.1:2", people="externals"),
        ),
    )

    def people(profile: Profile) -> set[tuple[str, str]]:
        plan = making.plan_of(deployment, profile, Store(tmp_path / str(len(list(tmp_path.iterdir())))))
        return {(each.identity.address, each.identity.password) for each in plan.people}

    smoke, files = Profile.read("smoke"), Profile.read("files")
    assert smoke.seed == files.seed and people(smoke) == people(smoke)
    assert not {address for address, _ in people(smoke)} & {address for address, _ in people(files)}


MANY = """
schema = "vigie.profile/1"
name = "many"
title = "One room of more than are invited while it is made"

[population]
people = 30
guests = 0
canaries = 0
decrypting = 0
rooms = { direct = 0, private = 1, public = 0, sizes = { shape = "fixed", median = 13, least = 13, most = 13 } }

[arrivals]
shape = "constant"
rate = 1

[mix]
send = 1

[windows]
warm_up = 0
measured = 1
cool_down = 0
grace = 1

[[objectives]]
id = "nothing-lost"
figure = "lost"
at_most = 0
"""


def test_a_room_of_many_has_everybody_in_it(deployment: Deployment, tmp_path: Path) -> None:
    """More are to be in a room than are invited while it is made: the others are invited after, and all are in it."""
    path = tmp_path / "many.toml"
    path.write_text(MANY)
    profile = Profile.read(path)
    plan, store = making.ensure(deployment, profile, lambda *_far: None, tmp_path)
    planned = max((room for room in plan.rooms if room.kind == "private"), key=lambda room: len(room.members))
    assert len(planned.members) == 13 > provision._INVITED_AT_ONCE + 1

    named = {each.name: each for each in deployment.homeservers}
    home = named[plan.people[planned.members[0]].home]
    wanted = sorted(store.get("person", str(number))["user_id"] for number in planned.members)
    headers = {"Authorization": f"Bearer {store.get('device', f'{planned.members[0]}/0')['token']}"}
    where = f"{home.url}/_matrix/client/v3/rooms/{store.get('room', str(planned.number))['room_id']}/joined_members"
    # Of who joined last another homeserver hears a moment later.
    joined, until = list[str](), time.monotonic() + 30
    with httpx.Client(verify=ssl.create_default_context(cafile=deployment.ca), headers=headers, timeout=30) as client:
        while joined != wanted and time.monotonic() < until:
            joined = sorted(client.get(where).json()["joined"])
            time.sleep(0.1)
    assert joined == wanted
    store.close()


def test_what_is_left_takes_as_long_as_what_was_of_the_same_kind() -> None:
    """After a minute of accounts the first of six hundred rooms had ten hours left."""
    said: list[str] = []
    moments = iter([0.0, 30.0, 60.0, 63.0, 66.0, 67.0])
    progress = teller(said.append, lambda: next(moments))
    for what, done, of in (("people", 1, 2), ("people", 2, 2), ("rooms", 1, 3), ("rooms", 2, 3), ("rooms", 3, 3)):
        progress(what, done, of)
    assert said == [
        "  30.0 s  people: 1 of 2, 30 s left",
        "  60.0 s  people: 2 of 2",
        "  63.0 s  rooms: 1 of 3, 6 s left",
        "  66.0 s  rooms: 2 of 3, 3 s left",
        "  67.0 s  rooms: 3 of 3",
    ]


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow, whatever the disk has left: the kernel says so as it says that a disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_ends_a_run_by_name_and_is_no_trouble_of_the_server(tmp_path: Path) -> None:
    """Whoever polled was ended by it, with a traceback each, and what they did not read any more was told as lost."""
    path = tmp_path / "population.jsonl"
    store, ended = Store(path), Event()
    store.put("person", "0", {"user_id": "@a:one.test"})
    with full_disk(), pytest.raises(DeploymentError, match=r"population\.jsonl: cannot be written: File too large"):
        store.put("person", "1", {"user_id": "@b:one.test"})
    store.on_trouble = ended.set
    with full_disk():
        store.put("since", "0/0", "s1")
        assert ended.is_set() and store.trouble == f"{tmp_path.name}/{path.name}: cannot be written: File too large"
        with pytest.raises(Unreachable, match="File too large"):
            store.keep_account("0/0", Account())
        store.close()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    again = Store(path)
    assert again.get("person", "0") == {"user_id": "@a:one.test"}
    again.close()
