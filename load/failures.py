"""Which kind of failure an error is, as the measures tell them apart."""

from __future__ import annotations

from load.measuring.measures import Failure, kind_of
from load.transport import HalfAnswer
from scenarios.wire import NotInTime, TimedOut, UnexpectedAnswer, Unreachable

__all__ = ["failure_of", "is_ousted"]


def failure_of(error: Exception) -> Failure:
    """Give the kind."""
    if isinstance(error, UnexpectedAnswer):
        # A success whose body is not what it should be.
        return "bad-body" if error.response.status == 200 else kind_of(error.response.status)
    if isinstance(error, HalfAnswer):
        return "bad-body"
    if isinstance(error, TimedOut | NotInTime):
        return "timeout"
    return "unreachable" if isinstance(error, Unreachable) else "other"


def is_ousted(error: Exception) -> bool:
    """Tell whether the server does not know the token any more."""
    return isinstance(error, UnexpectedAnswer) and error.response.status == 401
