"""Load on somebody else's deployment: the population stays until it is swept, what a run adds goes at its end."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.deployment import Deployment, Limits
from scenarios.visit.made import Made, journals, populations
from tests.vigie.conftest import Vigie
from tests.vigie.visiting import Active, active, devices, foreign

# Everything that makes something: accounts, rooms of each kind, devices.
PROFILE = """\
schema = "vigie.profile/1"
name = "makers"
title = "A few people who make things"
seed = 11
mix = { send = 4, register = 3, direct = 2, room = 2, invite = 2, login = 3 }

[population]
people = 6
guests = 1
canaries = 0.2
decrypting = 1.0
two_devices = 0.3

[population.rooms]
direct = 2
private = 1
public = 1
sizes = { shape = "fixed", median = 3, least = 2, most = 4 }

[arrivals]
shape = "constant"
rate = 2

[windows]
warm_up = 2
measured = 10
cool_down = 1
grace = 60

[generator]
processor = 2
loop_lag_ms = 30000
slip_ms = 30000
dropped = 1.0

[[objectives]]
id = "nothing-lost"
figure = "lost"
at_most = 0
"""


@pytest.fixture
def profile(tmp_path: Path) -> str:
    path = tmp_path / "makers.toml"
    path.write_text(PROFILE)
    return str(path)


@pytest.fixture
def file(deployment: Deployment, tmp_path: Path) -> Path:
    return foreign(deployment, tmp_path / "other.toml", allow=("accounts", "load"), limits=Limits(requests_per_second=200))


@pytest.fixture(autouse=True)
def _nothing_left(vigie: Vigie, deployment: Deployment, file: Path) -> Iterator[None]:
    yield
    if journals(deployment) or populations(deployment):
        vigie("sweep", str(file), "--populations")


def populated(vigie: Vigie, file: Path, profile: str) -> Path:
    """Make the population; gives the file in which its sessions are kept."""
    done = vigie("populate", "--deployment", str(file), "--profile", profile)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip().splitlines()[-1].split(" in ")[-1])


def there(deployment: Deployment) -> tuple[Active, int]:
    """Accounts, rooms with how many members each has, and how many devices people have whom a visitor made."""
    now = active(deployment)
    return now, devices(deployment, frozenset(each for each in now.accounts if "vigie" in each))


def test_population_stays_and_what_a_run_adds_goes(
    vigie: Vigie, deployment: Deployment, file: Path, profile: str, tmp_path: Path
) -> None:
    """A population is made once and kept; a run's accounts, rooms and devices go at its end; the sweep takes the population."""
    nothing = there(deployment)
    store = populated(vigie, file, profile)
    (population,) = populations(deployment)
    before = there(deployment)
    made = before[0].accounts - nothing[0].accounts
    assert len(made) == 7 and all(f"vigie{population.tag}" in user_id for user_id in made), made
    assert made == {each.user_id for each in population.things().accounts.values()}
    assert population.path.stat().st_mode & 0o077 == 0, "others may read the passwords in the journal"

    ran = vigie("load", "--deployment", str(file), "--profile", profile, "--out", str(tmp_path / "out"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    done = acts(tmp_path / "out")
    assert all(done.get(act) for act in ("register", "direct", "room", "login")), f"nothing was there to take away: {done}"
    told = re.search(r"taken away: (\d+) accounts and (\d+) rooms", ran.stdout)
    assert told and all(int(number) for number in told.groups()), ran.stdout
    assert there(deployment) == before
    assert journals(deployment) == []
    everything = ran.stdout + ran.stderr + "".join(each.read_text() for each in (tmp_path / "out").iterdir())
    assert not re.search(r"syt_[A-Za-z0-9]", everything), "an access token was told"

    again = vigie("populate", "--deployment", str(file), "--profile", profile)
    assert again.returncode == 0 and there(deployment) == before, again.stdout + again.stderr
    swept = vigie("sweep", str(file))
    assert swept.returncode == 0 and "7 accounts" in swept.stdout and "--populations" in swept.stdout, swept.stdout
    assert there(deployment) == before
    swept = vigie("sweep", str(file), "--populations")
    assert swept.returncode == 0 and "taken away: 7 accounts" in swept.stdout, swept.stdout + swept.stderr
    assert there(deployment) == nothing
    assert populations(deployment) == [] and not store.exists()


def acts(out: Path) -> dict[str, int]:
    report = json.loads((out / "load.json").read_text())
    told = [each for each in report["latencies"] if each["of"] == "act" and not each["from_actual"]]
    return {each["name"]: each["count"] for each in told}


def begun(file: Path, profile: str, deployment: Deployment, out: Path, *more: str) -> subprocess.Popen[str]:
    """Start a long run, and come back when it has made an account, a room and a device."""
    command = [sys.executable, "-m", "vigie.cli", "load", "--deployment", str(file)]
    command += ["--profile", profile, "--out", str(out), "--measured", "600", *more]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until(lambda: any(has_all(made) for made in journals(deployment)), run, "the run made nothing")
    return run


def has_all(made: Made) -> bool:
    things = made.things()
    return bool([each for each in things.accounts.values() if each.sure] and things.rooms and things.devices)


def until(holds: Callable[[], bool], run: subprocess.Popen[str], missing: str) -> None:
    end = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < end and run.poll() is None, missing
        time.sleep(0.05)


def test_interrupted_run_takes_its_own_away(
    vigie: Vigie, deployment: Deployment, file: Path, profile: str, tmp_path: Path
) -> None:
    """Ctrl-C in the middle: the report is there, and what was made is not."""
    populated(vigie, file, profile)
    before = there(deployment)
    run = begun(file, profile, deployment, tmp_path / "out")
    assert there(deployment) != before, "nothing was there to be taken away"
    run.send_signal(signal.SIGINT)
    told, _ = run.communicate(timeout=400)
    assert run.returncode == 3 and "Traceback" not in told, told
    assert json.loads((tmp_path / "out" / "load.json").read_text())["cut_short"]
    assert there(deployment) == before, told
    assert journals(deployment) == []


@pytest.mark.parametrize("administrators", [True, False])
def test_killed_run_is_finished_by_sweep(
    vigie: Vigie, deployment: Deployment, file: Path, profile: str, tmp_path: Path, administrators: bool
) -> None:
    """SIGKILL of the load process: what it made stays written down, and the sweep takes it away, with the population left.

    Without an administrator people leave by themselves: nobody is in the rooms any more, which is all there is to do.
    """
    populated(vigie, file, profile)
    before = there(deployment)
    run = begun(file, profile, deployment, tmp_path / "out")
    (journal,) = journals(deployment)
    subprocess.run(["kill", "-KILL", str(journal.head()["pid"])], check=True)
    run.communicate(timeout=60)
    assert there(deployment) != before, "nothing was left, so nothing is shown"
    sweeping = foreign(deployment, tmp_path / "sweeping.toml", administrators=administrators, allow=("accounts",))
    swept = vigie("sweep", str(sweeping))
    assert swept.returncode == 0 and "is kept for later runs" in swept.stdout, swept.stdout + swept.stderr
    after = there(deployment)
    assert (after[0].accounts, after[1]) == (before[0].accounts, before[1])
    assert after[0].inhabited == before[0].inhabited
    assert not administrators or after == before
    assert journals(deployment) == [] and len(populations(deployment)) == 1


@pytest.fixture
def shared(tmp_path: Path) -> str:
    """The same for two circles of people, so that two workers have one each."""
    path = tmp_path / "shared.toml"
    path.write_text(PROFILE.replace("people = 6", "people = 15"))
    return str(path)


def test_what_two_workers_add_goes_at_the_end(
    vigie: Vigie, deployment: Deployment, file: Path, shared: str, tmp_path: Path
) -> None:
    """Two workers make things at the same time, and note them in their master's journal: at the end nothing of it is there."""
    populated(vigie, file, shared)
    before = there(deployment)
    out = tmp_path / "out"
    ran = vigie("load", "--deployment", str(file), "--profile", shared, "--out", str(out), "--processes", "2")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    workers = json.loads((out / "load.json").read_text())["workers"]
    assert [(each["state"], bool(each["offered"])) for each in workers] == [("finished", True)] * 2, workers
    done = acts(out)
    assert all(done.get(act) for act in ("register", "direct", "room", "login")), f"nothing was there to take away: {done}"
    assert there(deployment) == before
    assert journals(deployment) == []


def test_killed_run_of_two_workers_is_finished_by_sweep(
    vigie: Vigie, deployment: Deployment, file: Path, shared: str, tmp_path: Path
) -> None:
    """SIGKILL of the master: its workers, whose things nobody writes down any more, end, and the sweep takes away the rest."""
    populated(vigie, file, shared)
    before = there(deployment)
    run = begun(file, shared, deployment, tmp_path / "out", "--processes", "2")
    (journal,) = journals(deployment)
    master = psutil.Process(int(journal.head()["pid"]))
    workers = master.children(recursive=True)
    assert len(workers) >= 2, workers
    master.kill()
    run.communicate(timeout=60)
    _, left = psutil.wait_procs(workers, timeout=90)
    assert not left, f"they did not end: {left}"
    assert there(deployment) != before, "nothing was left, so nothing is shown"
    swept = vigie("sweep", str(file))
    assert swept.returncode == 0 and "is kept for later runs" in swept.stdout, swept.stdout + swept.stderr
    assert there(deployment) == before
    assert journals(deployment) == [] and len(populations(deployment)) == 1


def test_interrupted_population_is_gone_on_with(vigie: Vigie, deployment: Deployment, profile: str, tmp_path: Path) -> None:
    """Ctrl-C while people are made: one line, nothing is made twice, and the sweep knows of everybody."""
    nothing = there(deployment)
    slow = foreign(deployment, tmp_path / "slow.toml", allow=("accounts",), limits=Limits(requests_per_second=4))
    command = [sys.executable, "-m", "vigie.cli", "populate", "--deployment", str(slow)]
    run = subprocess.Popen([*command, "--profile", profile], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: any(made.things().accounts for made in populations(deployment)), run, "nobody was made")
    run.send_signal(signal.SIGINT)
    _, told = run.communicate(timeout=120)
    assert run.returncode == 4 and "interrupted" in told and len(told.strip().splitlines()) == 1, told
    some = active(deployment).accounts
    assert some > nothing[0].accounts, "nobody was made, so nothing is shown"
    populated(vigie, foreign(deployment, tmp_path / "other.toml", allow=("accounts",)), profile)
    (population,) = populations(deployment)
    assert len(active(deployment).accounts - nothing[0].accounts) == 7
    assert {each.user_id for each in population.things().accounts.values()} >= some - nothing[0].accounts
    assert vigie("sweep", str(slow.with_name("other.toml")), "--populations").returncode == 0
    assert there(deployment) == nothing


@pytest.mark.parametrize(
    ("limit", "more", "said"),
    [(5, (), "its population has 7, limits.people is 5"), (7, ("--rate", "9"), "who register are")],
)
def test_no_more_people_than_the_limits_say(
    vigie: Vigie, deployment: Deployment, profile: str, tmp_path: Path, limit: int, more: tuple[str, ...], said: str
) -> None:
    """A profile that needs more accounts than the deployment's owner allows is refused in a line, before anybody is made."""
    before = there(deployment)
    file = foreign(deployment, tmp_path / "narrow.toml", allow=("accounts", "load"), limits=Limits(people=limit))
    ran = vigie("load", "--deployment", str(file), "--profile", profile, *more)
    assert ran.returncode == 4 and said in ran.stderr and len(ran.stderr.strip().splitlines()) == 1, ran.stdout + ran.stderr
    assert there(deployment) == before and populations(deployment) == []
