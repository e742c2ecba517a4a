"""Writes down what a process makes on somebody else's deployment: asked before each request, told after it.

What is made bears the tag of its journal, and is counted. A run whose people stay there notes what it adds to them, devices
and rooms; everybody else's devices go with their accounts.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from fixtures.deployment import Deployment, Homeserver
from scenarios.visit.made import Made
from scenarios.visit.reading import only_reads
from scenarios.wire import Request, Response

__all__ = ["Ledger", "TooMany"]

_ADMIN_USER = re.compile(r"/_synapse/admin/v[12]/(?:users|deactivate)/(@[^/]+)")
_TOKEN = re.compile(r"/email/requestToken$")
_UPGRADE = re.compile(r"/rooms/([^/]+)/upgrade$")
_ALIAS = re.compile(r"/directory/room/(#[^/]+)$")
_UPLOAD = re.compile(r"/_matrix/media/[^/]+/upload$")


class TooMany(Exception):
    """The deployment's owner wants no more accounts of a run; the message says how many are allowed."""


@dataclass
class Ledger:
    """What one process knows of what it makes; all processes of a run write into one journal.

    `people_stay` is for a run whose people are there before and after it: then their devices are noted one by one.
    """

    deployment: Deployment
    made: Made
    people_stay: bool = False
    _people: dict[str, str] = field(default_factory=dict)
    _devices: dict[str, str] = field(default_factory=dict)
    _addresses: dict[str, str] = field(default_factory=dict)
    _openings: dict[int, str] = field(default_factory=dict)
    _own: set[str] = field(default_factory=set)

    @property
    def mark(self) -> str:
        """What ends the family names of people who are made."""
        return f"vigie{self.made.tag}"

    def know(self, token: str, user_id: str) -> None:
        """Learn whose a token is that this process did not see given out."""
        self._people[token] = user_id

    def home(self, url: str) -> Homeserver | None:
        """Give the homeserver to which an address belongs."""
        bases = [(each, base) for each in self.deployment.homeservers for base in (each.url, each.admin_url) if base]
        return next((each for each, base in bases if url.startswith(base.rstrip("/") + "/")), None)

    # Before: what is about to be made

    def intend(self, request: Request) -> Request:
        """Write down what a request is about to make, and give it with the tag in it; raises `TooMany`."""
        path = unquote(urlsplit(request.url).path)
        content = _object(request.body)
        if content is None:
            return request
        home = self.home(request.url)
        server = home.server_name if home else ""
        tagged = self._tagged(request, path, content)
        if request.method == "PUT" and (match := _ADMIN_USER.search(path)) and content.get("password"):
            self._enough()
            self._account(match[1], server, user_id=match[1], password=content["password"], address=_first_address(content))
        elif request.method == "POST" and path.endswith("/register") and "/client/" in path:
            self._enough()
            address, name = self._address(content), content.get("username")
            if isinstance(name, str) and name:
                self._account(f"@{name}:{server}", server, user_id=f"@{name}:{server}", password=_text(content, "password"))
            elif address:
                self._account(address, server, address=address, password=_text(content, "password"))
        elif request.method == "POST" and _opens(path) and (whose := self._whose(request)):
            opening = self._openings[id(tagged)] = secrets.token_hex(8)
            self.made.note("opening", opening=opening, server=server, user_id=whose)
        elif self.people_stay and request.method == "POST" and path.endswith("/login"):
            return self._with_device(tagged, server)
        return tagged

    def _tagged(self, request: Request, path: str, content: dict[str, Any]) -> Request:
        if request.method != "POST":
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

    def _with_device(self, request: Request, server: str) -> Request:
        """Let a login name its device itself, so that it is known before it is there."""
        content = _object(request.body) or {}
        identifier = content.get("identifier")
        user_id = _text(identifier, "user") if isinstance(identifier, dict) else ""
        if not user_id.startswith("@") or content.get("device_id"):
            return request
        device_id = f"VIGIE{self.made.tag.upper()}{secrets.token_hex(5).upper()}"
        self.made.note("device", device_id=device_id, server=server, user_id=user_id)
        return request._replace(body=json.dumps({**content, "device_id": device_id}).encode())

    def _address(self, content: dict[str, Any]) -> str:
        """Give the address that a request proves to be its sender's, where this process saw the proof asked for."""
        auth = content.get("auth")
        credentials = auth.get("threepid_creds") if isinstance(auth, dict) else None
        return self._addresses.get(str(credentials.get("sid", "")), "") if isinstance(credentials, dict) else ""

    def _account(self, key: str, server: str, **details: Any) -> None:
        self.made.note("account", key=key, server=server, **details)

    def _enough(self) -> None:
        if self.made.count() >= self.deployment.limits.people:
            raise TooMany(f"more people than limits.people = {self.deployment.limits.people} allows")

    def _whose(self, request: Request) -> str:
        return self._people.get(_token_of(request), "")

    # After: what was made

    def note(self, request: Request, response: Response) -> None:
        """Learn from an answer what there is now, and what there is no more."""
        path = unquote(urlsplit(request.url).path)
        if "/_matrix/identity/" in path or only_reads(request):
            return
        asked = _object(request.body) or {}
        if response.status not in (200, 201):
            self._refused(request, response, path, asked)
            return
        told = _object(response.body) or {}
        whose = self._whose(request)
        home = self.home(request.url)
        server = home.server_name if home else whose.partition(":")[2]
        if _TOKEN.search(path) and isinstance(told.get("sid"), str):
            self._addresses[told["sid"]] = str(asked.get("email", ""))
        elif isinstance(told.get("access_token"), str) and isinstance(told.get("user_id"), str):
            self._came(path, told, asked)
        elif match := _ADMIN_USER.search(path):
            if "/deactivate/" in path or asked.get("deactivated") is True:
                self.made.note("gone", key=match[1])
            elif asked.get("password"):
                self._own.add(match[1])
                self._account(match[1], server, user_id=match[1], password=asked["password"], sure=True)
        elif path.endswith("/account/password"):
            self._changed(whose or self._owner(self._address(asked)), server, _text(asked, "new_password"))
        elif path.endswith("/account/deactivate") and whose:
            self.made.note("gone", key=whose)
        elif _UPLOAD.search(path) and isinstance(told.get("content_uri"), str):
            self.made.note("file", content_uri=told["content_uri"], server=server)
        elif path.endswith("/logout") and (device_id := self._devices.pop(_token_of(request), "")):
            self.made.note("gone", device_id=device_id)
        else:
            self._room(request, path, server, told, asked)

    def _refused(self, request: Request, response: Response, path: str, asked: dict[str, Any]) -> None:
        """Learn what a refusal says; a room may be there all the same, and a device where the server broke down."""
        if opening := self._openings.pop(id(request), ""):
            home = self.home(request.url)
            server = home.server_name if home else ""
            # A front that gave up waiting (502, 504) may have a server behind it that is still at it.
            answered = response.status < 500
            self.made.note("opening", opening=opening, server=server, user_id=self._whose(request), answered=answered)
        elif response.status >= 500:
            return
        elif self.people_stay and path.endswith("/login") and _text(asked, "device_id"):
            self.made.note("gone", device_id=asked["device_id"])

    def _owner(self, address: str) -> str:
        accounts = self.made.things().accounts.values() if address else ()
        return next((each.user_id for each in accounts if each.address == address), "")

    def _changed(self, user_id: str, server: str, password: str) -> None:
        if user_id:
            self._account(user_id, server, password=password)

    def _came(self, path: str, told: dict[str, Any], asked: dict[str, Any]) -> None:
        user_id, token = str(told["user_id"]), str(told["access_token"])
        address = self._address(asked)
        self._people[token] = user_id
        server = user_id.partition(":")[2]
        # Logging in to an account that the run did not make would make it the run's to take away.
        if path.endswith("/register") or self._is_own(user_id):
            known = {"token": token, "password": _text(asked, "password"), "address": address}
            self._own.add(user_id)
            self._account(user_id, server, user_id=user_id, **known, sure=True)
            if address and address != user_id:
                self.made.note("gone", key=address)
        elif self.people_stay and isinstance(told.get("device_id"), str):
            self._devices[token] = told["device_id"]
            self.made.note("device", device_id=told["device_id"], server=server, user_id=user_id, token=token)

    def _is_own(self, user_id: str) -> bool:
        # Of a run whose people stay, whoever is not known here is one of those.
        return user_id in self._own or (not self.people_stay and user_id in self.made.things().accounts)

    def _room(self, request: Request, path: str, server: str, told: dict[str, Any], asked: dict[str, Any]) -> None:
        whose = self._whose(request)
        if path.endswith("/createRoom") and isinstance(told.get("room_id"), str):
            local = asked.get("room_alias_name")
            aliases = [f"#{local}:{server}"] if isinstance(local, str) and local else []
            opening = self._openings.pop(id(request), "")
            self.made.note("room", room_id=told["room_id"], server=server, user_id=whose, aliases=aliases, opening=opening)
        elif _UPGRADE.search(path) and isinstance(told.get("replacement_room"), str):
            opening = self._openings.pop(id(request), "")
            self.made.note("room", room_id=told["replacement_room"], server=server, user_id=whose, opening=opening)
        elif (match := _ALIAS.search(path)) and isinstance(asked.get("room_id"), str):
            self.made.note("room", room_id=asked["room_id"], server=server, user_id=whose, aliases=[match[1]])


def _opens(path: str) -> bool:
    return path.endswith("/createRoom") or bool(_UPGRADE.search(path))


def _token_of(request: Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


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
