"""The errors of this floor.

::

    FixtureError            (fixtures.errors) one line for a person, exit code 4
    ├── ProfileError        a load profile is wrong: file, line and key
    └── ScheduleError       what is to be replayed cannot be read
"""

from __future__ import annotations

from fixtures.errors import FixtureError

__all__ = ["ProfileError", "ScheduleError"]


class ProfileError(FixtureError):
    """A load profile is unusable; the message names file, line and key."""


class ScheduleError(FixtureError):
    """A schedule to be replayed is unusable; the message names file and line."""
