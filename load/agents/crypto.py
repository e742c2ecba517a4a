"""End-to-end encryption for many: vodozemac directly, with what a client must do and nothing that only a person needs.

True on the wire: device and one-time keys uploaded, queried and claimed with their signatures checked, room keys shared over
Olm to every device, Megolm messages, rotation. What it leaves to the canaries (:mod:`scenarios.keys`): verification, replay
detection, backups. A device that does not read ignores the room keys that it gets.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json
from vodozemac import Account, AnyOlmMessage, GroupSession, InboundGroupSession, MegolmMessage, PreKeyMessage, SessionKey
from vodozemac import Session as OlmSession

from load.agents.devicekeys import DeviceKeys, KnownKeys, canonical, is_signed
from scenarios.conversations import MEGOLM
from scenarios.session import Session, ok

__all__ = ["CrowdMachine", "NoKey", "Unreadable"]

OLM = "m.olm.v1.curve25519-aes-sha2"
RUN = "fr.vigie.run"
"""Names the run in what is sent over Olm, beside what the Matrix specification asks for."""
ONE_TIME_KEYS = 50
ROTATION_MESSAGES, ROTATION_SECONDS = 100, 7 * 24 * 3600
# As matrix-rust-sdk does: a room key goes to as many devices in one request.
_AT_ONCE = 250


class Unreadable(Exception):
    """A message that cannot be decrypted, and will never be."""


class NoKey(Exception):
    """The key of a message has not come yet; `session_id` names it."""

    def __init__(self, session_id: str) -> None:
        """Say which."""
        super().__init__(f"no room key {session_id}")
        self.session_id = session_id


@dataclass(slots=True)
class _Outbound:
    """A room key of one's own, and who has it."""

    session: GroupSession
    made: float
    prefix: bytes
    used: int = 0
    version: int = -1
    shared: set[DeviceKeys] = field(default_factory=set)


