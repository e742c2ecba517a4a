"""``vigie load`` as its users run it: a few people who write to each other, encrypted, on a real deployment."""

from __future__ import annotations

import json
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fixtures.deployment import Deployment
from tests.vigie import crowded
from tests.vigie.conftest import Vigie

# What is held to be true here does not depend on how busy the machine is, nor on who happens to write to whom: half are
# canaries, since a run in which the only one was not written to would have no figure for them, and fail.
PROFILE = """\
schema = "vigie.profile/1"
name = "a-few"
title = "A few people"
seed = 7

[population]
people = 8
guests = 1
canaries = 0.5
decrypting = 1.0
two_devices = 0.25

[population.rooms]
direct = 3
private = 2
public = 1
sizes = { shape = "fixed", median = 3, least = 2, most = 5 }

[arrivals]
shape = "constant"
rate = 1.0

[mix]
send = 10
receipt = 2
typing = 1
guest-send = 1

[windows]
warm_up = 2
measured = 12
cool_down = 1
grace = 90

[generator]
loop_lag_ms = 30000
slip_ms = 30000
dropped = 1.0

[[objectives]]
id = "nothing-lost"
figure = "lost"
at_most = 0

[[objectives]]
id = "canaries-decrypt-all"
figure = "undecryptable"
of = "canaries"
at_most = 0

[[objectives]]
id = "crowd-decrypts-all"
figure = "undecryptable-share"
of = "crowd"
at_most = 0
"""


@pytest.fixture
def profile(tmp_path: Path) -> str:
    path = tmp_path / "a-few.toml"
    path.write_text(PROFILE)
    return str(path)


