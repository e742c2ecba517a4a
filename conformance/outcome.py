"""From what a test raised to what became of its check.

::

    Untestable      a prerequisite is missing, and the message says which
    AssertionError, NotInTime, UnexpectedAnswer     the deployment did otherwise than the rule: fail
    pytest's Failed (`pytest.raises` that nothing raised for)     the same
    everything else     the harness, the network or a component: error, which is never green
"""

from __future__ import annotations

import pytest

from reports.verdict import Status
from scenarios.wire import NotInTime, UnexpectedAnswer

__all__ = ["Untestable", "status_of", "untestable"]


class Untestable(Exception):
    """What the check needs is not there; the message says what."""


def untestable(missing: str) -> Untestable:
    """Give the exception for a missing prerequisite."""
    return Untestable(f"needs {missing}")


def status_of(error: BaseException | None) -> Status:
    """Judge what ended a check."""
    if error is None:
        return Status.PASS
    if isinstance(error, Untestable):
        return Status.UNTESTABLE
    if isinstance(error, (AssertionError, NotInTime, UnexpectedAnswer, pytest.fail.Exception)):
        return Status.FAIL
    if isinstance(error, BaseExceptionGroup):
        found = {status_of(each) for each in error.exceptions}
        return Status.ERROR if Status.ERROR in found else next(iter(found))
    return Status.ERROR
