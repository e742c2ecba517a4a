"""Who calls inside addresses: a listener beside a service, seen to be there by its own call (:mod:`fixtures.listening`)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from conformance.cast import Cast
from conformance.outcome import untestable
from fixtures.listening import Listener, NoListener, listening
from scenarios.wire import until

__all__ = ["called_by_others", "listener_beside"]


@contextlib.asynccontextmanager
async def listener_beside(cast: Cast, service: str) -> AsyncIterator[Listener]:
    """Give somebody who listens beside a service, and has been called once; raises `Untestable` where nobody can."""
    with contextlib.ExitStack() as stack:
        try:
            listener = stack.enter_context(listening(cast.deployment, service))
        except NoListener as error:
            raise untestable(str(error)) from None

        async def knocked() -> bool | None:
            return True if listener.calls() == 1 else None

        await until(cast.transport, knocked, deadline=10, missing="the listener's call to itself")
        yield listener


async def called_by_others(cast: Cast, listener: Listener) -> int:
    """Tell how often a listener was called by others than itself, once everybody is counted who has come."""
    listener.settle()

    async def settled() -> bool | None:
        return True if listener.settled() else None

    await until(cast.transport, settled, deadline=10, missing="the listener's count of all who came")
    return listener.calls() - 1
