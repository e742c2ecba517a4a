"""A canary logs in afresh: by second 0 the homeservers of those who write to it are to know its new device.

A homeserver tells the others of a device when it comes to it (Matrix specification, server-server API, "Device Management");
who writes to somebody before that leaves the device out, and it could not decrypt what is nobody's loss.
"""

from __future__ import annotations

from collections.abc import Callable

from scenarios.session import Session, ok
from scenarios.wire import NotInTime, UnexpectedAnswer, WireError, until

__all__ = ["is_shown"]

_PATIENCE = 20.0


async def is_shown(canary: Session, witness: Callable[[], Session | None]) -> bool:
    """Wait until a canary's device is shown where the witness is, and tell whether it came to that.

    `witness` gives the session of somebody there, or None as long as nobody has come.
    """

    async def shown() -> bool | None:
        session = witness()
        if session is None:
            return None
        answer = ok(await session.post("/keys/query", {"device_keys": {canary.user_id: []}, "timeout": 10_000}))
        return canary.device_id in answer.get("device_keys", {}).get(canary.user_id, {}) or None

    try:
        return await until(canary.transport, shown, deadline=_PATIENCE, missing=f"the device of {canary.user_id}", pause=0.1)
    except (NotInTime, WireError, UnexpectedAnswer):
        return False
