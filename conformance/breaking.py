"""A deployment that may be broken: the people of a check in it, and the powers over its parts.

Breaking parts would disturb the checks beside. Where the run started its deployment itself, such checks get a second one,
with a database that is safe against a kill, on one worker (:mod:`conformance.scheduling`); where somebody named a
deployment, they break that one, alone in it for their time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from conformance.cast import Cast
from conformance.exclusion import alone, folder_of
from conformance.outcome import untestable
from conformance.stage import cast_in
from conformance.transport import AsyncTransport
from fixtures.deployment import Deployment
from fixtures.powers import Powerless, Powers, powers_over
from fixtures.services.postgres import NAME as DATABASE
from scenarios.wire import Request

__all__ = ["BREAKING", "Fragile", "breakable", "fragile", "killed"]

BREAKING = pytest.mark.breaking
"""Marks a file of checks that break parts: one worker runs them all, one after the other."""

_SETTLES_WITHIN = 60.0
# More than a homeserver's pool has, so that each of its connections is used.
_CONNECTIONS = 20


@dataclass
class Fragile:
    """People in a deployment, and the powers over it; `killed` is what was, since its homeservers were seen to be well."""

    cast: Cast
    powers: Powers
    killed: set[str]

    async def kill(self, *services: str) -> None:
        """Kill parts, all at the same moment."""
        self.killed.update(services)
        await asyncio.to_thread(self.powers.kill, *services)

    async def start(self, *services: str) -> None:
        """Start parts again, and wait until they are ready."""
        await asyncio.to_thread(self.powers.start, *services)

    @contextlib.asynccontextmanager
    async def paused(self, *services: str) -> AsyncIterator[None]:
        """Have parts hang for the length of a block."""
        await asyncio.to_thread(self.powers.pause, *services)
        try:
            yield
        finally:
            await asyncio.to_thread(self.powers.resume, *services)

    @contextlib.asynccontextmanager
    async def gone(self, *services: str) -> AsyncIterator[None]:
        """Have parts be gone for the length of a block."""
        await self.kill(*services)
        try:
            yield
        finally:
            await self.start(*services)

    @contextlib.asynccontextmanager
    async def cut_off(self, homeserver: str) -> AsyncIterator[None]:
        """Have a homeserver be cut off from the others for the length of a block."""
        await asyncio.to_thread(self.powers.cut_off, homeserver)
        self.cast.transport.reconnect()
        try:
            yield
        finally:
            await asyncio.to_thread(self.powers.heal, homeserver)
            self.cast.transport.reconnect()

    @contextlib.asynccontextmanager
    async def full(self, service: str) -> AsyncIterator[None]:
        """Have a part's disk be full for the length of a block; a database ends of it, and is there again afterwards."""
        try:
            await asyncio.to_thread(self.powers.fill_disk, service)
            yield
        finally:
            if service == DATABASE:
                # It may be about to end only now, which nobody would see.
                await self.kill(service)
            await asyncio.to_thread(self.powers.free_disk, service)

    @contextlib.asynccontextmanager
    async def read_only(self) -> AsyncIterator[None]:
        """Have the databases be read-only for the length of a block."""
        await asyncio.to_thread(self.powers.make_read_only)
        try:
            yield
        finally:
            await asyncio.to_thread(self.powers.make_writable)

    async def settled(self) -> None:
        """Wait until every homeserver asks its database without trouble, where that was killed; raises `RuntimeError`."""
        if DATABASE in self.killed:
            await _settle(self.cast.deployment)
        self.killed.clear()

    async def is_durable(self) -> bool:
        """Tell whether the database waits for the disk before it acknowledges."""
        return await asyncio.to_thread(self.powers.is_durable)

    def needs(self, *services: str) -> None:
        """Hold that there are these parts; raises `Untestable` for one that there is not."""
        for service in services:
            if service not in self.powers.services:
                raise untestable(f"a part {service} in the harness's hands")


@pytest.fixture(scope="session")
def killed() -> set[str]:
    """Give what was killed since the homeservers were last seen to be well; before the first check that may be anything."""
    return {DATABASE}


@pytest.fixture
def breakable(pytestconfig: pytest.Config, killed: set[str]) -> Deployment:
    """Give the deployment that may be broken, starting it where the run has one of its own."""
    suite: Any = pytestconfig.pluginmanager.getplugin("vigie-suite")
    deployment: Deployment
    deployment, fresh = suite.deploying.breakable()
    if fresh:
        killed.add(DATABASE)
    return deployment


@pytest_asyncio.fixture
async def fragile(request: pytest.FixtureRequest, breakable: Deployment, killed: set[str]) -> AsyncIterator[Fragile]:
    """Give the people of one check and the powers over their deployment; afterwards all is put right again."""
    try:
        powers = powers_over(breakable)
    except Powerless as error:
        raise untestable(str(error)) from None
    folder = folder_of(breakable)
    with alone(folder) if folder is not None else contextlib.nullcontext():
        powers.restore()
        suite: Any = request.config.pluginmanager.getplugin("vigie-suite")
        # A deployment that others know of may have been broken by them meanwhile.
        if DATABASE in killed or suite.deploying.shared:
            await _settle(breakable)
        killed.clear()
        people = cast_in(breakable, request)
        try:
            yield Fragile(people, powers, killed)
        finally:
            await people.transport.close()
            powers.restore()
            # Of a check that ended early: whoever comes next may be one that breaks nothing, and asks the same homeservers.
            if DATABASE in killed:
                await _settle(breakable)
                killed.clear()


async def _settle(deployment: Deployment) -> None:
    """Wait until every homeserver asks its database without trouble.

    After the database went away, Synapse notices of each connection in its pool only when it uses it, and answers that
    request with 500: those are of the outage, and what is asked next is about something else.
    """
    transport = AsyncTransport(deployment.ca)
    until = transport.now() + _SETTLES_WITHIN
    try:
        for home in deployment.homeservers:
            if home.admin_url is None or home.admin_token is None:
                continue
            url = f"{home.admin_url}/_synapse/admin/v2/users?limit=1&name=vigie"
            headers = {"Authorization": f"Bearer {home.admin_token.get_secret_value()}"}
            while True:
                asked = [transport.send(Request("GET", url, headers, who="administrator")) for _ in range(_CONNECTIONS)]
                if all(answer.status == 200 for answer in await asyncio.gather(*asked)):
                    break
                if transport.now() > until:
                    raise RuntimeError(f"{home.name} does not reach its database {_SETTLES_WITHIN:g} s after it was put right")
    finally:
        await transport.close()
