"""Processes and containers give the same verdict, rule by rule."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reports.verdict import Verdict, read
from tests.containers.conftest import vigie

# The adversaries must have tried the same on both.
_SEED = ("--seed", os.environ.get("VIGIE_SEED", "1"))


def _told(verdict: Verdict) -> dict[str, str]:
    return {rule.id: f"{rule.status} {rule.reason}" for rule in verdict.rules}


@pytest.fixture(scope="module")
def of_processes(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """The verdict on processes: one that was just made (``VIGIE_PROCESSES``, a run's folder), or a new one."""
    made = os.environ.get("VIGIE_PROCESSES", "")
    if made and (Path(made) / "verdict.json").exists():
        return read(Path(made) / "verdict.json")
    out = tmp_path_factory.mktemp("processes")
    done = vigie("check", *_SEED, "--out", str(out))
    assert done.returncode in (0, 1, 3), done.stderr
    return read(out / "verdict.json")


def test_the_whole_suite_agrees(of_processes: Verdict, tmp_path: Path) -> None:
    """Every rule has on containers the status that it has on processes."""
    done = vigie("check", "--deployment", "containers", *_SEED, "--out", str(tmp_path / "containers"))
    assert done.returncode in (0, 1, 3), done.stderr
    of_containers = read(tmp_path / "containers" / "verdict.json")
    assert of_containers.deployment.kind == "containers" and of_processes.deployment.kind == "embedded"
    told = _told(of_processes)
    differing = {
        rule: (told[rule], other) for rule, other in _told(of_containers).items() if told[rule].split()[0] != other.split()[0]
    }
    assert not differing, f"processes and containers disagree: {differing}\n{done.stdout[-3000:]}"
    assert of_containers.outcome == of_processes.outcome