class CrowdMachine:
    """The keys of one device of the crowd."""

    __slots__ = (
        "_account",
        "_changed",
        "_changes",
        "_counted",
        "_fallback",
        "_inbound",
        "_keep",
        "_known",
        "_olm",
        "_outbound",
        "_reads",
        "_run",
        "_session",
        "_trusted",
        "_uploaded",
        "curve25519",
        "ed25519",
        "no_one_time_key",
        "rotation",
        "unanswered",
        "unopened",
    )

    def __init__(
        self,
        session: Session,
        trusted: KnownKeys,
        *,
        account: Account | None = None,
        reads: bool = True,
        keep: Callable[[Account], None] = lambda _account: None,
        run: str = "",
    ) -> None:
        """Take the keys of the session's device, or make fresh ones.

        `keep` is given the account before one-time keys of it are published, so that a killed run loses none. Olm sessions
        live as long as the `run`: what comes late of another one is no way to write to anybody.
        """
        self._run = run
        self._session, self._trusted, self._reads, self._keep = session, trusted, reads, keep
        self._uploaded = account is not None
        self._counted = ONE_TIME_KEYS if account else 0
        # The server has a fallback key that nobody has used yet.
        self._fallback = account is not None
        self._account = account or Account()
        self.curve25519 = self._account.curve25519_key.to_base64()
        self.ed25519 = self._account.ed25519_key.to_base64()
        self._known: dict[str, tuple[DeviceKeys, ...]] = {}
        self._changed: dict[str, int] = {}
        self._changes = 0
        self._olm: dict[str, list[OlmSession]] = {}
        self._outbound: dict[str, _Outbound] = {}
        self._inbound: dict[str, InboundGroupSession] = {}
        self.no_one_time_key = self.unanswered = self.unopened = 0
        self.rotation = ROTATION_MESSAGES

    @property
    def reads(self) -> bool:
        """Tell whether this device decrypts what it gets."""
        return self._reads

    # One's own keys.

    async def upload(self) -> None:
        """Upload what the server lacks: the device's keys once, one-time keys and the fallback key as they are used up."""
        if self._is_provided():
            return
        self._account.generate_one_time_keys(ONE_TIME_KEYS - self._counted)
        body: dict[str, Any] = {"one_time_keys": self._signed_keys(self._account.one_time_keys)}
        if not self._fallback:
            self._account.generate_fallback_key()  # type: ignore[attr-defined]  # its stubs lack it
            body["fallback_keys"] = self._signed_keys(self._account.fallback_key, fallback=True)  # type: ignore[attr-defined]
        if not self._uploaded:
            body["device_keys"] = self._device_keys()
        self._account.mark_keys_as_published()
        # Nobody else asks for the same while this is under way.
        self._counted, self._fallback = ONE_TIME_KEYS, True
        self._keep(self._account)
        answer = ok(await self._session.send("POST", "/keys/upload", to_json(body)))
        self._counted = answer["one_time_key_counts"].get("signed_curve25519", 0)
        self._uploaded = True

    def counted(self, counts: Mapping[str, int], unused: Sequence[str] | None = None) -> bool:
        """Take what a sync says of the one-time keys left, and of unused fallback keys; tells whether an upload is due."""
        self._counted = counts.get("signed_curve25519", self._counted)
        if unused is not None:
            self._fallback = "signed_curve25519" in unused
        return not self._is_provided()

    def _is_provided(self) -> bool:
        return self._uploaded and self._fallback and self._counted > ONE_TIME_KEYS // 2

    def _device_keys(self) -> dict[str, Any]:
        device_id = self._session.device_id
        content: dict[str, Any] = {
            "algorithms": [OLM, MEGOLM],
            "device_id": device_id,
            "keys": {f"curve25519:{device_id}": self.curve25519, f"ed25519:{device_id}": self.ed25519},
            "user_id": self._session.user_id,
        }
        return self._signed(content)

    def _signed_keys(self, keys: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return {f"signed_curve25519:{name}": self._signed({"key": key.to_base64(), **more}) for name, key in keys.items()}

    def _signed(self, content: dict[str, Any]) -> dict[str, Any]:
        signature = self._account.sign(canonical(content)).to_base64()
        content["signatures"] = {self._session.user_id: {f"ed25519:{self._session.device_id}": signature}}
        return content

    # Other people's.

    def forget(self, users: Iterable[str]) -> None:
        """Take it that these people's devices changed: they are asked for again before the next message to them."""
        self._changes += 1
        known = False
        for user in users:
            self._changed[user] = self._changes
            known = self._known.pop(user, None) is not None or known
        if known:
            for outbound in self._outbound.values():
                outbound.version = -1

    async def _query(self, users: Iterable[str]) -> set[DeviceKeys]:
        """Give all devices of these people, one's own left out; asks for those of whom nothing is known."""
        found, wanted = dict[str, tuple[DeviceKeys, ...]](), dict[str, list[str]]()
        for user in users:
            if user in self._known:
                found[user] = self._known[user]
            else:
                wanted[user] = []
        if wanted:
            answer = ok(await self._session.send("POST", "/keys/query", to_json({"device_keys": wanted, "timeout": 10_000})))
            for user in wanted:
                found[user] = devices = tuple(self._trusted.of(user, answer))
                # Of a homeserver that did not answer, nobody knows whether its people have none.
                if devices or not _failed(answer, user):
                    self._known[user] = devices
        # Not what is known by now: somebody who is forgotten meanwhile did not leave.
        return {each for devices in found.values() for each in devices if each.curve25519 != self.curve25519}

    async def _claim(self, devices: Iterable[DeviceKeys]) -> bool:
        """Begin a conversation with devices; tells whether every homeserver that was to give keys answered."""
        missing = [device for device in devices if device.curve25519 not in self._olm]
        if not missing:
            return True
        wanted: dict[str, dict[str, str]] = {}
        for device in missing:
            wanted.setdefault(device.user_id, {})[device.device_id] = "signed_curve25519"
        body = to_json({"one_time_keys": wanted, "timeout": 10_000})
        answer = ok(await self._session.send("POST", "/keys/claim", body))
        given = answer.get("one_time_keys", {})
        for device in missing:
            for content in given.get(device.user_id, {}).get(device.device_id, {}).values():
                if is_signed(content, device.user_id, device.device_id, device.ed25519):
                    key = device.identity.from_base64(content["key"])
                    session = self._account.create_outbound_session(device.identity, key)
                    # Not in place of one that came in meanwhile: what its maker sends still needs it.
                    self._olm.setdefault(device.curve25519, []).append(session)
                    break
            else:
                # Of a homeserver that did not answer, nobody knows what it has.
                if _failed(answer, device.user_id):
                    self.unanswered += 1
                else:
                    self.no_one_time_key += 1
        return not any(_failed(answer, device.user_id) for device in missing if device.curve25519 not in self._olm)

    # Sending.

    async def prepare(self, room_id: str, version: int, audience: Callable[[], Iterable[str]]) -> None:
        """Give a room's key to every device of the audience, so that what is written there next waits for nothing."""
        outbound = self._outbound.get(room_id)
        if outbound is None or outbound.version != version:
            await self._share(room_id, version, sorted(set(audience())), outbound)

    async def encrypt(
        self, room_id: str, version: int, audience: Callable[[], Iterable[str]], kind: str, content: Mapping[str, Any]
    ) -> bytes:
        """Encrypt an event's content for every device of the audience, which is asked for when its `version` is another."""
        outbound = self._outbound.get(room_id)
        used_up = outbound is not None and (
            outbound.used >= self.rotation or time.monotonic() - outbound.made > ROTATION_SECONDS
        )
        if outbound is None or outbound.version != version or used_up:
            outbound = await self._share(room_id, version, sorted(set(audience())), None if used_up else outbound)
        outbound.used += 1
        inner = to_json({"type": kind, "content": content, "room_id": room_id})
        return b'%s%s"}' % (outbound.prefix, outbound.session.encrypt(inner).to_base64().encode())

    def _fresh(self) -> _Outbound:
        session = GroupSession()
        prefix = (
            f'{{"algorithm":"{MEGOLM}","sender_key":"{self.curve25519}","device_id":"{self._session.device_id}",'
            f'"session_id":"{session.session_id}","ciphertext":"'
        )
        return _Outbound(session, time.monotonic(), prefix.encode())

    async def _share(self, room_id: str, version: int, people: Sequence[str], current: _Outbound | None) -> _Outbound:
        """Give a room key that all of these people's devices have, and nobody else: who left gets no newer ones."""
        changes = self._changes
        devices = await self._query(people)
        outbound = self._fresh() if current is None or current.shared - devices else current
        self._outbound[room_id] = outbound
        # Now, and not when it is done: what changes meanwhile asks for sharing it again.
        outbound.version = version
        if self._reads:
            self._inbound.setdefault(outbound.session.session_id, InboundGroupSession(outbound.session.session_key))
        try:
            complete = await self._give(room_id, outbound, devices - outbound.shared)
            if not complete or any(user not in self._known for user in people):
                # As clients do: whom a homeserver left out is tried again with the next message.
                outbound.version = -1
        except BaseException:
            outbound.version = -1
            raise
        # What was answered may be of before a change that was told meanwhile: these people are asked for once more.
        stale = [user for user in people if self._changed.get(user, 0) > changes]
        if stale:
            self.forget(stale)
            outbound.version = -1
        return outbound

    async def _give(self, room_id: str, outbound: _Outbound, devices: Iterable[DeviceKeys]) -> bool:
        complete = await self._claim(devices)
        reachable = [device for device in devices if device.curve25519 in self._olm]
        for start in range(0, len(reachable), _AT_ONCE):
            some = reachable[start : start + _AT_ONCE]
            where = f"/sendToDevice/m.room.encrypted/vigie-{secrets.token_hex(8)}"
            ok(await self._session.send("PUT", where, self._wrapped(room_id, outbound, some)))
            outbound.shared.update(some)
        return complete

    def _wrapped(self, room_id: str, outbound: _Outbound, devices: Iterable[DeviceKeys]) -> bytes:
        session = outbound.session
        key = {
            "algorithm": MEGOLM,
            "room_id": room_id,
            "session_id": session.session_id,
            "session_key": session.session_key.to_base64(),
        }
        keys = {"ed25519": self.ed25519}
        inner = {"type": "m.room_key", "content": key, "sender": self._session.user_id, "keys": keys, RUN: self._run}
        messages: dict[str, dict[str, Any]] = {}
        for device in devices:
            told = {**inner, "recipient": device.user_id, "recipient_keys": {"ed25519": device.ed25519}}
            kind, body = self._olm[device.curve25519][-1].encrypt(to_json(told)).to_parts()
            messages.setdefault(device.user_id, {})[device.device_id] = {
                "algorithm": OLM,
                "sender_key": self.curve25519,
                "ciphertext": {device.curve25519: {"type": kind, "body": _base64(body)}},
            }
        return to_json({"messages": messages})

    # Receiving.

    def receive(self, events: Iterable[Mapping[str, Any]]) -> list[str]:
        """Take to-device messages; gives the ids of the room keys that came. One that cannot be opened is passed over."""
        if not self._reads:
            return []
        came = []
        for event in events:
            content = event.get("content", {})
            mine = content.get("ciphertext", {}).get(self.curve25519) if content.get("algorithm") == OLM else None
            if mine is None:
                continue
            try:
                opened = from_json(self._open(str(content["sender_key"]), mine))
            except ValueError:  # every error of vodozemac is one; so is bad JSON
                self.unopened += 1
                continue
            session_id = self._take_key(event, opened)
            if session_id:
                came.append(session_id)
        return came

    def _open(self, sender: str, message: Mapping[str, Any]) -> bytes:
        known = self._olm.get(sender, [])
        if message["type"] == 0:
            first = PreKeyMessage.from_base64(message["body"])
            for session in known:
                if session.session_matches(first):
                    return session.decrypt(first.to_any())
            session, opened = self._account.create_inbound_session(DeviceKeys("", "", sender, "").identity, first)
            # Servers that were asked for too much hand on what an earlier run sent: whoever made the other end is gone.
            if from_json(opened).get(RUN, self._run) == self._run:
                self._olm.setdefault(sender, []).append(session)
            return opened
        sealed = AnyOlmMessage.normal(_bytes(message["body"]))
        for session in reversed(known):
            try:
                return session.decrypt(sealed)
            except ValueError:
                continue
        raise ValueError("no Olm session opens it")

    def _take_key(self, event: Mapping[str, Any], opened: Mapping[str, Any]) -> str:
        """Take a room key out of an opened message, if it is meant for this device by who sent it."""
        content = opened.get("content", {})
        meant = opened.get("recipient") == self._session.user_id and opened.get("sender") == event.get("sender")
        meant = meant and opened.get("recipient_keys", {}).get("ed25519") == self.ed25519
        if not meant or opened.get("type") != "m.room_key" or content.get("algorithm") != MEGOLM:
            return ""
        session = InboundGroupSession(SessionKey(content["session_key"]))
        held = self._inbound.get(session.session_id)
        if held is None or session.first_known_index < held.first_known_index:
            self._inbound[session.session_id] = session
        return session.session_id

    def holds(self, session_id: str) -> bool:
        """Tell whether a room key has come."""
        return session_id in self._inbound

    def decrypt(self, room_id: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Give the event inside an encrypted one; raises `NoKey` or `Unreadable`."""
        session_id = str(content.get("session_id", ""))
        session = self._inbound.get(session_id)
        if session is None:
            raise NoKey(session_id)
        try:
            plain: dict[str, Any] = from_json(session.decrypt(MegolmMessage.from_base64(content["ciphertext"])).plaintext)
        except (ValueError, KeyError) as error:
            raise Unreadable(str(error)) from None
        if plain.get("room_id") != room_id:
            raise Unreadable("it was encrypted for another room")
        return plain


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _failed(answer: Mapping[str, Any], user_id: str) -> bool:
    """Tell whether a homeserver gave no answer for its person, so that another one answered without it."""
    return user_id.partition(":")[2] in answer.get("failures", ())
