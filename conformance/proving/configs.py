"""Changing the configuration of a service that runs, and putting it back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml

from fixtures.embedded import Embedded
from fixtures.faults.model import Config
from fixtures.launchers.processes import ProcessLauncher
from fixtures.service import File, Service
from fixtures.services.synapse import merge

__all__ = ["Configurations", "altered"]


def altered(service: Service, changes: Sequence[Config]) -> Service:
    """Give a service with its files changed; raises `LookupError` where there is nothing to change."""
    for change in changes:
        file = next((each for each in service.files if each.path == change.file), None)
        if file is None:
            raise LookupError(f"{service.name} has no file {change.file}")
        text = _replaced(file, change)
        if change.overlay or change.without:
            text = _overlaid(text, change)
        new = File.text(file.path, text, file.mode)
        service = dataclasses.replace(service, files=tuple(new if each is file else each for each in service.files))
    return service


def _replaced(file: File, change: Config) -> str:
    text = file.content.decode()
    for old, new in change.replace:
        if old not in text:
            raise LookupError(f"{change.service}: {change.file} does not hold {old!r}")
        text = text.replace(old, new)
    return text


def _overlaid(text: str, change: Config) -> str:
    content = yaml.safe_load(text)
    modules = content.get("modules", [])
    gone = set(change.without) - {each["module"] for each in modules}
    if gone:
        raise LookupError(f"{change.service} has no module {', '.join(sorted(gone))}")
    content["modules"] = [each for each in modules if each["module"] not in change.without]
    return yaml.safe_dump(merge(content, change.overlay), sort_keys=False, allow_unicode=True)


@dataclass
class Configurations:
    """What the services of a deployment run with; a service is started again only when that is about to change."""

    embedded: Embedded
    _now: dict[str, tuple[Config, ...]] = field(default_factory=dict)

    def set(self, changes: Sequence[Config]) -> None:
        """Have these changes in force, and no others."""
        wanted: dict[str, tuple[Config, ...]] = {}
        for change in changes:
            wanted[change.service] = (*wanted.get(change.service, ()), change)
        described = {service.name: service for service in self.embedded.services}
        again = []
        for name in {*wanted, *self._now}:
            before, after = self._now.get(name, ()), wanted.get(name, ())
            if before == after:
                continue
            service = altered(described[name], after)
            if any(change.restart for change in (*before, *after)):
                again.append(service)
            else:
                self._lay(service)
        if again:
            assert isinstance(self.embedded.launcher, ProcessLauncher)
            self.embedded.launcher.replace(again)
        self._now = wanted

    def _lay(self, service: Service) -> None:
        for file in service.files:
            path = self.embedded.launcher.folder / "services" / service.name / file.path
            if path.exists() and path.read_bytes() != file.content:
                path.write_bytes(file.content)
