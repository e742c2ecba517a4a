"""A deployment that is left running, ended, killed in the middle, and doubled: nothing of it outlives its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.deployment import Deployment
from fixtures.embedded import clear_abandoned, down, home
from fixtures.journal import Journal, is_alive

Vigie = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"test-{os.getpid()}-{time.monotonic_ns()}"
    yield chosen
    down(home(), chosen)


def running(name: str) -> list[int]:
    """Give the processes that have this deployment's folder in their command or environment."""
    mark = f"/deployments/{name}/"
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(mark in argument for argument in process.info["cmdline"] or ()) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not in {seconds} s: {what}"
        time.sleep(0.05)


def test_up_stays_and_down_ends_it(vigie: Vigie, name: str) -> None:
    done = vigie("up", "--name", name, "--database", "sqlite")
    assert done.returncode == 0, done.stderr
    toml = home() / name / "deployment.toml"
    assert str(toml) in done.stdout and "https://127.0.0.2" in done.stdout
    deployment = Deployment.read(toml)
    assert toml.stat().st_mode & 0o077 == 0, "others may read an administrator's token"
    assert running(name) and Journal(home() / name).dead() == []
    assert {each.name for each in deployment.components} >= {"synapse", "sydent", "clamav", "nginx", "matrix-content-scanner"}

    again = vigie("up", "--name", name)
    assert again.returncode == 4 and "runs already" in again.stderr
    done = vigie("down", name)
    assert done.returncode == 0 and name in done.stdout
    assert running(name) == [] and not (home() / name).exists()


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/tmp/somebody-s"])
def test_a_name_that_would_empty_another_folder_is_refused(vigie: Vigie, name: str) -> None:
    """A deployment's folder is made anew at every start: what is no name of one is somebody else's folder."""
    done = vigie("up", "--name", name)
    assert done.returncode == 4
    assert "is no name" in done.stderr
    assert done.stderr.count("\n") == 1


def test_two_deployments_stand_side_by_side(vigie: Vigie, name: str, deployment: Deployment) -> None:
    done = vigie("up", "--name", name, "--database", "sqlite")
    assert done.returncode == 0, done.stderr
    other = Deployment.read(home() / name / "deployment.toml")
    mine = {each.url for each in deployment.homeservers}
    assert not mine & {each.url for each in other.homeservers}
    assert vigie("down", name).returncode == 0
    assert deployment.storage is not None and deployment.storage.processes is not None
    assert Journal(deployment.storage.processes).dead() == [], "ending one deployment hurt the other"


def start(name: str, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vigie.cli", "up", "--name", name, "--database", "sqlite", *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def started(name: str, count: int) -> bool:
    return (home() / name / Journal.NAME).exists() and len(Journal(home() / name).started()) >= count


def test_killed_start_is_cleared_by_the_next(name: str) -> None:
    """kill -9 in the middle of the start: processes are left, and whoever starts next ends them by recorded pid."""
    process = start(name)
    wait_until(lambda: started(name, 4), "four services of the deployment")
    process.kill()
    process.communicate()
    left = Journal(home() / name).started()
    assert any(is_alive(each) for each in left), "nothing was left, so nothing is shown"

    assert name in clear_abandoned(home())
    assert running(name) == [] and not any(is_alive(each) for each in left)
    assert not (home() / name).exists()


def test_interrupted_start_leaves_nothing(name: str) -> None:
    process = start(name)
    wait_until(lambda: started(name, 4), "four services of the deployment")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 4
    assert b"interrupted" in said and b"Traceback" not in said
    assert running(name) == []


def test_foreground_deployment_ends_with_its_command_even_killed(name: str) -> None:
    """Bound to its command, a deployment goes with it: by the kernel, when the command is killed by SIGKILL."""
    process = start(name, "--foreground")
    wait_until((home() / name / "deployment.toml").exists, "the deployment")
    assert running(name)
    process.kill()
    process.communicate()
    wait_until(lambda: running(name) == [], "the end of every service", 30)


def test_service_that_dies_at_the_start_is_named(vigie: Vigie, name: str, tmp_path: Path) -> None:
    overlay = tmp_path / "wrong.yaml"
    overlay.write_text("modules: [{module: no_such_module.Nothing, config: {}}]\n")
    done = vigie("up", "--name", name, "--database", "sqlite", "--overlay", f"agents-2={overlay}")
    assert done.returncode == 4
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and "agents-2" in lines[0] and ".log" in lines[0], done.stderr
    assert running(name) == []


def test_another_process_with_a_recorded_pid_is_left_alone(name: str) -> None:
    """A pid alone is not an identity: a journal that names one by another birth ends nobody."""
    folder = home() / name
    folder.mkdir(parents=True)
    bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        born = psutil.Process(bystander.pid).create_time() - 1000
        started = {"name": "x", "pid": bystander.pid, "born": born}
        content = {"owner": 1, "owner_born": 1.0, "keep": False, "started": [started]}
        (folder / Journal.NAME).write_text(json.dumps(content))
        clear_abandoned(home())
        assert bystander.poll() is None, "a process was ended that nobody here had started"
    finally:
        bystander.kill()
        bystander.wait()
