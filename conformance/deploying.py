"""Which deployment a run is about: its own, started when first asked for, or the one that a TOML file describes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from fixtures.deployment import Deployment
from fixtures.embedded import Embedded, dead
from fixtures.errors import DeploymentError
from fixtures.images import Images
from fixtures.preflight import ensure_answers
from fixtures.stack import Plan

__all__ = ["Deploying", "read_images", "read_overlays"]


def read_overlays(arguments: list[str]) -> dict[str, dict[str, Any]]:
    """Read ``HOMESERVER=FILE`` arguments; raises `DeploymentError`."""
    overlays = {}
    for argument in arguments:
        name, separator, file = argument.partition("=")
        if not separator:
            raise DeploymentError(f"--overlay {argument}: write HOMESERVER=FILE, as in agents-1=mine.yaml")
        if name not in (each.name for each in Plan().homeservers):
            raise DeploymentError(f"--overlay {argument}: no homeserver {name}; there are agents-1, agents-2, external")
        try:
            content = yaml.safe_load(Path(file).read_text())
        except (OSError, yaml.YAMLError) as error:
            raise DeploymentError(f"--overlay {file}: {str(error).splitlines()[0]}") from None
        if not isinstance(content, dict):
            raise DeploymentError(f"--overlay {file}: not a mapping of Synapse's settings")
        overlays[name] = content
    return overlays


def read_images(path: Path | str | None) -> Images:
    """Read which images replace ours, if a file says so; raises `DeploymentError`."""
    return Images.read(Path(path)) if path else Images()


class Deploying:
    """Holds the deployment of a run, for one process of it."""

    def __init__(self, config: Any, told: str) -> None:
        """Take what was asked; `told` is the TOML that a controller started."""
        self._told = bool(told)
        self._asked: str = told or config.getoption("--deployment")
        self._database: str = config.getoption("--database")
        self._overlays: list[str] = config.getoption("--overlay")
        self._images: str = config.getoption("--images")
        self._own: Embedded | None = None
        self.deployment: Deployment | None = None
        own = "own" if config.getoption("--deployment") in ("embedded", "containers") else "same"
        self.shared = (config.getoption("--breakable") or own) == "same"
        self._second: Deployment | None = None
        self.progress: Callable[[str, str], None] = lambda _name, _state: None
        self.announce: Callable[[list[str]], None] = lambda _names: None

    def get(self) -> Deployment:
        """Give the deployment, starting it at the first call; raises `FixtureError`."""
        if self.deployment is None:
            if self._asked in ("embedded", "containers"):
                images = read_images(self._images) if self._asked == "containers" else None
                self._own = Embedded.start(self._plan(), images=images, progress=self.progress, announce=self.announce)
                self.deployment = self._own.deployment
            else:
                found = Deployment.read(Path(self._asked))
                if not self._told:
                    ensure_answers(found)
                self.deployment = found
        return self.deployment

    def homeservers(self) -> int:
        """Count the homeservers of agents of the deployment that was named; 0 where it is the run's own, or unreadable."""
        if self._asked in ("embedded", "containers"):
            return 0
        with contextlib.suppress(DeploymentError):
            return len(Deployment.read(Path(self._asked)).agents)
        return 0

    def _plan(self, *, durable: bool = False) -> Plan:
        database = "sqlite" if self._database == "sqlite" else "postgresql"
        return Plan(database=database, durable=durable, overlays=read_overlays(self._overlays))  # type: ignore[arg-type]

    @contextlib.contextmanager
    def breakable(self) -> Iterator[Deployment]:
        """Give the deployment whose parts may be broken: a second one like the run's own, or the one that was named."""
        if self.shared:
            yield self.get()
            return
        images = read_images(self._images) if self.get().kind == "containers" else None
        with Embedded.start(self._plan(durable=True), images=images) as second:
            self._second = second.deployment
            yield second.deployment
        self._second = None

    def toml(self) -> Path:
        """Give the deployment's TOML, starting it first where that is needed."""
        self.get()
        return self._own.toml if self._own else Path(self._asked)

    def dead(self) -> list[str]:
        """Name the services of this machine that ended by themselves, as far as their pids are known."""
        stores = [each.storage for each in (self.deployment, self._second) if each is not None]
        folders = [storage.processes for storage in stores if storage is not None and storage.processes is not None]
        return [name for folder in folders for name in dead(folder)]

    def stop(self) -> None:
        """End the deployment if it is the run's own."""
        if self._own is not None:
            self._own.stop()
            self._own = None
