"""The crowd's transport: plain gevent sockets, kept alive, one request at a time on each, and nothing sent twice.

It carries the acts of :mod:`scenarios` under :func:`load.driver.drive`: its coroutines never suspend, the greenlet waits in
the socket. Locust's own client costs twice the processor time (docs/load.md).
"""

from __future__ import annotations

import contextlib
import os
import select
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent import monkey, socket
from gevent import ssl as gevent_ssl

from load.answer import Answer, BrokenAnswer, read_answer
from load.deadlines import Deadlines
from scenarios.visit.pace import retry_after
from scenarios.wire import Request, Response, TimedOut, Unreachable

__all__ = ["GeventTransport", "HalfAnswer", "Observer", "PatientTransport", "trusting"]

Observer = Callable[[Request, int, float, int], None]
"""Told of each exchange: request, status (0 where there was none), how many seconds it took, how many bytes came."""

_IDLE_LONG = 1.0
# The system's own: a look takes no time, and gevent's would give way to others.
_poll = monkey.get_original("select", "poll")


class HalfAnswer(Unreachable):
    """The connection ended, or turned into something else, in the middle of an answer."""


def trusting(ca: Path | None, authority: str = "") -> ssl.SSLContext:
    """Make the context that all agents of a process share: one of their own would be 0.9 MB each.

    `authority` is the content of such a file, for who does not have it.
    """
    context: ssl.SSLContext = gevent_ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority:
        context.load_verify_locations(cadata=authority)
    elif ca:
        context.load_verify_locations(cafile=str(ca))
    else:
        context.load_default_certs()
    return context


# The system's own: what is done to a connection from outside waits for nobody.
_socket = monkey.get_original("socket", "socket")
_deadlines = Deadlines()


