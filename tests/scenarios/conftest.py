"""Devices on a real homeserver: the fixture `homeserver` (base_url, server_name, register, ca) stands above."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any, Protocol

import pytest

from conformance.transport import AsyncTransport
from scenarios.devices import Device
from scenarios.session import Session, ok, path

PASSWORD = "Un-mot-de-passe-assez-long-1!"


class Homeserver(Protocol):
    base_url: str
    server_name: str
    ca: Any

    def register(self, username: str, password: str) -> dict[str, Any]: ...


class People:
    """Makes people and devices; everybody is new."""

    def __init__(self, homeserver: Homeserver, transport: AsyncTransport) -> None:
        self.homeserver, self.transport = homeserver, transport

    def session(self, **known: Any) -> Session:
        return Session(self.transport, self.homeserver.base_url, self.homeserver.server_name, **known)

    async def person(self, name: str) -> Device:
        username = f"{name}-{secrets.token_hex(4)}"
        return await self._device(self.homeserver.register(username, PASSWORD), name)

    async def another(self, device: Device) -> Device:
        identifier = {"type": "m.id.user", "user": device.user_id}
        body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
        return await self._device(ok(await self.session().post("/login", body)), f"{device.session.who} again")

    async def _device(self, login: dict[str, Any], who: str) -> Device:
        names = ("user_id", "device_id", "access_token")
        return await Device(self.session(who=who, **{name: login[name] for name in names})).start()

    async def gather(self, host: Device, *others: Device, encryption: dict[str, Any] | None = None) -> str:
        content = {"algorithm": "m.megolm.v1.aes-sha2", **(encryption or {})}
        state = [{"type": "m.room.encryption", "state_key": "", "content": content}]
        users = sorted({other.user_id for other in others} - {host.user_id})
        body = {"preset": "private_chat", "invite": users, "initial_state": state}
        room_id: str = ok(await host.session.post("/createRoom", body))["room_id"]
        for user in users:
            guest = next(other for other in others if other.user_id == user)
            ok(await guest.session.post(path("join", room_id), {}))
        for device in (host, *others):
            await device.wait_for("the room", lambda seen: seen.room(room_id).membership == "join")
        return room_id


@pytest.fixture
async def transport(homeserver: Homeserver) -> AsyncIterator[AsyncTransport]:
    carrier = AsyncTransport(homeserver.ca)
    yield carrier
    await carrier.close()


@pytest.fixture
def people(homeserver: Homeserver, transport: AsyncTransport) -> People:
    return People(homeserver, transport)
