"""Which deployment a run is about: its own, started when first asked for, or the one that a TOML file describes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
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
            content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise DeploymentError(f"--overlay {file}: not UTF-8 text, at byte {error.start}: save it in UTF-8") from None
        except RecursionError:
            raise DeploymentError(f"--overlay {file}: nested too deeply for a configuration") from None
        except (OSError, yaml.YAMLError, ValueError) as error:
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
        self._second: Embedded | None = None
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
        named = self._named()
        return len(named.agents) if named else 0

    def brings_guests(self) -> bool:
        """Tell whether anybody can make guests in the deployment: an administrator of theirs, or agents who invite by mail."""
        named = self._named()
        if named is None:
            return True
        theirs = named.external
        return theirs is not None and bool((theirs.admin_url and theirs.admin_token) or named.identity)

    def knows_addresses(self) -> bool:
        """Tell whether the deployment has an identity server."""
        named = self._named()
        return named is None or named.identity is not None

    def _named(self) -> Deployment | None:
        """Give the deployment that was named; none where it is the run's own, or unreadable."""
        if self._asked not in ("embedded", "containers"):
            with contextlib.suppress(DeploymentError):
                return Deployment.read(Path(self._asked))
        return None

    def _plan(self, *, durable: bool = False) -> Plan:
        database = "sqlite" if self._database == "sqlite" else "postgresql"
        return Plan(database=database, durable=durable, overlays=read_overlays(self._overlays))  # type: ignore[arg-type]

    def breakable(self) -> tuple[Deployment, bool]:
        """Give the deployment whose parts may be broken, and whether it was started for that just now.

        It is a second one like the run's own, until :meth:`end_breakable`, or the one that was named.
        """
        if self.shared:
            return self.get(), False
        fresh = self._second is None
        if self._second is None:
            images = read_images(self._images) if self.get().kind == "containers" else None
            self._second = Embedded.start(self._plan(durable=True), images=images)
        return self._second.deployment, fresh

    def end_breakable(self) -> None:
        """End the second deployment, if there is one."""
        second, self._second = self._second, None
        if second is not None:
            second.stop()

    def toml(self) -> Path:
        """Give the deployment's TOML, starting it first where that is needed."""
        self.get()
        return self._own.toml if self._own else Path(self._asked)

    def dead(self) -> list[str]:
        """Name the services of this machine that ended by themselves, as far as their pids are known."""
        known = (self.deployment, self._second.deployment if self._second else None)
        stores = [each.storage for each in known if each is not None]
        folders = [storage.processes for storage in stores if storage is not None and storage.processes is not None]
        return [name for folder in folders for name in dead(folder)]

    def stop(self) -> None:
        """End what the run started itself."""
        self.end_breakable()
        if self._own is not None:
            self._own.stop()
            self._own = None
