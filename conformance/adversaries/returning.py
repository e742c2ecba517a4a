"""What somebody does who kept a removed device: its tokens, its keys, its sessions, and a homeserver's help with them.

Outside: a homeserver that shows a removed device again to a client that never saw it gone. Nothing tells such a client, for no
signature is taken back.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from scenarios.devices import Device
from scenarios.session import Session
from scenarios.wire import Response

__all__ = ["KNOWN", "Return", "Thief", "returns"]

Json = dict[str, Any]

WAYS = ("logged out", "removed from another device", "removed with others", "shut out by a new password")
TRICKS = (
    "its id taken by a new login",
    "its keys shown again",
    "its keys uploaded by another account",
    "a message under its old room key",
    "a message of its replayed",
    "its to-device messages replayed",
    "a new room key over its old session",
    "a new room key sent by another account",
    "its old refresh token used",
)
_ASKED: tuple[tuple[str, str, Json | None], ...] = (
    ("GET", "/sync", None),
    ("GET", "/account/whoami", None),
    ("GET", "/joined_rooms", None),
    ("GET", "/devices", None),
    ("GET", "/rooms/{room}/messages?dir=b", None),
    ("GET", "/rooms/{room}/members", None),
    ("PUT", "/rooms/{room}/send/m.room.message/encore", {"msgtype": "m.text", "body": "encore"}),
    ("PUT", "/sendToDevice/m.room.encrypted/encore", {"messages": {}}),
    ("POST", "/keys/query", {"device_keys": {}}),
    ("POST", "/keys/claim", {"one_time_keys": {}}),
    ("POST", "/keys/upload", {}),
    ("POST", "/user_directory/search", {"search_term": "a"}),
    ("POST", "/createRoom", {}),
    ("POST", "/logout/all", {}),
)


@dataclass(frozen=True)
class Return:
    """How a device was removed, and what is tried with it afterwards; the token is, by this version, always."""

    way: str
    tricks: tuple[str, ...] = ()
    version: str = "v3"
    in_query: bool = False

    def __str__(self) -> str:
        """Tell it."""
        token = f"its token {'in the query ' if self.in_query else ''}at {self.version}"
        return f"a device that was {self.way}: {', '.join((token, *self.tricks))}"


def returns() -> st.SearchStrategy[Return]:
    """Give returns of removed devices."""
    tricks = st.lists(st.sampled_from(TRICKS), max_size=4, unique=True).map(tuple)
    return st.builds(Return, st.sampled_from(WAYS), tricks, st.sampled_from(("v3", "r0")), st.booleans())


KNOWN = [
    *(Return(WAYS[number % len(WAYS)], (trick,), in_query=number % 2 == 1) for number, trick in enumerate(TRICKS)),
    Return("logged out", ("its keys shown again", "a message under its old room key"), "r0"),
    Return("shut out by a new password", ("its keys shown again", "a new room key over its old session")),
    Return("removed from another device", ("its id taken by a new login", "its keys shown again")),
]
"""Each trick once, and those that were of use together."""


class Thief:
    """Who holds a device that was removed."""

    def __init__(self, device: Device, refresh_token: str, room_id: str) -> None:
        """Keep what the device has; `room_id` is where it was."""
        self.device, self.refresh_token, self.room_id = device, refresh_token, room_id
        self._olm = device.machine._olm

    @property
    def key(self) -> str:
        """The device's identity key, by which messages to it are told."""
        return str(self._olm.account.identity_keys["curve25519"])

    async def ask_for_all(self, shape: Return) -> list[tuple[str, Response]]:
        """Use its token for everything that a device does; gives what was asked for, and the answers."""
        old = self.device.session
        session = Session(old.transport, old.base_url, old.server_name, access_token=old.access_token, who="the removed device")
        found = []
        for method, where, body in _ASKED:
            there, params = where.format(room=self.room_id), dict[str, str]()
            if shape.in_query:
                session.access_token, params = None, {"access_token": str(old.access_token)}
            there, _, query = there.partition("?")
            params |= dict(part.split("=") for part in query.split("&") if part)
            found.append((f"{method} {there}", await session.send(method, there, body, params, shape.version)))
        return found

    def write(self, text: str) -> Json:
        """Give an encrypted event's content under the room key that it has, without asking anybody."""
        content = {"type": "m.room.message", "content": {"msgtype": "m.text", "body": text}}
        return dict(self._olm.group_encrypt(self.room_id, content))

    def new_room_key(self, reader: Device) -> Json:
        """Make a room key, and give the content of the to-device message with which the old session gives it to a reader."""
        self._olm.create_outbound_group_session(self.room_id)
        shares = self._olm.share_group_session_parallel(self.room_id, [reader.user_id], ignore_unverified_devices=True)
        given: Json = next(iter(shares))[1]["messages"][reader.user_id][reader.session.device_id]
        self._olm.outbound_group_sessions[self.room_id].mark_as_shared()
        return given

    def shown_again(self, keys: Json, answer: Json) -> None:
        """Put these keys of the device into an answer to `/keys/query`."""
        answer.setdefault("device_keys", {}).setdefault(self.device.user_id, {})[self.device.session.device_id] = copy.deepcopy(
            keys
        )
