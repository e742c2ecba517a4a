"""Describing the tests' own deployment as somebody else's, and counting what is active in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from fixtures.deployment import Deployment, Homeserver


def foreign(deployment: Deployment, file: Path, *, administrators: bool = True, **changes: Any) -> Path:
    """Write the TOML by which somebody else would describe the deployment: nothing of this machine in it."""
    homeservers = deployment.homeservers
    if not administrators:
        homeservers = tuple(each.model_copy(update={"admin_url": None, "admin_token": None}) for each in homeservers)
    told: dict[str, Any] = {
        "kind": "remote",
        "name": "autre",
        "allow": (),
        "storage": None,
        "programs": {},
        "homeservers": homeservers,
    }
    deployment.model_copy(update={**told, **changes}).write(file)
    return file


@dataclass(frozen=True)
class Active:
    """Accounts that are not deactivated, rooms with how many members each has, and files by who uploaded how many."""

    accounts: frozenset[str]
    rooms: dict[str, int]
    files: dict[str, int] = field(default_factory=dict)

    def beside(self, before: Active) -> str:
        """Tell what came and went since: a room's name has who is in it behind it."""
        people = {f"account {each}" for each in self.accounts}, {f"account {each}" for each in before.accounts}
        rooms = tuple({f"room {name} ({members})" for name, members in each.rooms.items()} for each in (self, before))
        files = tuple({f"{count} files of {who}" for who, count in each.files.items()} for each in (self, before))
        now, then = people[0] | rooms[0] | files[0], people[1] | rooms[1] | files[1]
        came, went = now - then, then - now
        return "; ".join([*(f"came: {each}" for each in sorted(came)), *(f"went: {each}" for each in sorted(went))])

    @property
    def inhabited(self) -> dict[str, int]:
        return {room: members for room, members in self.rooms.items() if members}


def active(deployment: Deployment) -> Active:
    """List by the admin API what is there, on every homeserver."""
    accounts: set[str] = set()
    rooms: dict[str, int] = {}
    files: dict[str, int] = {}
    for homeserver in deployment.homeservers:
        for user in _pages(homeserver, "v2/users", "users"):
            if not user["deactivated"]:
                accounts.add(user["name"])
        for room in _pages(homeserver, "v1/rooms", "rooms"):
            rooms[f"{homeserver.name} {room['room_id']}"] = room["joined_local_members"]
        for user in _pages(homeserver, "v1/statistics/users/media", "users"):
            files[user["user_id"]] = user["media_count"]
    return Active(frozenset(accounts), rooms, files)


def devices(deployment: Deployment, user_ids: frozenset[str]) -> int:
    """Count the devices of these accounts."""
    found = 0
    for homeserver in deployment.homeservers:
        for user_id in user_ids:
            if user_id.endswith(":" + homeserver.server_name):
                found += len(_get(homeserver, f"v2/users/{user_id}/devices", {})["devices"])
    return found


def _pages(homeserver: Homeserver, where: str, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    start: object = 0
    while start is not None:
        page = _get(homeserver, where, {"from": start, "limit": 500})
        found += page[what]
        start = page.get("next_token", page.get("next_batch"))
    return found


def _get(homeserver: Homeserver, where: str, params: dict[str, Any]) -> dict[str, Any]:
    assert homeserver.admin_url and homeserver.admin_token
    headers = {"Authorization": f"Bearer {homeserver.admin_token.get_secret_value()}"}
    answer = httpx.get(f"{homeserver.admin_url}/_synapse/admin/{where}", params=params, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content