def test_a_few_people_are_heard_and_read_by_all(vigie: Vigie, warm: str, profile: str, tmp_path: Path) -> None:
    """A few people write to each other: nothing is lost, everything is decrypted, and the report says so without a token."""
    ran = vigie("load", "--deployment", warm, "--profile", profile, "--out", str(tmp_path / "out"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = (tmp_path / "out" / "load.json").read_text()
    report = json.loads(told)
    assert report["outcome"] == "holds" and all(each["met"] for each in report["objectives"])
    assert {"index.html", "junit.xml", "summary.md", "locust_stats.csv", "locust.html"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    stages = {each["name"] for each in report["latencies"]}
    assert {"intended-acknowledged", "intended-seen", "intended-decrypted"} <= stages
    everything = ran.stdout + ran.stderr + "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    assert not re.search(r"syt_[A-Za-z0-9]", everything), "an access token was told"


def test_sessions_are_kept_where_nobody_else_reads(vigie: Vigie, warm: str, profile: str) -> None:
    """A population is made once, its file is its owner's alone, and the second time nothing is made."""
    first = vigie("populate", "--deployment", warm, "--profile", profile)
    assert first.returncode == 0, first.stderr
    path = Path(first.stdout.strip().splitlines()[-1].split(" in ")[-1])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    before = [line for line in path.read_text().splitlines() if json.loads(line)[0] in ("person", "device", "room")]
    again = vigie("populate", "--deployment", warm, "--profile", profile)
    assert again.returncode == 0, again.stderr
    assert before == [line for line in path.read_text().splitlines() if json.loads(line)[0] in ("person", "device", "room")]


def test_an_interruption_ends_with_what_was_measured(warm: str, profile: str, tmp_path: Path) -> None:
    """Ctrl-C in the middle gives a report of what was measured, marked as cut short, and exit code 3."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "vigie.cli", "load", "--deployment", warm, "--profile", profile, "--out", str(out)]
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(
        [*command, "--measured", "600"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=root
    ) as ran:
        assert ran.stdout is not None
        seen = []
        for line in ran.stdout:
            seen.append(line)
            if "measured:" in line:
                ran.send_signal(signal.SIGINT)
                break
        rest = ran.stdout.read()
        assert ran.wait(120) == 3, "".join(seen) + rest
    report = json.loads((out / "load.json").read_text())
    assert report["cut_short"] and report["outcome"] == "cannot-tell" and "Traceback" not in rest
    measured = next(window for window in report["windows"] if window["window"] == "measured")
    assert 0 < measured["seconds"] < 600, "rates are of the time that was planned"


def test_a_search_for_the_limit_has_people_come_once_and_tells_what_it_knows(warm: str, tmp_path: Path) -> None:
    """They give the keys of their rooms, and stay: at each rate what they write is read by all. Ctrl-C ends with that."""
    profile, out = tmp_path / "a-few.toml", tmp_path / "out"
    profile.write_text(PROFILE.replace("[population]\n", "[population]\nkeys_given = true\n"))
    earlier, notes = out / "trials" / "01-at-7" / "load.json", out / "trials" / "notes.txt"
    earlier.parent.mkdir(parents=True)
    for each in (earlier, notes):
        each.touch()
    more = ("--profile", str(profile), "--find-capacity", "--measured", "6", "--out", str(out))
    with crowded.watched(*crowded.vigie("load", "--deployment", warm, *more)) as search:
        search.until("people have given the keys of their rooms after")
        for rate in (1, 2):
            search.until(f"at {rate} a second: ")
            assert "holds" in search.seen[-1], search.text
        crowded.interrupt(search)
        search.end(3)
    report = crowded.told(out)
    assert report.cut_short and report.capacity is not None and "there after" not in search.text
    assert [(trial.rate, trial.held) for trial in report.capacity.trials] == [(1.0, True), (2.0, True)]
    assert (report.capacity.low, report.capacity.high, report.capacity.confirmed) == (2.0, None, False)
    assert "before, all of their devices give the keys" in search.text, "what comes before second 0 is not announced"
    assert search.text.count("keys of their rooms after") == 1, "they came anew"
    assert notes.exists()
    trials = [crowded.told(each) for each in sorted((out / "trials").glob("*/"))]
    assert [each.profile.content["factor"] for each in trials] == [1.0, 2.0], "each rate has a report of its own"


def test_a_load_process_that_is_killed_is_told(warm: str, profile: str, tmp_path: Path) -> None:
    """With the process killed that makes the load nothing is known: a line says so, and the exit code is 3."""
    command = [sys.executable, "-m", "vigie.cli", "load", "--deployment", warm, "--profile", profile, "--out", str(tmp_path)]
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=root) as ran:
        assert ran.stdout is not None
        seen = ran.stdout.readline()
        (load,) = psutil.Process(ran.pid).children()
        load.kill()
        seen += ran.stdout.read()
        assert ran.wait(60) == 3 and "ended by SIGKILL" in seen and "Traceback" not in seen, seen


@pytest.mark.parametrize("host", ["matrix.recette.example", "192.0.2.1"])
def test_load_goes_nowhere_uninvited(vigie: Vigie, profile: str, tmp_path: Path, host: str) -> None:
    """A deployment that is not on this machine and does not allow load is left alone, and told why: host and peak rate."""
    toml = tmp_path / "elsewhere.toml"
    url = f"https://{host}"
    # Leave to make accounts is none to load.
    toml.write_text(
        f'schema = "vigie.deployment/1"\nname = "recette"\nallow = ["accounts"]\n'
        f'[[homeservers]]\nname = "a"\nserver_name = "recette.example"\nurl = "{url}"\n'
        f'[[homeservers]]\nname = "e"\nserver_name = "externe.example"\nurl = "{url}:1"\npeople = "externals"\n'
    )
    ran = vigie("load", "--deployment", str(toml), "--profile", profile)
    assert ran.returncode == 4 and len(ran.stderr.strip().splitlines()) == 1
    assert 'allow = ["load"]' in ran.stderr and host in ran.stderr and "1 acts a second" in ran.stdout


def test_a_deployment_that_is_not_there_is_told_in_a_line(
    vigie: Vigie, deployment: Deployment, profile: str, tmp_path: Path
) -> None:
    """With no server at the address, nothing is measured: one line, exit code 4."""
    gone = tuple(each.model_copy(update={"url": "https://127.0.0.1:1"}) for each in deployment.homeservers)
    toml = tmp_path / "gone.toml"
    deployment.model_copy(update={"homeservers": gone, "storage": None}).write(toml)
    ran = vigie("load", "--deployment", str(toml), "--profile", profile)
    assert ran.returncode == 4 and len(ran.stderr.strip().splitlines()) == 1 and "does not answer" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--profile", "nope"), "no such profile"),
        (("--rate", "0"), "no number above 0"),
        (("--people", "one"), "no whole number"),
        (("--people", "2000000"), "people = 2e+06: Input should be less than or equal to 1000000"),
        (("--web", "99999"), "'99999' is no port"),
        (("--prometheus", "0"), "'0' is no port"),
        (("--web", "18081", "--prometheus", "18081"), "--web and --prometheus cannot both listen at port 18081"),
        (("--out", "/dev/null/run"), "--out /dev/null/run: cannot be made: Not a directory; name another folder"),
        (("--precision", "0.2"), "--precision goes with --find-capacity"),
    ],
)
def test_wrong_use_is_told_in_a_line(vigie: Vigie, arguments: tuple[str, ...], said: str) -> None:
    """What cannot be asked for is told in one line, with exit code 4, before anything starts."""
    ran = vigie("load", *arguments)
    assert ran.returncode == 4 and said in ran.stderr and len(ran.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("recording", "said"),
    [("at\n1\nsoon\n", "day.csv:3: at: 'soon' is no number of seconds"), (None, "day.csv: cannot be read: ")],
)
def test_a_recording_with_a_mistake_is_told_before_anything_starts(
    vigie: Vigie, tmp_path: Path, recording: str | None, said: str
) -> None:
    """Its deployment was started for it first."""
    if recording:
        (tmp_path / "day.csv").write_text(recording)
    path, constant = tmp_path / "replayed.toml", 'shape = "constant"\nrate = 1.0\n'
    assert constant in PROFILE
    path.write_text(PROFILE.replace(constant, 'shape = "replay"\nfile = "day.csv"\n'))
    ran = vigie("load", "--profile", str(path))
    assert (ran.returncode, ran.stdout) == (4, "") and said in ran.stderr and len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", ["--web", "--prometheus"])
def test_a_port_that_is_taken_is_told_before_anything_starts(vigie: Vigie, option: str) -> None:
    """Nobody looks at a page that is not there for the length of a run."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        ran = vigie("load", option, port)
    assert (ran.returncode, ran.stdout) == (4, "")
    said = f"vigie load: {option} {port}: nothing can listen at 127.0.0.1:{port}, Address already in use; choose another port\n"
    assert ran.stderr == said
