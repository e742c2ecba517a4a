"""What these tests stand on: a Docker engine. `make test-containers` starts one where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.embedded import Embedded, down, home
from fixtures.images import Images
from fixtures.launchers.containers import engine
from fixtures.services.synapse import Homeserver
from fixtures.stack import Plan

PROJECT = Path(__file__).parent.parent.parent


def vigie(*arguments: str, seconds: float = 1200.0) -> subprocess.CompletedProcess[str]:
    """Run the command as its user would."""
    command = [str(Path(sys.executable).parent / "vigie"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=seconds, check=False)


def small(**overlays: dict[str, Any]) -> Plan:
    """Give a plan that comes up quickly: one homeserver of agents, one of externals, SQLite."""
    homeservers = (Homeserver("agents-1", ("interieur.gouv.fr",)), Homeserver("external", external=True))
    return Plan(database="sqlite", homeservers=homeservers, overlays=overlays)


@pytest.fixture(scope="session")
def docker() -> Iterator[Any]:
    """A client of the engine."""
    client = engine()
    yield client
    client.close()


@pytest.fixture(scope="module")
def standing() -> Iterator[Embedded]:
    """A small deployment of containers."""
    with Embedded.start(small(), images=Images()) as running:
        yield running


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"test-{os.getpid()}-{time.monotonic_ns()}"
    yield chosen
    down(home(), chosen)