class _Connection:
    """A connection to one origin."""

    __slots__ = ("_hub", "_readable", "_said", "at", "deadline", "overdue", "socket")

    def __init__(self, plain: Any) -> None:
        self.socket, self.at, self.deadline, self.overdue, self._said = plain, 0.0, 0.0, False, False
        self._hub = gevent.get_hub()
        self._readable = self._hub.loop.io(plain.fileno(), 1)

    def say(self, data: bytes) -> None:
        # Almost always all of it goes at once, for a third of what `sendall` costs.
        sent = self.socket.send(data)
        if sent < len(data):
            self.socket.sendall(data[sent:])
        self._said = True

    def receive(self, size: int) -> bytes:
        """Receive; what was just asked for is never there yet, and looking in vain costs as much as waiting."""
        if self._said:
            self._said = False
            self._hub.wait(self._readable)
        data: bytes = self.socket.recv(size)
        return data

    def close(self) -> None:
        """Close it; whoever waits at it gets an `OSError`."""
        self._hub.cancel_wait(self._readable, OSError(None, "the connection was closed"), True)
        self.socket.close()

    def expire(self) -> None:
        """End the connection under whoever waits at it: its time is over."""
        self.overdue = True
        with contextlib.suppress(OSError), _socket(fileno=os.dup(self.socket.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)

    def is_stale(self, now: float) -> bool:
        """Tell whether the peer closed, or said something unasked, while nobody used it: nothing is sent on it then."""
        if now - self.at < _IDLE_LONG:
            return False
        looked = _poll()
        looked.register(self.socket.fileno(), select.POLLIN)
        return bool(looked.poll(0))


class GeventTransport:
    """Carries the requests of one agent; close it at their end."""

    __slots__ = ("_context", "_free", "_used", "observer")

    def __init__(self, context: ssl.SSLContext | None, observer: Observer | None = None) -> None:
        """Use this context for ``https``, and tell this observer."""
        self._context, self.observer = context, observer
        self._free: dict[str, list[_Connection]] = {}
        self._used: set[_Connection] = set()

    async def send(self, request: Request) -> Response:
        """Send a request, once; raises `TimedOut` or `Unreachable`, naming the server and path alone."""
        return self.exchange(request)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        gevent.sleep(seconds)

    def now(self) -> float:
        """Tell the time, monotonic."""
        return time.monotonic()

    def exchange(self, request: Request) -> Response:
        """Do what :meth:`send` does, for who is no coroutine."""
        began = time.monotonic()
        try:
            answer = self._exchange(request, began)
        except (TimedOut, Unreachable):
            if self.observer:
                self.observer(request, 0, time.monotonic() - began, 0)
            raise
        if self.observer:
            self.observer(request, answer.status, time.monotonic() - began, len(answer.body))
        return Response(answer.status, answer.headers, answer.body, request)

    def _exchange(self, request: Request, began: float) -> Answer:
        url = request.url
        end = url.find("/", 8)
        origin, target = (url[:end], url[end:]) if end > 0 else (url, "/")
        connection: _Connection | None = None
        done = False
        try:
            connection = self._take(origin, request.timeout)
            connection.deadline = began + request.timeout
            _deadlines.waiting.add(connection)
            connection.say(_bytes(request, origin, target))
            answer = read_answer(connection.receive, headless=request.method == "HEAD")
            done = answer.reusable and not connection.overdue
        except (BrokenAnswer, OSError, ValueError) as error:
            if isinstance(error, TimeoutError) or (connection is not None and connection.overdue):
                raise TimedOut(f"{_told(request)}: no answer within {request.timeout:g} s") from None
            if isinstance(error, BrokenAnswer):
                raise HalfAnswer(f"{_told(request)}: {error}") from None
            why = error.strerror if isinstance(error, OSError) else ""
            raise Unreachable(f"{_told(request)}: {why or error or type(error).__name__}") from None
        finally:
            # Left open after whatever went wrong, a kill included, it would hand this answer to the next question.
            if connection is not None:
                _deadlines.waiting.discard(connection)
                self._give_back(origin, connection, reusable=done)
        return answer

    def _take(self, origin: str, timeout: float) -> _Connection:
        free = self._free.get(origin)
        while free:
            connection = free.pop()
            if connection.is_stale(time.monotonic()):
                connection.close()
                continue
            self._used.add(connection)
            return connection
        connection = self._connect(origin, timeout)
        self._used.add(connection)
        return connection

    def _give_back(self, origin: str, connection: _Connection, *, reusable: bool) -> None:
        was_open = connection in self._used
        self._used.discard(connection)
        if reusable and was_open:
            connection.at = time.monotonic()
            self._free.setdefault(origin, []).append(connection)
        else:
            connection.close()

    def _connect(self, origin: str, timeout: float) -> _Connection:
        parts = urlsplit(origin)
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        plain = socket.create_connection((host, port), timeout=timeout)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if secure:
                if self._context is None:
                    raise OSError(None, f"{origin} needs TLS, and nobody said whom to trust")
                plain = self._context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        # From here on the watch ends what takes too long: a timer for every wait costs more than all else here.
        plain.settimeout(None)
        _deadlines.watch()
        return _Connection(plain)

    def close(self) -> None:
        """Close every connection; whoever waits on one gets `Unreachable`."""
        for connection in [*self._used, *(each for free in self._free.values() for each in free)]:
            connection.close()
        self._used.clear()
        self._free.clear()


def _told(request: Request) -> str:
    return f"{request.method} {request.url.split('?', 1)[0]}"


class PatientTransport(GeventTransport):
    """A transport that waits where a server asks for patience (429): it refused the request, so that it may come again."""

    __slots__ = ("_on_limited",)

    def __init__(
        self, context: ssl.SSLContext | None, observer: Observer | None = None, on_limited: Callable[[], None] = lambda: None
    ) -> None:
        """Tell `on_limited` of every 429."""
        super().__init__(context, observer)
        self._on_limited = on_limited

    def exchange(self, request: Request) -> Response:
        """Send a request, and again after a 429 as long as its time is not over; then that is the answer."""
        answer = super().exchange(request)
        if answer.status != 429:
            return answer
        deadline = time.monotonic() + request.timeout
        while answer.status == 429:
            self._on_limited()
            wait = min(max(retry_after(answer), 0.05), 60.0)
            if time.monotonic() + wait > deadline:
                break
            gevent.sleep(wait)
            answer = super().exchange(request)
        return answer


def _bytes(request: Request, origin: str, target: str) -> bytes:
    lines = [f"{request.method} {target} HTTP/1.1\r\nHost: {origin[origin.index('/') + 2 :]}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in request.headers.items()]
    body = request.body
    if body is None:
        if request.method in ("POST", "PUT"):
            lines.append("Content-Length: 0\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1")
    lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    return "".join(lines).encode("latin-1") + body
