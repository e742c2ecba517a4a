"""A visit to somebody else's deployment makes what it is allowed to make, and leaves nothing active, however it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.deployment import Deployment
from reports.verdict import read
from scenarios.visit.made import Made, home, journals
from tests.vigie.visiting import active, devices, foreign

Vigie = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def _nothing_left(vigie: Vigie, deployment: Deployment, tmp_path: Path) -> Iterator[None]:
    yield
    if journals(deployment):
        vigie("sweep", str(foreign(deployment, tmp_path / "after.toml")))


def statuses(folder: Path) -> dict[str, tuple[str, str]]:
    return {rule.id: (str(rule.status), rule.reason) for rule in read(folder / "verdict.json").rules}


def test_nothing_is_made_where_nothing_is_allowed(vigie: Vigie, deployment: Deployment, tmp_path: Path) -> None:
    """Neither account, room, device nor mail comes to be, and every check that would need one says so."""
    file = foreign(deployment, tmp_path / "other.toml")
    before = active(deployment)
    had = devices(deployment, before.accounts)
    out = tmp_path / "run"
    rules = [word for rule in ("REG-4", "REG-12", "GST-1", "AV-2") for word in ("--rule", rule)]
    done = vigie("check", "--deployment", str(file), *rules, "--workers", "1", "--out", str(out))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "only reads" in done.stdout
    told = statuses(out)
    for rule in ("REG-4", "GST-1", "AV-2"):
        status, reason = told[rule]
        assert status == "untestable" and 'allow = ["' in reason, f"{rule} is {status}: {reason}"
    read_only = next(rule for rule in read(out / "verdict.json").rules if rule.id == "REG-12")
    passed = [check.id for check in read_only.checks if check.status == "pass"]
    assert passed == ["REG-12/every-homeserver-tells-where-an-address-lives"], "what only reads is told all the same"
    assert not (left := active(deployment).beside(before)), left
    assert devices(deployment, before.accounts) == had
    assert journals(deployment) == []


def test_what_is_hostile_as_a_whole_is_refused(vigie: Vigie, deployment: Deployment, tmp_path: Path) -> None:
    file = foreign(deployment, tmp_path / "other.toml", allow=("accounts",))
    done = vigie("check", "--deployment", str(file), "--adversary", "long", "--rule", "REG-8")
    assert done.returncode == 4 and 'allow = ["hostile"]' in done.stderr, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_nothing_is_active_after_a_visit(vigie: Vigie, deployment: Deployment, tmp_path: Path) -> None:
    """With accounts allowed the checks pass as on one's own deployment; afterwards accounts, rooms and files are as before."""
    file = foreign(deployment, tmp_path / "other.toml", allow=("accounts",))
    before = active(deployment)
    out = tmp_path / "run"
    choice = ("-k", "needs_the_link or listed_nowhere or clean_file_reaches", "--workers", "2")
    done = vigie("check", "--deployment", str(file), *choice, "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (left := active(deployment).beside(before)), left
    assert journals(deployment) == []
    assert all("vigie" in word for word in _localparts(out)), "an account bears no tag"


# `vigie check` where journals cannot be.
NOWHERE = """\
import sys
from pathlib import Path
import conformance.visiting
from vigie.cli import main
conformance.visiting.home = lambda: Path(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nothing_is_made_that_cannot_be_written_down(deployment: Deployment, tmp_path: Path, workers: str) -> None:
    """A file where the folder of journals should be, as an administrator's slip or a full disk would have it."""
    file = foreign(deployment, tmp_path / "other.toml", allow=("accounts",))
    (tmp_path / "journals").touch()
    before = active(deployment)
    command = ["check", "--deployment", str(file), "--rule", "CNV-2", "--workers", workers, "--out", str(tmp_path / "run")]
    command = [sys.executable, "-c", NOWHERE, str(tmp_path / "journals"), *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    [line] = done.stderr.splitlines()
    assert f"vigie check: {tmp_path}/journals/" in line and "what is made could not be written down" in line
    assert not (left := active(deployment).beside(before)), left
    assert not (tmp_path / "run" / "verdict.json").exists()


def _localparts(out: Path) -> list[str]:
    texts = [path.read_text() for path in out.glob("evidence/*.json")]
    return [person["user_id"] for text in texts for person in json.loads(text)["people"] if person["user_id"]]


def test_nothing_is_active_without_an_administrator(vigie: Vigie, deployment: Deployment, tmp_path: Path) -> None:
    """People register by mail, leave their rooms and give up their accounts themselves."""
    file = foreign(deployment, tmp_path / "other.toml", allow=("accounts",), administrators=False)
    before = active(deployment)
    choice = ("-k", "password_change or creates_no_room[plain]", "--workers", "1")
    done = vigie("check", "--deployment", str(file), *choice, "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stdout + done.stderr
    after = active(deployment)
    assert after.accounts == before.accounts
    assert after.inhabited == before.inhabited
    assert journals(deployment) == []


def _begun(file: Path, out: Path, deployment: Deployment, workers: int = 1) -> subprocess.Popen[bytes]:
    """Start a run, and come back when it has made some accounts and at least one room."""
    command = [sys.executable, "-m", "vigie.cli", "check", "--deployment", str(file)]
    command += ["--rule", "CNV", "--out", str(out), "--workers", str(workers)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    until = time.monotonic() + 180
    while not any(made.things().rooms for made in journals(deployment)):
        assert time.monotonic() < until and run.poll() is None, "the run made no room"
        time.sleep(0.05)
    return run


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM)])
def test_interrupted_visit_takes_its_own_away(deployment: Deployment, tmp_path: Path, workers: int, number: int) -> None:
    """Ctrl-C in the middle of a check, or a supervisor's end while two workers are at it."""
    before = active(deployment)
    run = _begun(foreign(deployment, tmp_path / "other.toml", allow=("accounts",)), tmp_path / "run", deployment, workers)
    assert active(deployment) != before, "nothing was there to be taken away"
    run.send_signal(number)
    told, _ = run.communicate(timeout=400)
    assert run.returncode in (3, 4) and b"Traceback" not in told, told.decode()
    assert not (left := active(deployment).beside(before)), f"{left}\n{told.decode()}"
    assert journals(deployment) == []


def test_visit_whose_listener_went_away_takes_its_own_away(deployment: Deployment, tmp_path: Path) -> None:
    """Whoever read the output is gone in the middle, as after a dropped connection."""
    before = active(deployment)
    run = _begun(foreign(deployment, tmp_path / "other.toml", allow=("accounts",)), tmp_path / "run", deployment)
    assert run.stdout is not None
    run.stdout.close()
    run.send_signal(signal.SIGTERM)
    run.wait(timeout=400)
    assert not (left := active(deployment).beside(before)), left
    assert journals(deployment) == []


def test_killed_visit_is_finished_by_sweep(vigie: Vigie, deployment: Deployment, tmp_path: Path) -> None:
    """SIGKILL in the middle: what is there stays written down, and `vigie sweep` takes it away, once."""
    before = active(deployment)
    file = foreign(deployment, tmp_path / "other.toml", allow=("accounts",))
    run = _begun(file, tmp_path / "run", deployment)
    run.kill()
    run.communicate()
    journal = journals(deployment)[0]
    assert active(deployment).accounts > before.accounts, "nothing was left, so nothing is shown"
    assert journal.path.stat().st_mode & 0o077 == 0, "others may read the tokens in the journal"

    done = vigie(
        "check", "--deployment", str(file), "-k", "needs_the_link", "--workers", "1", "--out", str(tmp_path / "second")
    )
    assert done.returncode == 0 and "vigie sweep" in done.stdout, done.stdout + done.stderr
    done = vigie("sweep", str(file))
    assert done.returncode == 0 and "taken away" in done.stdout, done.stdout + done.stderr
    assert not (left := active(deployment).beside(before)), left
    assert not journal.path.exists()
    done = vigie("sweep", str(file))
    assert done.returncode == 0 and "nothing is left" in done.stdout


def test_what_cannot_be_taken_away_is_told_and_kept(vigie: Vigie, deployment: Deployment, tmp_path: Path) -> None:
    """An account whose password nobody knows any more, and no administrator: it is named, and stays in the journal."""
    file = foreign(deployment, tmp_path / "other.toml", allow=("accounts",), administrators=False)
    homeserver = deployment.agents[0]
    made = Made(home() / "teststays.jsonl")
    made.begin(deployment)
    try:
        user_id = f"@lost:{homeserver.server_name}"
        made.note("account", key=user_id, server=homeserver.server_name, user_id=user_id, password="Faux-Mot-0123!", sure=True)
        content = made.path.read_text().splitlines()
        made.path.write_text("\n".join([content[0].replace('"born": ', '"born": 1'), *content[1:]]) + "\n")
        done = vigie("sweep", str(file))
        assert done.returncode == 3 and user_id in done.stdout, done.stdout + done.stderr
        assert made.things().accounts
    finally:
        made.end()
