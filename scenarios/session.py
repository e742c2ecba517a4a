"""A client's session at a homeserver: whose it is, where it goes, with which token."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from pydantic_core import from_json

from scenarios.wire import Request, Response, Transport, UnexpectedAnswer

__all__ = ["Session", "ok", "path"]


def path(*parts: str) -> str:
    """Join parts to a path, each quoted: identifiers hold characters that a path may not."""
    return "/" + "/".join(map(_quoted, parts))


def ok(response: Response) -> dict[str, Any]:
    """Give the JSON object of a success.

    Raises `UnexpectedAnswer` for any other status than 200, and for a body that is no JSON object: a proxy's page must not
    pass for an empty result.
    """
    try:
        content = from_json(response.body)
    except ValueError:
        content = None
    if response.status != 200 or not isinstance(content, dict):
        raise UnexpectedAnswer(response)
    return content


def _quoted(part: str) -> str:
    # Names of transactions come once each: remembered, they would only drive out those of rooms.
    return part if _PLAIN(part) else _escaped(part)


_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch


@lru_cache(maxsize=4096)
def _escaped(part: str) -> str:
    return quote(part, safe="")


@dataclass
class Session:
    """A device's session; without `access_token` it is nobody's.

    Paths are relative to ``/_matrix/client/<version>``; those that begin with ``/_`` are taken as they are.
    """

    transport: Transport
    base_url: str
    server_name: str
    user_id: str = ""
    device_id: str = ""
    access_token: str | None = None
    who: str = ""
    timeout: float = 60.0

    async def send(
        self,
        method: str,
        where: str,
        body: Mapping[str, Any] | bytes | None = None,
        params: Mapping[str, Any] | None = None,
        version: str = "v3",
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> Response:
        """Send a request with the session's token, and give the answer whatever it is; it has the session's time, or this."""
        whole = where if where.startswith("/_") else f"/_matrix/client/{version}{where}"
        url = self.base_url.rstrip("/") + whole + (f"?{urlencode(params)}" if params else "")
        headers = {"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if content is not None:
            headers["Content-Type"] = content_type
        return await self.transport.send(
            Request(method, url, headers, content, self.timeout if timeout is None else timeout, self.who)
        )

    async def get(self, where: str, params: Mapping[str, Any] | None = None, version: str = "v3") -> Response:
        """Read something."""
        return await self.send("GET", where, params=params, version=version)

    async def post(self, where: str, body: Mapping[str, Any], version: str = "v3") -> Response:
        """Do something."""
        return await self.send("POST", where, body, version=version)

    async def put(self, where: str, body: Mapping[str, Any], version: str = "v3") -> Response:
        """Set something."""
        return await self.send("PUT", where, body, version=version)

    async def delete(self, where: str, version: str = "v3") -> Response:
        """Remove something."""
        return await self.send("DELETE", where, version=version)
