"""After its database was killed a homeserver owes answers of the outage: whoever asks next is not to be given them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from conformance.breaking import Fragile
from conformance.cast import Cast
from conformance.recorder import Recorder
from conformance.transport import AsyncTransport
from fixtures.deployment import Deployment
from fixtures.population import Population
from fixtures.powers import powers_over
from scenarios import accounts
from scenarios.people import Person
from scenarios.session import path

# More than a homeserver has connections to its database.
_AT_ONCE = 20


@pytest_asyncio.fixture
async def fragile(deployment: Deployment) -> AsyncIterator[Fragile]:
    transport, powers = AsyncTransport(deployment.ca), powers_over(deployment)
    cast = Cast(deployment, transport, Population("settling"), Recorder("settling", "RES-2", "settling"))
    try:
        yield Fragile(cast, powers, set())
    finally:
        await transport.close()
        powers.restore()


async def logins(fragile: Fragile, person: Person) -> list[int]:
    """Log somebody in as often as there are connections to be met, all at once; gives the statuses."""
    transport = fragile.cast.transport
    asked = [accounts.log_in(transport, person, device=f"poste {number}") for number in range(_AT_ONCE)]
    return [answer.status for answer in await asyncio.gather(*asked)]


async def kill_the_database(fragile: Fragile) -> None:
    """Kill it while the homeserver has all connections that it can have, and bring it back."""
    administrator = fragile.cast.administrator(fragile.cast.home(0))
    users = path("_synapse", "admin", "v2", "users")
    asked = [administrator.send("GET", users, params={"limit": 100, "name": "e"}) for _ in range(3 * _AT_ONCE)]
    assert {answer.status for answer in await asyncio.gather(*asked)} == {200}
    await fragile.kill("postgres")
    await fragile.start("postgres")


async def test_who_logs_in_after_an_outage_is_let_in_once_all_is_settled(fragile: Fragile) -> None:
    """Anne logs in right after the outage and is told 500; after the next one, which is waited out, she never is."""
    anne = await fragile.cast.agent()
    assert await logins(fragile, anne) == [200] * _AT_ONCE

    await kill_the_database(fragile)
    assert 500 in await logins(fragile, anne)

    await kill_the_database(fragile)
    await fragile.settled()
    assert await logins(fragile, anne) == [200] * _AT_ONCE
    assert not fragile.killed, "what was killed before does not trouble the next check"
