"""Every act that a profile can ask for, done on a real deployment by a few people; and what the profiles ask for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.deployment import Deployment, Homeserver
from load.arrivals import schedule
from load.population.plan import draw
from load.profile import ACTS, Profile, names
from reports.load import read_load

ON_PAPER = Deployment(
    name="recette",
    homeservers=(
        Homeserver(name="a", server_name="a.example", url="https://127.0.0.1:1", domains=("a.gouv.fr",)),
        Homeserver(name="b", server_name="b.example", url="https://127.0.0.1:2", domains=("b.gouv.fr",)),
        Homeserver(name="c", server_name="c.example", url="https://127.0.0.1:3", people="externals"),
    ),
)
PROFILE = """
schema = "vigie.profile/1"
name = "everything"
title = "Every act, by a few people"
seed = 3
timeout = 90

[population]
people = 12
guests = 2
canaries = 0.1
decrypting = 1
two_devices = 0.2
rooms = { direct = 4, private = 3, public = 2, sizes = { shape = "fixed", median = 4, least = 3, most = 5 } }

[arrivals]
shape = "constant"
rate = 1.5

[mix]
%s

[files]
shape = "fixed"
median = 20_000
least = 1_000
most = 50_000

[windows]
warm_up = 0
measured = 40
cool_down = 0
grace = 120

# This machine may be busy with other things: what is judged here is whether it was done.
[generator]
processor = 2
loop_lag_ms = 30000
slip_ms = 30000
dropped = 1

[[objectives]]
id = "errors"
figure = "errors"
at_most = 0

[[objectives]]
id = "nothing-lost"
figure = "lost"
at_most = 0

[[objectives]]
id = "all-decrypt-all"
figure = "undecryptable"
at_most = 0
"""


def test_every_act_is_done(deployment: Deployment, tmp_path: Path) -> None:
    """A mix of all acts: each is done as often as it came up, none goes wrong, and what was written is read by all."""
    path = tmp_path / "everything.toml"
    path.write_text(PROFILE % "\n".join(f"{act} = 1" for act in ACTS))
    offered = [each.act for each in schedule(Profile.read(path))]
    assert set(offered) == set(ACTS), "another seed: this one leaves an act out"
    assert deployment.storage is not None and deployment.storage.processes is not None
    toml = deployment.storage.processes / "deployment.toml"
    command = [
        sys.executable,
        "-m",
        "load.run",
        "--deployment",
        str(toml),
        "--profile",
        str(path),
        "--out",
        str(tmp_path / "out"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    report = read_load(tmp_path / "out" / "load.json")
    done = {each.name: each.count for each in report.latencies if each.of == "act" and not each.from_actual}
    dropped = report.counts.get("dropped", 0)
    assert set(done) == set(ACTS), f"never done: {sorted(set(ACTS) - set(done))}; {ran.stdout}"
    assert sum(done.values()) == len(offered) - dropped, ran.stdout
    assert not [name for name in report.counts if name.startswith("failed")], ran.stdout
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("name", names())
def test_what_a_profile_asks_for_can_be_there(name: str) -> None:
    """Its people and rooms are drawn as it says: no room is cut short as too few live together, and all write encrypted."""
    profile = Profile.read(name)
    plan = draw(profile.population, ON_PAPER, profile.seed)
    asked = profile.population
    assert len(plan.people) == asked.people + asked.guests
    sizes = [len(room.members) for room in plan.rooms if room.kind != "direct" and not room.externals]
    assert min(sizes) >= asked.rooms.sizes.least
    encrypted = {number for room in plan.rooms if room.kind != "public" for number in room.members}
    assert encrypted >= {each.number for each in plan.people if not each.guest}
    circles = [sum(each.circle == number and not each.guest for each in plan.people) for number in range(plan.circles)]
    if asked.rooms.sizes.shape == "uniform":
        assert asked.rooms.sizes.most <= min(circles), "rooms of this size cannot be: circles are smaller"


def test_every_mix_is_of_known_acts() -> None:
    for name in names():
        assert set(Profile.read(name).mix) <= set(ACTS)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("[mix]\nsend = 1\ndance = 2", r":\d+: mix\.dance"),
        ("[mix]\nsend = 0", r":\d+: mix\.send"),
        ("[mix]\nsend =", r"not TOML.*line \d+"),
        ('[[probes]]\nname = "nobody-knows"\nevery = 5\n[mix]\nsend = 1', "nobody-knows"),
    ],
)
def test_a_mistake_in_a_profile_is_told_before_anything_starts(tmp_path: Path, wrong: str, said: str) -> None:
    """In one line with its place and key, exit code 4, and nothing was asked of the deployment that is named."""
    path = tmp_path / "wrong.toml"
    path.write_text((PROFILE % "").replace("[mix]\n", wrong))
    toml = tmp_path / "nowhere.toml"
    ON_PAPER.write(toml)
    command = [sys.executable, "-m", "vigie.cli", "load", "--deployment", str(toml), "--profile", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 4 and len(ran.stderr.strip().splitlines()) == 1, ran.stdout + ran.stderr
    assert re.search(said, ran.stderr), ran.stderr
    assert "does not answer" not in ran.stderr
