"""Locust's user: somebody of the crowd, who polls with all devices until Locust stops them. What they do comes by schedule."""

from __future__ import annotations

import gevent
from locust import User
from locust.user.task import LOCUST_STATE_WAITING

from load.agents.crowd import Crowd
from load.agents.members import Member
from scenarios.wire import UnexpectedAnswer, WireError

__all__ = ["Agent"]

_ATTEMPTS = 3


class Agent(User):
    """A person; `environment.crowd` says who is next."""

    # Locust wants to see some; what people do comes by the schedule.
    tasks = [lambda _user: None]  # noqa: RUF012 -- as Locust has it

    def run(self) -> None:  # type: ignore[misc]  # final is meant for tasks, which there are none of
        """Come, and poll; instead of Locust's loop of tasks."""
        # So Locust ends it at once: it is always waiting, for what comes or for something to do.
        self._state = LOCUST_STATE_WAITING
        # There is none where a run could not be made.
        crowd: Crowd | None = getattr(self.environment, "crowd", None)
        member = crowd.next_one() if crowd else None
        if crowd is None or member is None:
            return
        if self._come(crowd, member):
            if member.canary:
                crowd.introduce(member)
            crowd.came(member)
            member.live()

    def _come(self, crowd: Crowd, member: Member) -> bool:
        for attempt in range(_ATTEMPTS):
            try:
                member.come()
            except (WireError, UnexpectedAnswer) as error:
                why = str(error)
                for device in member.devices:
                    device.close()
                member.devices.clear()
                gevent.sleep(2**attempt)
            else:
                return True
        crowd.stayed_away(f"{member.user_id}: {why}")
        return False
