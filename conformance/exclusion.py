"""Checks side by side on one deployment, and those that break it alone: a lock between the workers of a run."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from fixtures.cache import locked
from fixtures.deployment import Deployment

__all__ = ["alone", "beside_others", "folder_of"]


@contextlib.contextmanager
def _held(folder: Path, kind: int) -> Iterator[None]:
    with (folder / "checks.lock").open("w") as file:
        # Who waits to be alone holds the turn, so that no more of the others come in before.
        with locked(folder / "checks.turn"):
            fcntl.flock(file, kind)
        yield


def beside_others(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Hold the deployment of this folder as it is, with others who do so."""
    return _held(folder, fcntl.LOCK_SH)


def alone(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Hold the deployment of this folder alone."""
    return _held(folder, fcntl.LOCK_EX)


def folder_of(deployment: Deployment) -> Path | None:
    """Give the folder of a deployment's processes on this machine, if it has one."""
    return deployment.storage.processes if deployment.storage else None
