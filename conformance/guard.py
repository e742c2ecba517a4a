"""Stands at the transport of a process that visits somebody else's deployment: what may go out, and what came of it.

Nothing leaves that `allow` does not cover, whatever a check asks for; what is made is written down before and after,
bears the run's tag, and is counted.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from conformance.made import Made
from conformance.outcome import untestable
from conformance.pace import Pace
from conformance.reading import only_reads
from fixtures.allowance import lacking
from fixtures.deployment import Deployment, Homeserver
from scenarios.wire import Request, Response

__all__ = ["Guard", "allowing", "new_tag"]

_ADMIN_USER = re.compile(r"/_synapse/admin/v[12]/(?:users|deactivate)/(@[^/]+)")
_TOKEN = re.compile(r"/email/requestToken$")
_UPGRADE = re.compile(r"/rooms/([^/]+)/upgrade$")
_ALIAS = re.compile(r"/directory/room/(#[^/]+)$")


def allowing(abilities: Iterable[str]) -> str:
    """Give what would have to stand in the deployment's TOML."""
    return "allow = [" + ", ".join(f'"{each}"' for each in abilities) + "] in the deployment's TOML"


@dataclass
class Guard:
    """Asked before each request and told after it.

    It `steps_back` while a check looks at the server's own limits: then nobody slows it, and it sees every 429.
    """

    deployment: Deployment
    made: Made
    pace: Pace
    steps_back: bool = False
    _people: dict[str, str] = field(default_factory=dict)
    _addresses: dict[str, str] = field(default_factory=dict)

    def admit(self, request: Request) -> Request:
        """Let a request out, with the run's tag in what it makes; raises `Untestable` where it may not."""
        path = unquote(urlsplit(request.url).path)
        home = self._home(request.url)
        if "/media_proxy/" in path and home is not None and not home.scanner:
            raise untestable(f"a content scanner at {home.name}")
        if only_reads(request):
            return request
        if lacking(self.deployment, ["accounts"]):
            raise untestable(f"{allowing(['accounts'])} ({request.method} {path.split('?')[0]})")
        if request.body and "hostile" not in self.deployment.allow and self._is_infected(request.body):
            raise untestable(f"{allowing(['hostile'])} (an infected file)")
        if self.made.is_closing():
            raise RuntimeError("the run is over, and what it made is being taken away: nothing more may be made")
        tagged = self._tagged(request, path)
        self._intend(tagged, path, home)
        return tagged

    def _is_infected(self, body: bytes) -> bool:
        return any(bytes.fromhex(mark) in body for mark in self.deployment.infected.values())

    def _home(self, url: str) -> Homeserver | None:
        bases = [(each, base) for each in self.deployment.homeservers for base in (each.url, each.admin_url) if base]
        return next((each for each, base in bases if url.startswith(base.rstrip("/") + "/")), None)

    def _tagged(self, request: Request, path: str) -> Request:
        content = _object(request.body)
        if content is None or request.method != "POST":
            return request
        if path.endswith("/createRoom"):
            created = content.get("creation_content")
            content = {
                **content,
                "creation_content": {**(created if isinstance(created, dict) else {}), "vigie": self.made.tag},
            }
        elif isinstance(content.get("initial_device_display_name"), str):
            named = f"{content['initial_device_display_name']} (vigie {self.made.tag})"
            content = {**content, "initial_device_display_name": named}
        else:
            return request
        return request._replace(body=json.dumps(content).encode())

    # Before: what is about to be made

    def _intend(self, request: Request, path: str, home: Homeserver | None) -> None:
        content = _object(request.body) or {}
        server = home.server_name if home else ""
        if request.method == "PUT" and (match := _ADMIN_USER.search(path)) and content.get("password"):
            self._enough()
            self._account(match[1], server, user_id=match[1], password=content["password"], address=_first_address(content))
        elif path.endswith("/register") and "/client/" in path and request.method == "POST":
            self._enough()
            address, name = self._address(content), content.get("username")
            if isinstance(name, str) and name:
                self._account(f"@{name}:{server}", server, user_id=f"@{name}:{server}", password=_text(content, "password"))
            elif address:
                self._account(address, server, address=address, password=_text(content, "password"))

    def _address(self, content: dict[str, Any]) -> str:
        """Give the address that a request proves to be its sender's, where this process saw the proof asked for."""
        auth = content.get("auth")
        credentials = auth.get("threepid_creds") if isinstance(auth, dict) else None
        return self._addresses.get(str(credentials.get("sid", "")), "") if isinstance(credentials, dict) else ""

    def _account(self, key: str, server: str, **details: Any) -> None:
        self.made.note("account", key=key, server=server, **details)

    def _enough(self) -> None:
        if self.made.count() >= self.deployment.limits.people:
            raise untestable(f"more people than limits.people = {self.deployment.limits.people} allows")

    # After: what was made

    def note(self, request: Request, response: Response) -> None:
        """Learn from an answer what there is now, and what there is no more."""
        path = unquote(urlsplit(request.url).path)
        told, asked = _object(response.body) or {}, _object(request.body) or {}
        if only_reads(request) or "/_matrix/identity/" in path or response.status not in (200, 201):
            return
        whose = self._people.get(request.headers.get("Authorization", "").removeprefix("Bearer "), "")
        home = self._home(request.url)
        server = home.server_name if home else whose.partition(":")[2]
        if _TOKEN.search(path) and isinstance(told.get("sid"), str):
            self._addresses[told["sid"]] = str(asked.get("email", ""))
        elif isinstance(told.get("access_token"), str) and isinstance(told.get("user_id"), str):
            self._came(path, told, asked)
        elif match := _ADMIN_USER.search(path):
            if "/deactivate/" in path or asked.get("deactivated") is True:
                self.made.note("gone", key=match[1])
            elif asked.get("password"):
                self._account(match[1], server, user_id=match[1], password=asked["password"], sure=True)
        elif path.endswith("/account/password"):
            self._changed(whose or self._owner(self._address(asked)), server, _text(asked, "new_password"))
        elif path.endswith("/account/deactivate") and whose:
            self.made.note("gone", key=whose)
        else:
            self._room(path, server, whose, told, asked)

    def _owner(self, address: str) -> str:
        accounts = self.made.things().accounts.values() if address else ()
        return next((each.user_id for each in accounts if each.address == address), "")

    def _changed(self, user_id: str, server: str, password: str) -> None:
        if user_id:
            self._account(user_id, server, password=password)

    def _came(self, path: str, told: dict[str, Any], asked: dict[str, Any]) -> None:
        user_id, token = told["user_id"], told["access_token"]
        address = self._address(asked)
        self._people[token] = user_id
        # Logging in to an account that the run did not make would make it the run's to take away.
        server = str(user_id).partition(":")[2]
        if path.endswith("/register") or user_id in self.made.things().accounts:
            known = {"token": token, "password": _text(asked, "password"), "address": address}
            self._account(user_id, server, user_id=user_id, **known, sure=True)
            if address and address != user_id:
                self.made.note("gone", key=address)

    def _room(self, path: str, server: str, whose: str, told: dict[str, Any], asked: dict[str, Any]) -> None:
        if path.endswith("/createRoom") and isinstance(told.get("room_id"), str):
            local = asked.get("room_alias_name")
            aliases = [f"#{local}:{server}"] if isinstance(local, str) and local else []
            self.made.note("room", room_id=told["room_id"], server=server, user_id=whose, aliases=aliases)
        elif _UPGRADE.search(path) and isinstance(told.get("replacement_room"), str):
            self.made.note("room", room_id=told["replacement_room"], server=server, user_id=whose)
        elif (match := _ALIAS.search(path)) and isinstance(asked.get("room_id"), str):
            self.made.note("room", room_id=asked["room_id"], server=server, user_id=whose, aliases=[match[1]])


def _first_address(content: dict[str, Any]) -> str:
    listed = content.get("threepids")
    first = listed[0] if isinstance(listed, list) and listed else None
    return _text(first, "address") if isinstance(first, dict) else ""


def _text(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    return value if isinstance(value, str) else ""


def _object(body: bytes | None) -> dict[str, Any] | None:
    if not body or body[:1] != b"{":
        return None
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def new_tag() -> str:
    """Give a run's tag: letters alone, since it becomes part of people's names."""
    return "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz") for _ in range(4))
