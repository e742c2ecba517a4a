"""The second client: device keys, room keys given and taken, messages, attachments; nothing of it is the first client's.

It speaks over the same transport and session. It answers nothing by Olm but begins sessions of its own, each for one room
key, as a client may; and it asks for as much of the specification as a conversation and a file need.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from conformance.independent.ratchets import InboundGroup, OlmReceiver, OlmSender, OutboundGroup, decoded, encoded
from scenarios.session import Session, ok, path
from scenarios.wire import until

__all__ = ["SecondClient", "close_file", "open_file"]

_OLM, _MEGOLM = "m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"


def _canonical(content: Mapping[str, Any]) -> bytes:
    plain = {key: value for key, value in content.items() if key not in ("signatures", "unsigned")}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def close_file(content: bytes) -> tuple[bytes, dict[str, Any]]:
    """Encrypt a file (Matrix specification, "Sending encrypted attachments"): AES in counter mode, hash of the ciphertext."""
    key, counter = secrets.token_bytes(32), secrets.token_bytes(8) + bytes(8)
    ciphertext = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor().update(content)
    text = encoded(key).replace("+", "-").replace("/", "_")
    web_key = {"kty": "oct", "key_ops": ["encrypt", "decrypt"], "alg": "A256CTR", "k": text, "ext": True}
    return ciphertext, {"v": "v2", "key": web_key, "iv": encoded(counter), "hashes": {"sha256": encoded(_hash(ciphertext))}}


def open_file(ciphertext: bytes, file: Mapping[str, Any]) -> bytes:
    """Decrypt a file; raises `ValueError` when it is not the one that was sent."""
    if encoded(_hash(ciphertext)) != file["hashes"]["sha256"].rstrip("="):
        raise ValueError("this is not the file that was sent")
    key = decoded(file["key"]["k"].replace("-", "+").replace("_", "/"))
    return Cipher(algorithms.AES(key), modes.CTR(decoded(file["iv"]))).decryptor().update(ciphertext)


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


class SecondClient:
    """One device of somebody's."""

    def __init__(self, session: Session) -> None:
        """Take a session; :meth:`start` comes next."""
        self.session = session
        self._signing, self._identity = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
        self._one_time = {key.public_key().public_bytes_raw(): key for key in (X25519PrivateKey.generate() for _ in range(10))}
        self._received: dict[tuple[str, str], InboundGroup] = {}
        self._events: dict[str, Mapping[str, Any]] = {}
        self._invited: set[str] = set()
        self._since = ""

    @property
    def user_id(self) -> str:
        """Whose device it is."""
        return self.session.user_id

    def _signed(self, content: dict[str, Any]) -> dict[str, Any]:
        name = f"ed25519:{self.session.device_id}"
        return {**content, "signatures": {self.user_id: {name: encoded(self._signing.sign(_canonical(content)))}}}

    def _public(self) -> tuple[str, str]:
        signing, identity = self._signing.public_key(), self._identity.public_key()
        return encoded(signing.public_bytes_raw()), encoded(identity.public_bytes_raw())

    async def start(self) -> SecondClient:
        """Upload the keys."""
        signing, identity = self._public()
        device = self.session.device_id
        keys = {f"ed25519:{device}": signing, f"curve25519:{device}": identity}
        about = {"user_id": self.user_id, "device_id": device, "algorithms": [_OLM, _MEGOLM], "keys": keys}
        one_time = {
            f"signed_curve25519:AAA{number}": self._signed({"key": encoded(public)})
            for number, public in enumerate(self._one_time)
        }
        ok(await self.session.post("/keys/upload", {"device_keys": self._signed(about), "one_time_keys": one_time}))
        await self.sync()
        return self

    async def sync(self) -> None:
        """Sync once, and take in room keys, invitations and events."""
        params: dict[str, Any] = {"timeout": 500} | ({"since": self._since} if self._since else {})
        answer = ok(await self.session.get("/sync", params))
        self._since = answer["next_batch"]
        for message in answer.get("to_device", {}).get("events", []):
            if message["type"] == "m.room.encrypted" and message["content"].get("algorithm") == _OLM:
                self._take_key(message)
        rooms = answer.get("rooms", {})
        self._invited |= set(rooms.get("invite", {}))
        for room in rooms.get("join", {}).values():
            for event in room.get("timeline", {}).get("events", []):
                self._events[event["event_id"]] = event

    def _take_key(self, message: Mapping[str, Any]) -> None:
        signing, identity = self._public()
        content = message["content"]
        own = content["ciphertext"].get(identity)
        if own is None or own["type"] != 0:
            return
        receiver = OlmReceiver(self._identity, self._one_time)
        plain = json.loads(receiver.decrypt(decoded(own["body"]), decoded(content["sender_key"])))
        for what, wanted in (("sender", message["sender"]), ("recipient", self.user_id)):
            if plain[what] != wanted:
                raise ValueError(f"the {what} inside the message is another")
        if plain["recipient_keys"]["ed25519"] != signing:
            raise ValueError("the message is for another device")
        if plain["type"] == "m.room_key" and plain["content"]["algorithm"] == _MEGOLM:
            key = plain["content"]
            self._received[key["room_id"], key["session_id"]] = InboundGroup(key["session_key"])

    async def join(self, room_id: str) -> None:
        """Wait for an invitation, and take it."""

        async def invited() -> bool | None:
            await self.sync()
            return True if room_id in self._invited else None

        await until(self.session.transport, invited, deadline=20, missing=f"an invitation of {self.session.who}")
        ok(await self.session.post(path("join", room_id), {}))

    async def read(self, room_id: str, event_id: str) -> dict[str, Any]:
        """Wait for a message, and give the event inside it."""

        async def opened() -> dict[str, Any] | None:
            await self.sync()
            event = self._events.get(event_id)
            key = self._received.get((room_id, event["content"]["session_id"])) if event else None
            if event is None or key is None:
                return None
            plain: dict[str, Any] = json.loads(key.decrypt(event["content"]["ciphertext"]))
            if plain["room_id"] != room_id:
                raise ValueError("the message is of another room")
            return plain

        missing = f"{event_id} with its key, for {self.session.who}'s second client"
        return await until(self.session.transport, opened, deadline=20, missing=missing)

    async def send(self, room_id: str, users: list[str], content: Mapping[str, Any]) -> str:
        """Encrypt a message under a fresh room key, give that to all devices of these people, and send it."""
        group = OutboundGroup()
        shared = {"algorithm": _MEGOLM, "room_id": room_id, "session_id": group.session_id, "session_key": group.session_key()}
        for user in users:
            await self._give(user, shared)
        plain = {"type": "m.room.message", "room_id": room_id, "content": dict(content)}
        body = {
            "algorithm": _MEGOLM,
            "sender_key": self._public()[1],
            "device_id": self.session.device_id,
            "session_id": group.session_id,
            "ciphertext": group.encrypt(json.dumps(plain).encode()),
        }
        where = path("rooms", room_id, "send", "m.room.encrypted", secrets.token_hex(8))
        return str(ok(await self.session.put(where, body))["event_id"])

    async def _give(self, user: str, shared: Mapping[str, Any]) -> None:
        answer = ok(await self.session.post("/keys/query", {"device_keys": {user: []}}))
        messages: dict[str, Any] = {}
        for device, about in answer["device_keys"][user].items():
            _check(about, user, device, about["keys"][f"ed25519:{device}"])
            wanted = {user: {device: "signed_curve25519"}}
            claimed = ok(await self.session.post("/keys/claim", {"one_time_keys": wanted}))["one_time_keys"][user][device]
            one_time = next(iter(claimed.values()))
            _check(one_time, user, device, about["keys"][f"ed25519:{device}"])
            identity = about["keys"][f"curve25519:{device}"]
            plain = {
                "type": "m.room_key",
                "content": dict(shared),
                "sender": self.user_id,
                "recipient": user,
                "recipient_keys": {"ed25519": about["keys"][f"ed25519:{device}"]},
                "keys": {"ed25519": self._public()[0]},
            }
            sender = OlmSender(self._identity, decoded(identity), decoded(one_time["key"]))
            message = {"type": 0, "body": encoded(sender.encrypt(json.dumps(plain).encode()))}
            messages[device] = {"algorithm": _OLM, "sender_key": self._public()[1], "ciphertext": {identity: message}}
        where = f"/sendToDevice/m.room.encrypted/{secrets.token_hex(8)}"
        ok(await self.session.put(where, {"messages": {user: messages}}))


def _check(content: Mapping[str, Any], user: str, device: str, key: str) -> None:
    """Hold that an object is signed by a device; raises `ValueError`."""
    signature = content["signatures"][user][f"ed25519:{device}"]
    try:
        Ed25519PublicKey.from_public_bytes(decoded(key)).verify(decoded(signature), _canonical(content))
    except InvalidSignature as error:
        raise ValueError(f"{user}'s device {device} did not sign this") from error
