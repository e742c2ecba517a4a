"""What a check is given, as pytest fixtures: the deployment, its people, the adversary; and what it is kept from."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from conformance.adversaries.driving import Adversary, seed_of
from conformance.cast import Cast
from conformance.exclusion import beside_others, folder_of
from conformance.guard import allowing
from conformance.outcome import untestable
from conformance.transport import AsyncTransport
from fixtures.allowance import lacking
from fixtures.deployment import Deployment
from fixtures.errors import FixtureError

__all__ = ["SETUP_FAILED", "adversary", "cast_in", "deployment"]

SETUP_FAILED = 4


def cast_in(deployment: Deployment, request: pytest.FixtureRequest) -> Cast:
    """Give the people of a check in a deployment, all they do noted in its evidence; their transport is to be closed."""
    suite: Any = request.config.pluginmanager.getplugin("vigie-suite")
    recorder = suite.recorder_of(request.node)
    recorder.watch(deployment)
    transport = AsyncTransport(deployment.ca, (recorder.exchange,), deployment.origins())
    return Cast(deployment, transport, suite.population(request.node), recorder, suite.run.profile.registration)


@pytest.fixture(scope="session")
def deployment(pytestconfig: pytest.Config) -> Deployment:
    """Give the deployment under test; a failure to start ends the run with exit code 4."""
    suite: Any = pytestconfig.pluginmanager.getplugin("vigie-suite")
    try:
        found: Deployment = suite.deploying.get()
        suite.arrive(found)
    except FixtureError as error:
        suite.failure = str(error)
        pytest.exit(f"vigie: {error}", returncode=SETUP_FAILED)
    return found


@pytest.fixture(autouse=True)
def _allowed(request: pytest.FixtureRequest) -> None:
    """Hold a check to what it declares; what the deployment does not allow leaves it untestable."""
    declared = [str(each) for marker in request.node.iter_markers("needs") for each in marker.args]
    declared += ["hostile"] if request.node.get_closest_marker("unpaced") or "adversary" in request.fixturenames else []
    if declared and (missing := lacking(request.getfixturevalue("deployment"), declared)):
        raise untestable(allowing(missing))
    if AsyncTransport.guard is not None:
        AsyncTransport.guard.steps_back = request.node.get_closest_marker("unpaced") is not None


@pytest_asyncio.fixture(name="cast")
async def _cast(request: pytest.FixtureRequest, deployment: Deployment) -> AsyncIterator[Cast]:
    """Give the people of one check."""
    suite: Any = request.config.pluginmanager.getplugin("vigie-suite")
    folder = folder_of(deployment) if suite.deploying.shared else None
    with beside_others(folder) if folder is not None else contextlib.nullcontext():
        people = cast_in(deployment, request)
        yield people
        await people.transport.close()


@pytest.fixture
def adversary(request: pytest.FixtureRequest, deployment: Deployment) -> Iterator[Adversary]:
    """Give the adversary of one check, with people and an event loop of its own."""
    suite: Any = request.config.pluginmanager.getplugin("vigie-suite")
    folder = folder_of(deployment) if suite.deploying.shared else None
    progress = suite.out / "adversaries.log" if not suite.size.in_passing else None
    if progress:
        progress.parent.mkdir(parents=True, exist_ok=True)
    with beside_others(folder) if folder is not None else contextlib.nullcontext(), asyncio.Runner() as runner:
        people = cast_in(deployment, request)
        seed = seed_of(suite.seed, request.node.nodeid)
        yield Adversary(people, suite.size, seed, runner, people.recorder.check, progress)
        runner.run(people.transport.close())
