"""A run's visit to somebody else's deployment: it says what it is about to do, and leaves nothing that it made.

Deployments that Vigie started itself are not visited: they allow everything and end with all that is in them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conformance.guard import Guard
from conformance.transport import AsyncTransport
from fixtures.allowance import MEANING
from fixtures.deployment import Deployment
from scenarios.visit.clearing import Clearing, Step
from scenarios.visit.departing import depart, keepers
from scenarios.visit.made import Made, home, is_visited, journals, new_tag, populations
from scenarios.visit.pace import Pace

__all__ = ["Visit", "announcement", "take_away"]

_SIDE_BY_SIDE = 6


@dataclass
class Visit:
    """A visit, as one process of the run knows it."""

    deployment: Deployment
    made: Made

    @classmethod
    def begin(cls, deployment: Deployment, workers: int = 1, journal: Path | None = None) -> Visit | None:
        """Begin a visit, or take part in the one that writes this journal; none where the deployment is one's own.

        From here on every transport of this process goes by the guard.
        """
        if not is_visited(deployment):
            AsyncTransport.guard = None
            return None
        if journal is None:
            made = Made(home() / f"{new_tag()}.jsonl")
            made.begin(deployment)
        else:
            made = Made(journal)
        AsyncTransport.guard = Guard(deployment, made, Pace(deployment.limits.requests_per_second / max(1, workers)))
        return cls(deployment, made)

    @property
    def mark(self) -> str:
        """What ends the family names of the run's people."""
        return f"vigie{self.made.tag}"

    def end(self, tell: Callable[[str], None] = lambda _line: None) -> str:
        """Take away what was made; gives in a line what could not be, or nothing."""
        AsyncTransport.guard = None
        return take_away(self.deployment, self.made, tell)


def take_away(deployment: Deployment, made: Made, tell: Callable[[str], None]) -> str:
    """Take away what a journal names; gives in a line what could not be, or nothing."""
    return depart(made, lambda: asyncio.run(_clear(deployment, made)), tell)


async def _clear(deployment: Deployment, made: Made) -> Clearing:
    """Take away what a journal names, at the deployment's own rate."""
    transport = AsyncTransport(deployment.ca, (), deployment.origins())
    transport.guard, transport.pace = None, Pace(deployment.limits.requests_per_second)
    clearing, free = Clearing(deployment, made, transport, keepers(deployment)), asyncio.Semaphore(_SIDE_BY_SIDE)

    async def one(step: Step) -> None:
        async with free:
            await step()

    try:
        for stage in clearing.stages():
            await asyncio.gather(*(one(step) for step in stage))
    finally:
        await transport.close()
    return clearing


def announcement(deployment: Deployment) -> list[str]:
    """Say what a run is about to do to a deployment, and what it will not."""
    if not is_visited(deployment):
        return []
    limits = deployment.limits
    lines = [f"{deployment.name}: " + ", ".join(each.url for each in deployment.homeservers)]
    pace = f"at most {limits.requests_per_second:g} requests a second"
    if deployment.allow:
        lines.append("may " + "; ".join(MEANING[each] for each in deployment.allow))
        lines.append(f"{pace} and {limits.people} accounts; what it makes bears a tag and is taken away at the end")
    else:
        lines.append("only reads: its TOML allows nothing else (allow = []), and checks that need more are untestable")
        lines.append(pace)
    left = [each for each in journals(deployment) if not each.under_way() and each.things()]
    if left:
        lines.append(f"an earlier run left {len(left)} journals of what is still there: `vigie sweep` takes it away")
    if kept := populations(deployment):
        lines.append(f"{len(kept)} populations are kept there for `vigie load`: `vigie sweep --populations` takes them away")
    return lines
