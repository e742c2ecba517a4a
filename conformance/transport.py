"""The conformance side's transport: httpx under asyncio, every exchange told to observers."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from scenarios.wire import Request, Response, TimedOut, Unreachable

__all__ = ["AsyncTransport", "Observer"]

Observer = Callable[[Request, Response | None, str, float, float], None]
"""Told of each exchange: request, answer or None, the error or nothing, when it began and how many seconds it took."""


@lru_cache(maxsize=4)
def _context(ca: Path | None, written: int) -> ssl.SSLContext:
    # Loading certificates takes longer than most checks' requests; a new deployment may write a new authority to an old path.
    return ssl.create_default_context(cafile=str(ca) if ca else None)


class AsyncTransport:
    """Carries requests for one check; close it at its end."""

    def __init__(self, ca: Path | None, observers: tuple[Observer, ...] = (), origins: Mapping[str, str] | None = None) -> None:
        """Trust this authority, and tell these observers; `origins` are those of `Deployment.origins`."""
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=20)
        self._http = httpx.AsyncClient(
            verify=_context(ca, ca.stat().st_mtime_ns if ca else 0), limits=limits, follow_redirects=False, trust_env=False
        )
        self.observers, self._origins = observers, dict(origins or {})

    async def send(self, request: Request) -> Response:
        """Send a request; raises `TimedOut` or `Unreachable`, naming the server and path alone."""
        began = time.monotonic()
        where = f"{request.method} {request.url.split('?', 1)[0]}"
        try:
            answer = await self._http.request(
                request.method,
                self._reached(request.url),
                content=request.body,
                headers=dict(request.headers),
                timeout=request.timeout,
            )
        except httpx.TimeoutException as error:
            self._tell(request, None, "no answer in time", began)
            raise TimedOut(f"{where}: no answer within {request.timeout:g} s") from error
        except httpx.RequestError as error:
            self._tell(request, None, f"{type(error).__name__}: {error}", began)
            raise Unreachable(f"{where}: {error or type(error).__name__}") from error
        response = Response(answer.status_code, dict(answer.headers), answer.content, request)
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
        """Tell the time, monotonic."""
        return time.monotonic()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _tell(self, request: Request, response: Response | None, error: str, began: float) -> None:
        for observer in self.observers:
            observer(request, response, error, began, time.monotonic() - began)
