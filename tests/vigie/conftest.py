"""The command, run as its users run it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.deployment import Deployment

Vigie = Callable[..., "subprocess.CompletedProcess[str]"]


def run_vigie(*arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vigie.cli", *arguments]
    root = Path(__file__).parent.parent.parent
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=root, check=False)


@pytest.fixture
def vigie() -> Vigie:
    return run_vigie


@pytest.fixture
def warm(deployment: Deployment) -> str:
    """Path of the TOML of the deployment that all tests share."""
    assert deployment.storage is not None and deployment.storage.processes is not None
    return str(deployment.storage.processes / "deployment.toml")
