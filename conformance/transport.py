"""The conformance side's transport: aiohttp, every exchange told to observers.

aiohttp reads answers in C: with httpx, half of a pytest worker's processor time went into HTTP.

On somebody else's deployment a guard stands here (:mod:`conformance.guard`), so that nothing goes round it, and the
harness's own rate and the server's 429 are kept (:mod:`scenarios.visit.pace`).
"""

from __future__ import annotations

import asyncio
import io
import ssl
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import yarl

from conformance.guard import Guard
from conformance.outcome import untestable
from scenarios.visit.pace import PATIENCE, Pace, retry_after
from scenarios.wire import Request, Response, TimedOut, Unreachable

__all__ = ["AsyncTransport", "Observer"]

_LARGE = 2**20  # bytes; aiohttp wants a body above this as a file, so that writing it lets others work in between
_LINE = 2**16  # bytes of one header that are read

Observer = Callable[[Request, Response | None, str, float, float], None]
"""Told of each exchange: request, answer or None, the error or nothing, when it began and how many seconds it took."""


@lru_cache(maxsize=4)
def _context(ca: Path | None, written: int) -> ssl.SSLContext:
    # Loading certificates takes longer than most checks' requests; a new deployment may write a new authority to an old path.
    return ssl.create_default_context(cafile=str(ca) if ca else None)


def _without_query(error: aiohttp.ClientError) -> str:
    """Tell what went wrong: two of these errors have the whole address in their text, and with it what a query holds."""
    if isinstance(error, aiohttp.InvalidURL):
        return "no address that one can ask"
    return error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)


class AsyncTransport:
    """Carries requests for one check; close it at its end.

    `guard` is the process's: set on the class, every transport of a visit goes by it, also one that a check makes itself.
    """

    guard: Guard | None = None
    pace: Pace | None = None

    def __init__(self, ca: Path | None, observers: tuple[Observer, ...] = (), origins: Mapping[str, str] | None = None) -> None:
        """Trust this authority, and tell these observers; `origins` are those of `Deployment.origins`."""
        self._ca = ca
        self._http: aiohttp.ClientSession | None = None
        self._left: list[aiohttp.ClientSession] = []
        self.observers, self._origins = observers, dict(origins or {})
        self._waited = 0.0

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            context = _context(self._ca, self._ca.stat().st_mtime_ns if self._ca else 0)
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=50, keepalive_timeout=5.0, ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Content-Type",),
                max_line_size=_LINE,
                max_field_size=_LINE,
            )
            # It would send a request again where a kept connection breaks, and we could not tell what the server did with
            # the first. aiohttp's own test client sets this too: there is no public way.
            self._http._retry_connection = False
        return self._http

    def reconnect(self) -> None:
        """Use new connections from now on: a front that was told to go on by other rules closes the old ones.

        What is under way goes on where it is.
        """
        if self._http is not None:
            self._left.append(self._http)
        self._http = None

    async def send(self, request: Request) -> Response:
        """Send a request; raises `TimedOut` or `Unreachable`, naming the server and path alone.

        On somebody else's deployment also `Untestable`, where it does not allow the request or limits it for minutes.
        """
        guard = self.guard
        if guard is None:
            return await self._in_turn(request, self.pace)
        request = guard.admit(request)
        response = await self._in_turn(request, None if guard.steps_back else guard.pace)
        guard.note(request, response)
        return response

    async def _in_turn(self, request: Request, pace: Pace | None) -> Response:
        patience = PATIENCE
        while pace is not None:
            await self._hold(pace.turn())
            response = await self._carry(request)
            if response.status != 429:
                return response
            wait = retry_after(response)
            patience -= wait
            if patience < 0:
                raise untestable(f"a deployment that lets this pass: after {PATIENCE:g} s still {response}")
            pace.hold(wait)
        return await self._carry(request)

    async def _hold(self, seconds: float) -> None:
        # What this side waits on purpose is not time that the deployment took: deadlines do not count it.
        began = time.monotonic()
        await asyncio.sleep(seconds)
        self._waited += time.monotonic() - began if seconds else 0.0

    async def _carry(self, request: Request) -> Response:
        began = time.monotonic()
        where = f"{request.method} {request.url.split('?', 1)[0]}"
        body = request.body
        try:
            async with self._session().request(
                request.method,
                # As it stands: a path with dots or a quoted slash in it is to reach the server so.
                yarl.URL(self._reached(request.url), encoded=True),
                data=io.BytesIO(body) if body is not None and len(body) > _LARGE else body,
                headers=request.headers,
                timeout=aiohttp.ClientTimeout(total=request.timeout),
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
        except TimeoutError as error:
            self._tell(request, None, "no answer in time", began)
            raise TimedOut(f"{where}: no answer within {request.timeout:g} s") from error
        except aiohttp.ClientError as error:
            said = _without_query(error)
            self._tell(request, None, f"{type(error).__name__}: {said}", began)
            raise Unreachable(f"{where}: {said or type(error).__name__}") from error
        headers = {name.lower(): ", ".join(answer.headers.getall(name)) for name in answer.headers}
        response = Response(answer.status, headers, content, request)
        self._tell(request, response, "", began)
        return response

    def _reached(self, url: str) -> str:
        if not self._origins:
            return url
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        return self._origins.get(origin, origin) + url.removeprefix(origin)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def now(self) -> float:
        """Tell the time, monotonic, without what was waited for one's turn."""
        return time.monotonic() - self._waited

    async def close(self) -> None:
        """Close the connections."""
        for session in (*self._left, self._http):
            if session is not None:
                await session.close()

    def _tell(self, request: Request, response: Response | None, error: str, began: float) -> None:
        for observer in self.observers:
            observer(request, response, error, began, time.monotonic() - began)
