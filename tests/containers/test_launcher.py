"""A deployment of containers as the engine sees it, and what is left of one whose owner was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.embedded import Embedded, clear_abandoned, home
from fixtures.launchers import container_powers
from fixtures.launchers.container_powers import ContainerPowers
from fixtures.launchers.containers import LABEL, SERVICE
from fixtures.powers import powers_over
from tests.containers.conftest import PROJECT, vigie


def of(docker: Any, folder: Path) -> dict[str, Any]:
    found = docker.containers.list(all=True, filters={"label": f"{LABEL}={folder}"}, ignore_removed=True)
    return {each.labels[SERVICE]: each for each in found}


def test_every_service_runs_from_its_one_description(docker: Any, standing: Embedded) -> None:
    """Each has the limits that it describes, its name on a network of the deployment's own, and ports on loopback alone."""
    found = of(docker, standing.launcher.folder)
    assert set(found) == {service.name for service in standing.services}
    networks = set()
    for service in standing.services:
        told = found[service.name].attrs
        assert told["HostConfig"]["Memory"] == service.limits.memory * 1024 * 1024
        assert told["HostConfig"]["NanoCpus"] == int(service.limits.processors * 1e9)
        published = [each for binding in told["NetworkSettings"]["Ports"].values() for each in binding or ()]
        assert {each["HostIp"] for each in published} == {"127.0.0.1"}
        for network, settings in told["NetworkSettings"]["Networks"].items():
            networks.add(network)
            assert service.name in settings["Aliases"]
    assert len(networks) == 1


def test_a_frozen_service_hangs_and_goes_on(standing: Embedded) -> None:
    """The antivirus of a deployment is paused: its port takes connections and says nothing; after that it answers again."""
    powers = powers_over(standing.deployment)
    mail = f"{standing.deployment.mail.url}/livez" if standing.deployment.mail else ""
    assert httpx.get(mail).status_code == 200
    powers.pause("mail")
    try:
        with httpx.Client(timeout=1.0) as client:
            try:
                answer = client.get(mail)
            except httpx.TimeoutException:
                answer = None
        assert answer is None
    finally:
        powers.resume("mail")
    assert httpx.get(mail).status_code == 200


def test_a_killed_service_comes_back_at_its_address(standing: Embedded) -> None:
    """A homeserver is killed and started again: its address is the one that the deployment's TOML names."""
    powers = powers_over(standing.deployment)
    url = f"{standing.deployment.homeservers[0].admin_url}/health"
    assert httpx.get(url).status_code == 200
    powers.kill("agents-1")
    assert "agents-1" in standing.launcher.dead()
    powers.start("agents-1")
    assert httpx.get(url).status_code == 200
    assert standing.launcher.dead() == []


def test_what_ended_since_it_was_looked_at_is_as_good_as_killed(
    docker: Any, standing: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part ends by itself between the look and the kill, as a database does whose disk is full: that is no error."""
    powers = powers_over(standing.deployment)
    held, look, looks = of(docker, standing.launcher.folder)["mail"], ContainerPowers._containers, count()

    def looked(self: ContainerPowers, services: Sequence[str]) -> dict[str, Any]:
        found = look(self, services)
        # The first look is for what is frozen, the next one for what is to be killed.
        if next(looks) == 1:
            held.kill("KILL")
            held.wait()
        return found

    monkeypatch.setattr(ContainerPowers, "_containers", looked)
    powers.kill("mail")
    assert "mail" in standing.launcher.dead()
    powers.start("mail")
    assert standing.launcher.dead() == []


def test_a_part_that_ends_while_its_disk_is_being_filled_is_as_good_as_full(
    standing: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a database does that meets the first limit before the last one is set: no error, and who comes next has it start."""
    powers = powers_over(standing.deployment)
    # The container's first process is told to end, and all others end with it.
    monkeypatch.setattr(container_powers, "_LIMIT", "kill -TERM 1; sleep 60 # %s")
    powers.fill_disk("mail")
    assert "mail" in standing.launcher.dead()
    monkeypatch.undo()
    powers_over(standing.deployment).restore()
    assert standing.launcher.dead() == []


def test_whoever_comes_next_puts_right_what_was_broken(docker: Any, standing: Embedded) -> None:
    """Somebody fills a disk, freezes one part, kills another and is gone: who comes next, and knows of nothing, mends all."""
    broken = powers_over(standing.deployment)
    held = of(docker, standing.launcher.folder)["scanner-agents-1"]

    def may_write() -> bool:
        asked = ["prlimit", "--pid", "1", "--fsize", "--noheadings", "--output", "SOFT"]
        return bool(held.exec_run(asked).output.strip() == b"unlimited")

    assert may_write()
    broken.fill_disk("scanner-agents-1")
    broken.pause("antivirus")
    broken.kill("mail")
    assert not may_write()
    powers_over(standing.deployment).restore()
    assert may_write()
    states = {name: each.status for name, each in of(docker, standing.launcher.folder).items()}
    assert set(states.values()) == {"running"}, states


def test_what_a_killed_run_left_is_cleared_by_label(docker: Any) -> None:
    """A run is killed with SIGKILL while its containers come up; the next start removes them and their network."""
    before = set(home().glob("run-*"))
    command = [str(Path(sys.executable).parent / "vigie"), "check", "--deployment", "containers", "--rule", "REG-1"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, start_new_session=True) as run:
        until = time.monotonic() + 120
        folders: set[Path] = set()
        while not folders or not of(docker, next(iter(folders))):
            assert run.poll() is None, f"the run ended with {run.returncode} before a container came up"
            assert time.monotonic() < until, "no container came up within 120 s"
            folders = set(home().glob("run-*")) - before
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGKILL)
    (folder,) = folders
    assert of(docker, folder), "the engine itself ended them"
    assert folder.name in clear_abandoned(home())
    assert of(docker, folder) == {}
    assert docker.networks.list(filters={"label": f"{LABEL}={folder}"}) == []
    assert not folder.exists()


def test_no_engine_is_one_line() -> None:
    """Where no engine answers, the command says so and what to do."""
    environment = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    command = [str(Path(sys.executable).parent / "vigie"), "check", "--deployment", "containers"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=PROJECT, check=False)
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1 and "make containers" in done.stderr


def test_up_and_down(docker: Any, name: str) -> None:
    """`vigie up --containers` leaves a deployment running, which `vigie down` ends."""
    done = vigie("up", "--containers", "--name", name, "--database", "sqlite")
    assert done.returncode == 0, done.stderr
    assert len(of(docker, home() / name)) > 10
    assert vigie("down", name).returncode == 0
    assert of(docker, home() / name) == {}
