"""A real proxy between the crowd and its homeservers, which does to deliveries what it is told to, and counts what it did."""

import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from fixtures.deployment import Deployment

MESSAGES = ("m.room.message", "m.room.encrypted")
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "host", "accept-encoding"}


@dataclass
class Mischief:
    """Shares of deliveries that are dropped, doubled or held back until a later one has passed; delays in seconds."""

    drop: float = 0.0
    double: float = 0.0
    late: float = 0.0
    delay: float = 0.0
    stalls: list[tuple[float, float]] = field(default_factory=list)
    badly: tuple[str, ...] = ()
    """How every fourth message is answered, in turn, instead of being passed on: "429", "500", "half", "nothing"."""
    clear: float = 1.0
    """So long after an event's answer another one must have been sent for their order to be certain."""
    patience: float = 3.0
    """So long a delivery is held back at most; then it comes alone, late but in order."""


@dataclass
class _Held:
    event: dict[str, Any]
    since: float


class Troublemaker:
    """The proxy of one homeserver; `counts` and `ids` are what it did to deliveries, `armed` whether it does it."""

    def __init__(self, upstream: str, ca: Path | None, mischief: Mischief, seed: int) -> None:
        self.upstream, self.mischief, self.random = upstream, mischief, Random(seed)
        self.counts: Counter[str] = Counter()
        self.ids: dict[str, list[str]] = {"lost": [], "duplicated": [], "out-of-order": []}
        self.armed = False
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
        self.http = httpx.AsyncClient(verify=context, timeout=120, limits=limits, trust_env=False)
        self.sent: dict[str, tuple[float, float]] = {}
        self.held: dict[tuple[str, str], _Held] = {}
        self.server: asyncio.Server | None = None
        self.clients: set[asyncio.StreamWriter] = set()
        self.messages = 0

    async def start(self) -> int:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=2**20)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    def die(self) -> None:
        """Take nobody in any more, and hang up on everybody."""
        assert self.server is not None
        self.server.close()
        for writer in self.clients:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *rest = head.decode("latin-1").split("\r\n")
                method, target, _ = line.split(" ", 2)
                headers = {
                    name.strip().lower(): value.strip() for name, _, value in (each.partition(":") for each in rest if each)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if (badly := self.bad_turn(method, target)) in ("half", "nothing"):
                    if badly == "half":
                        writer.write(b'HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{"event_id": ')
                        return
                    await reader.read()
                    return
                if badly:
                    limited = b'{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 100}'
                    status, kind, content = int(badly), "application/json", limited if badly == "429" else b"<html>"
                else:
                    status, kind, content = await self.answer(method, target, headers, body)
                told = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
                writer.write(told.encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, httpx.HTTPError):
            pass
        finally:
            self.clients.discard(writer)
            writer.close()

    def bad_turn(self, method: str, target: str) -> str:
        if not (self.armed and self.mischief.badly and method == "PUT" and "/send/m.room." in target):
            return ""
        self.messages += 1
        turn, rest = divmod(self.messages, 4)
        if rest:
            return ""
        kind = self.mischief.badly[turn % len(self.mischief.badly)]
        self.counts[kind] += 1
        return kind

    async def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        came = time.monotonic()
        path = urlsplit(target).path
        if self.armed:
            await self.hinder(came, is_poll=path.endswith("/sync"))
        passed = {name: value for name, value in headers.items() if name not in HOP}
        request = self.http.request(method, self.upstream + target, headers=passed, content=body)
        who, query = headers.get("authorization", ""), parse_qs(urlsplit(target).query)
        if path.endswith("/sync") and "since" in query and self.armed:
            return await self.sync(request, who, query["since"][0])
        response = await request
        if method == "PUT" and "/send/m.room." in path and response.status_code == 200:
            self.sent[response.json()["event_id"]] = (came, time.monotonic())
        return response.status_code, response.headers.get("content-type", ""), response.content

    async def hinder(self, came: float, *, is_poll: bool) -> None:
        for begin, length in self.mischief.stalls:
            if begin <= came < begin + length:
                await asyncio.sleep(begin + length - came)
        if self.mischief.delay and not is_poll:
            await asyncio.sleep(self.mischief.delay)

    async def sync(self, request: Any, who: str, since: str) -> tuple[int, str, bytes]:
        """Answer a poll with what the homeserver gives, or sooner with what was held back for too long."""
        polling = asyncio.ensure_future(request)
        while not polling.done():
            await asyncio.wait([polling], timeout=0.2)
            if not polling.done() and (due := self.overdue(who)):
                polling.cancel()
                rooms = {room: {"timeline": {"events": [event], "limited": False}} for room, event in due.items()}
                return 200, "application/json", json.dumps({"next_batch": since, "rooms": {"join": rooms}}).encode()
        response = polling.result()
        if response.status_code != 200:
            return response.status_code, "application/json", response.content
        content = response.json()
        for room, joined in content.get("rooms", {}).get("join", {}).items():
            timeline = joined.get("timeline", {})
            if "events" in timeline:
                timeline["events"] = list(self.mischievous(who, room, timeline["events"]))
        return 200, "application/json", json.dumps(content).encode()

    def overdue(self, who: str) -> dict[str, dict[str, Any]]:
        now = time.monotonic()
        keys = [key for key, held in self.held.items() if key[0] == who and now - held.since > self.mischief.patience]
        return {key[1]: self.held.pop(key).event for key in keys}

    def mischievous(self, who: str, room: str, events: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for event in events:
            if event["type"] not in MESSAGES or "transaction_id" in event.get("unsigned", {}):
                yield event
                continue
            self.counts["deliveries"] += 1
            event_id, dice = event["event_id"], self.random.random()
            held = self.held.pop((who, room), None)
            if dice < self.mischief.drop:
                if held:
                    yield held.event
                self.did("lost", event_id)
                continue
            overtakes = held is not None and self.overtakes(event_id, held.event["event_id"])
            if held and not overtakes:
                yield held.event
            dice -= self.mischief.drop
            if not overtakes and dice < self.mischief.late and event_id in self.sent:
                self.held[who, room] = _Held(event, time.monotonic())
                continue
            yield event
            if held and overtakes:
                self.did("out-of-order", held.event["event_id"])
                yield held.event
            elif self.mischief.late <= dice < self.mischief.late + self.mischief.double:
                self.did("duplicated", event_id)
                yield event

    def overtakes(self, event_id: str, held_id: str) -> bool:
        """Tell whether an event was certainly sent after the sender of the one held back had the answer."""
        mine, other = self.sent.get(event_id), self.sent.get(held_id)
        return mine is not None and other is not None and mine[0] > other[1] + self.mischief.clear

    def did(self, what: str, event_id: str) -> None:
        self.counts[what] += 1
        self.ids[what].append(event_id)


@dataclass
class Between:
    """Proxies before every homeserver, and the TOML of the deployment as it is seen through them."""

    toml: Path
    proxies: list[Troublemaker]
    loop: asyncio.AbstractEventLoop

    def arm(self) -> None:
        for proxy in self.proxies:
            proxy.armed = True

    def die(self) -> None:
        for proxy in self.proxies:
            self.loop.call_soon_threadsafe(proxy.die)

    def did(self, what: str) -> int:
        return sum(proxy.counts[what] for proxy in self.proxies)

    def ids(self, what: str) -> list[str]:
        return sorted(event_id for proxy in self.proxies for event_id in proxy.ids[what])


@contextmanager
def between(
    deployment: Deployment, folder: Path, mischief: Mischief, *, armed: bool = True, seed: int = 1
) -> Iterator[Between]:
    """Stand between whoever reads the TOML and the deployment; no trouble is made before the proxies are armed."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    proxies = [Troublemaker(each.url, deployment.ca, mischief, seed + n) for n, each in enumerate(deployment.homeservers)]
    ports = [asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(30) for proxy in proxies]
    homes = [
        each.model_copy(update={"url": f"http://127.0.0.1:{port}"})
        for each, port in zip(deployment.homeservers, ports, strict=True)
    ]
    toml = folder / "deployment.toml"
    deployment.model_copy(update={"homeservers": tuple(homes)}).write(toml)
    try:
        yield Between(toml, proxies, loop)
    finally:
        for proxy in proxies:
            if proxy.server:
                loop.call_soon_threadsafe(proxy.server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
