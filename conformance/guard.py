"""Stands at the transport of a process that visits somebody else's deployment: what may go out, and what came of it.

Nothing leaves that `allow` does not cover, whatever a check asks for; what is made is written down before and after
(:mod:`scenarios.visit.ledger`), bears the run's tag, and is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from conformance.outcome import untestable
from fixtures.allowance import lacking
from fixtures.deployment import Deployment
from scenarios.visit.ledger import Ledger, TooMany
from scenarios.visit.made import Made
from scenarios.visit.pace import Pace
from scenarios.visit.reading import only_reads
from scenarios.wire import Request, Response

__all__ = ["Guard", "allowing"]


def allowing(abilities: Iterable[str]) -> str:
    """Give what would have to stand in the deployment's TOML."""
    return "allow = [" + ", ".join(f'"{each}"' for each in abilities) + "] in the deployment's TOML"


@dataclass
class Guard:
    """Asked before each request and told after it.

    It `steps_back` while a check looks at the server's own limits: then nobody slows it, and it sees every 429.
    """

    deployment: Deployment
    made: Made
    pace: Pace
    steps_back: bool = False
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        """Write into the run's journal."""
        self.ledger = Ledger(self.deployment, self.made)

    def admit(self, request: Request) -> Request:
        """Let a request out, with the run's tag in what it makes; raises `Untestable` where it may not."""
        path = unquote(urlsplit(request.url).path)
        home = self.ledger.home(request.url)
        if "/media_proxy/" in path and home is not None and not home.scanner:
            raise untestable(f"a content scanner at {home.name}")
        if only_reads(request):
            return request
        if lacking(self.deployment, ["accounts"]):
            raise untestable(f"{allowing(['accounts'])} ({request.method} {path.split('?')[0]})")
        if request.body and "hostile" not in self.deployment.allow and self._is_infected(request.body):
            raise untestable(f"{allowing(['hostile'])} (an infected file)")
        if self.made.is_closing():
            raise RuntimeError("the run is over, and what it made is being taken away: nothing more may be made")
        try:
            return self.ledger.intend(request)
        except TooMany as error:
            raise untestable(str(error)) from None

    def _is_infected(self, body: bytes) -> bool:
        return any(bytes.fromhex(mark) in body for mark in self.deployment.infected.values())

    def note(self, request: Request, response: Response) -> None:
        """Learn from an answer what there is now, and what there is no more."""
        self.ledger.note(request, response)
