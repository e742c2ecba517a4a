"""The crowd on a real deployment, with a proxy between them that makes trouble: what is told is what was done."""

import subprocess
import sys
from pathlib import Path

from fixtures.deployment import Deployment
from load.profile import Profile
from reports.load import LoadReport, read_load
from tests.load.troublemaker import Between, Mischief, between

PROFILE = """
schema = "vigie.profile/1"
name = "trouble"
title = "A few people, for the sake of counting"
mix = { send = 1 }
timeout = 60

[population]
people = 16
two_devices = 0
canaries = 0
decrypting = 1
rooms = { direct = 4, private = 4, sizes = { shape = "fixed", median = 4, least = 3, most = 5 } }

[arrivals]
shape = "constant"
rate = 4

[windows]
warm_up = 2
measured = %d
cool_down = 2
grace = 40

# This machine may be busy with other things: what is judged here is the counting.
[generator]
processor = 2
loop_lag_ms = 5000
slip_ms = 5000
dropped = 1

[[objectives]]
id = "acknowledged-median"
figure = "latency"
stage = "intended-acknowledged"
percentile = 50
at_most = 2500

[[objectives]]
id = "nothing-lost"
figure = "lost"
at_most = 0

[[objectives]]
id = "nothing-doubled"
figure = "duplicated"
at_most = 0

[[objectives]]
id = "all-in-order"
figure = "out-of-order"
at_most = 0
"""


def run(standing: Between, folder: Path, measured: int = 30) -> tuple[int, LoadReport]:
    profile = folder / "trouble.toml"
    profile.write_text(PROFILE % measured)
    Profile.read(profile)
    command = [sys.executable, "-m", "load.run", "--deployment", str(standing.toml), "--profile", str(profile)]
    # Who is there and in which rooms is made in peace.
    done = subprocess.run([*command, "--populate-only"], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    standing.arm()
    done = subprocess.run([*command, "--out", str(folder / "out")], capture_output=True, text=True, timeout=600, check=False)
    assert (folder / "out" / "load.json").exists(), done.stdout[-3000:] + done.stderr[-3000:]
    return done.returncode, read_load(folder / "out" / "load.json")


def missed(report: LoadReport) -> list[str]:
    return [objective.id for objective in report.objectives if not objective.met]


def test_what_a_proxy_drops_doubles_and_reorders_is_what_is_counted(deployment: Deployment, tmp_path: Path) -> None:
    """A proxy hinders two deliveries in five; the report has as many lost, doubled and late ones, with their ids."""
    mischief = Mischief(drop=0.05, double=0.07, late=0.3)
    with between(deployment, tmp_path, mischief) as standing:
        code, report = run(standing, tmp_path)
    assert standing.did("deliveries") > 100
    for what in ("lost", "duplicated", "out-of-order"):
        assert report.counts.get(what, 0) == standing.did(what), what
        assert standing.did(what), f"the proxy was told to, and did nothing: {what}"
        assert sorted(offence.event_id for offence in report.offences if offence.kind == what) == standing.ids(what)
    assert {"nothing-lost", "nothing-doubled", "all-in-order"} <= set(missed(report))
    assert code == 1
