"""The small transport over which every act is written, so that one story is a test once and load ten thousand times.

Acts await nothing but a :class:`Transport`: they use nothing of asyncio, and run under a driver that never suspends.

::

    WireError               the exchange itself failed
    ├── Unreachable         no connection, or it broke
    └── TimedOut            no answer in the request's time
    UnexpectedAnswer        an answer came, but not the one the act needs
    NotInTime               something awaited did not come before its deadline
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

__all__ = [
    "NotInTime",
    "Request",
    "Response",
    "TimedOut",
    "Transport",
    "UnexpectedAnswer",
    "Unreachable",
    "WireError",
    "until",
]

T = TypeVar("T")


# Tuples: a crowd makes thousands a second of each, and a frozen dataclass takes four times as long to make.
class Request(NamedTuple):
    """An HTTP request; `who` names whose act it is in the evidence and is not sent, `timeout` is in seconds."""

    method: str
    url: str
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes | None = None
    timeout: float = 60.0
    who: str = ""


class Response(NamedTuple):
    """An HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request: Request

    def json(self) -> Any:
        """Give the body as JSON; an empty or other body gives an empty mapping."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def errcode(self) -> str:
        """The `errcode` of a Matrix error, or nothing."""
        content = self.json()
        return str(content.get("errcode", "")) if isinstance(content, dict) else ""

    def __str__(self) -> str:
        """Tell request and answer in a line, without query and headers, where tokens are."""
        content = self.json()
        said = content.get("error") or content.get("info") or "" if isinstance(content, dict) else ""
        path = urlsplit(self.request.url).path
        return f"{self.request.method} {path}: {self.status} {self.errcode} {said}".strip()


class Transport(Protocol):
    """What carries requests; `now` is a monotonic clock in seconds."""

    async def send(self, request: Request) -> Response:
        """Send a request and give the answer; raises `WireError`."""

    async def sleep(self, seconds: float) -> None:
        """Wait, between two looks at something that is awaited."""

    def now(self) -> float:
        """Tell the time."""


class WireError(Exception):
    """The exchange failed before there was an answer."""


class Unreachable(WireError):
    """There was no connection, or it broke."""


class TimedOut(WireError):
    """No answer came in time."""


class UnexpectedAnswer(Exception):
    """An answer that the act cannot go on with; `response` is what came."""

    def __init__(self, response: Response) -> None:
        """Say which request got which answer."""
        super().__init__(f"unexpected answer: {response}")
        self.response = response


class NotInTime(Exception):
    """What was awaited did not come; the message says what was missing and what was seen instead."""


async def until(
    transport: Transport,
    probe: Callable[[], Awaitable[T | None]],
    *,
    deadline: float,
    missing: str,
    pause: float = 0.05,
    seen: Callable[[], str] = lambda: "",
) -> T:
    """Look again and again until `probe` gives something, for at most `deadline` seconds.

    Raises `NotInTime` with `missing` and what `seen` tells then.
    """
    end = transport.now() + deadline
    while True:
        found = await probe()
        if found is not None:
            return found
        if transport.now() >= end:
            last = seen()
            raise NotInTime(f"not within {deadline:g} s: {missing}" + (f"; seen: {last}" if last else ""))
        await transport.sleep(pause)
