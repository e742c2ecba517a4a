"""The crowd on a real deployment, with a proxy between them that makes trouble: what is told is what was done."""

import json
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx

from fixtures.deployment import Deployment
from load.profile import Profile
from reports.load import LoadReport, read_load
from tests.load.troublemaker import Between, Mischief, between

PROFILE = """
schema = "vigie.profile/1"
name = "trouble"
title = "A few people, for the sake of counting"
mix = { send = 1 }
timeout = %d

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
grace = %d

# This machine may be busy with other things: what is judged here is the counting.
[generator]
processor = 2
loop_lag_ms = 60000
slip_ms = 60000
dropped = 1

[[objectives]]
id = "acknowledged-median"
figure = "latency"
stage = "intended-acknowledged"
percentile = 50
at_most = 2500

[[objectives]]
id = "errors"
figure = "errors"
at_most = 0

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


def prepared(standing: Between, folder: Path, measured: int, timeout: int, grace: int = 40) -> tuple[list[str], str]:
    """Make in peace who is there and in which rooms; gives the command of the run, and what was told."""
    profile = folder / "trouble.toml"
    profile.write_text(PROFILE % (timeout, measured, grace))
    Profile.read(profile)
    command = [sys.executable, "-m", "load.run", "--deployment", str(standing.toml), "--profile", str(profile)]
    done = subprocess.run([*command, "--populate-only"], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return command, done.stdout


def run(standing: Between, folder: Path, measured: int = 30, timeout: int = 60, grace: int = 40) -> tuple[int, LoadReport]:
    command, _ = prepared(standing, folder, measured, timeout, grace)
    standing.arm()
    done = subprocess.run([*command, "--out", str(folder / "out")], capture_output=True, text=True, timeout=600, check=False)
    assert (folder / "out" / "load.json").exists(), done.stdout[-3000:] + done.stderr[-3000:]
    return done.returncode, read_load(folder / "out" / "load.json")


def run_through(command: list[str], folder: Path, happens: Callable[[], None]) -> tuple[int, LoadReport, str]:
    """Run, and let something happen in the middle of what is measured."""
    command = [*command, "--out", str(folder / "out")]
    told = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(line)
            if "measured:" in line:
                happens()
                break
        rest, _ = process.communicate(timeout=300)
    return process.returncode, read_load(folder / "out" / "load.json"), "".join(told) + rest


def missed(report: LoadReport) -> list[str]:
    return [objective.id for objective in report.objectives if not objective.met]


def test_what_a_proxy_drops_doubles_and_reorders_is_what_is_counted(deployment: Deployment, tmp_path: Path) -> None:
    """A proxy hinders two deliveries in five; the report has as many lost, doubled and late ones, with their ids."""
    mischief = Mischief(drop=0.05, double=0.07, late=0.3)
    with between(deployment, tmp_path, mischief) as standing:
        code, report = run(standing, tmp_path, grace=20)
    assert standing.did("deliveries") > 100
    for what in ("lost", "duplicated", "out-of-order"):
        assert report.counts.get(what, 0) == standing.did(what), what
        assert standing.did(what), f"the proxy was told to, and did nothing: {what}"
        assert sorted(offence.event_id for offence in report.offences if offence.kind == what) == standing.ids(what)
    assert {"nothing-lost", "nothing-doubled", "all-in-order"} <= set(missed(report))
    assert code == 1


def test_what_comes_late_within_its_grace_is_not_lost(deployment: Deployment, tmp_path: Path) -> None:
    """People still write when their time is over, and each message takes most of the grace to its readers: none is lost."""
    # Everything is held back for three seconds, and nothing overtakes anything.
    mischief = Mischief(delay=3.0, late=1.0, clear=1e9, patience=3.0)
    with between(deployment, tmp_path, mischief, armed=False) as standing:
        _, report = run(standing, tmp_path, measured=10, grace=8)
    assert "nothing-lost" not in missed(report) and report.counts["delivered"] == report.counts["expected"], report.counts


def test_each_bad_answer_is_counted_as_what_it_is(deployment: Deployment, tmp_path: Path) -> None:
    """Every fourth message is refused for a moment, breaks the server, gets half an answer or none: the report has as many."""
    mischief = Mischief(badly=("429", "500", "half", "nothing"))
    with between(deployment, tmp_path, mischief) as standing:
        code, report = run(standing, tmp_path, measured=30, timeout=15)
    assert all(standing.did(kind) for kind in mischief.badly), standing.proxies[0].counts
    assert report.counts["limited"] == standing.did("429")
    assert report.counts["failed:5xx"] == standing.did("500")
    assert report.counts["failed:bad-body"] == standing.did("half")
    assert report.counts["failed:timeout"] >= standing.did("nothing")
    # What was refused was never there, so that nobody waits for it.
    assert "errors" in missed(report) and "nothing-lost" not in missed(report) and code == 1


def test_a_server_that_dies_ends_in_a_report(deployment: Deployment, tmp_path: Path) -> None:
    """Every homeserver is gone in the middle: people go on trying, their errors are counted, and the objectives decide."""
    with between(deployment, tmp_path, Mischief()) as standing:
        command, _ = prepared(standing, tmp_path, measured=15, timeout=20)
        code, report, told = run_through(command, tmp_path, standing.die)
    assert code == 1 and "errors" in missed(report), told
    assert report.counts["failed:unreachable"] and not report.cut_short
    assert report.counts["offered"] > report.counts["done"]
    assert "Traceback" not in told and str(report.outcome) == "does-not-hold"


def test_who_lost_their_session_is_missed_by_nobody(deployment: Deployment, tmp_path: Path) -> None:
    """A token is revoked in the middle: nothing is expected of that device any more, and the next start logs it in anew."""
    with between(deployment, tmp_path, Mischief()) as standing:
        command, told = prepared(standing, tmp_path, measured=20, timeout=60)
        path = Path(told.strip().splitlines()[-1].split(" in ")[-1])
        before = tokens(path)
        token = before["3/0"]
        assert token
        context = ssl.create_default_context(cafile=str(deployment.ca))

        def revoke() -> None:
            headers = {"Authorization": f"Bearer {token}"}
            answers = [
                httpx.post(f"{home.url}/_matrix/client/v3/logout", json={}, headers=headers, verify=context, timeout=60)
                for home in deployment.homeservers
            ]
            assert [answer.status_code for answer in answers].count(200) == 1

        _, report, told = run_through(command, tmp_path, revoke)
        assert "devices whose token was revoked (1)" in told, told
        assert not {"nothing-lost", "nothing-doubled", "all-in-order"} & set(missed(report)), told
        assert token not in told + (tmp_path / "out" / "load.json").read_text()
        prepared(standing, tmp_path, measured=20, timeout=60)
        assert tokens(path)["3/0"] not in (None, token)
        assert {name for name, each in tokens(path).items() if each != before[name]} == {"3/0"}


def tokens(path: Path) -> dict[str, str | None]:
    """Read the sessions that are kept; a later record holds."""
    found = {}
    for line in path.read_text().splitlines():
        kind, name, value = json.loads(line)
        if kind == "device":
            found[name] = value["token"] if value else None
    return found
