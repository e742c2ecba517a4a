"""Whose device is whose: cross-signing, as a client keeps it (Matrix specification, "Cross-signing").

A person's master key signs a self-signing key, which signs each device that the person verified. matrix-nio has none of it;
this is the part that tells a device its owner verified from one that somebody, the server included, added behind them.

What a client does here: it remembers the first master key it sees of a person (or one compared by other means), and from
then on takes no other; a person who has one is written to on signed devices alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from scenarios.session import Session, ok

__all__ = ["CrossSigning", "Identities", "IdentityChanged", "Trust", "canonical"]


class Trust(Enum):
    """What a client shows beside a device or a message."""

    VERIFIED = "signed by its owner"
    UNVERIFIED = "its owner's, as far as the server says"
    COPIED = "by a key out of a backup or a file, into which anybody may have put it"
    UNKNOWN = "of no device that its alleged owner has"


class IdentityChanged(Exception):
    """The server shows another master key for somebody than the one that is known."""


def canonical(content: Mapping[str, Any]) -> bytes:
    """Write an object as it is signed (Matrix specification, "Canonical JSON")."""
    plain = {key: value for key, value in content.items() if key not in ("signatures", "unsigned")}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _public(key: Ed25519PrivateKey) -> str:
    return _encoded(key.public_key().public_bytes_raw())


def _is_signed(content: Mapping[str, Any], user_id: str, key: str, name: str = "") -> bool:
    """Check a signature; its `name` is that of a device, or for cross-signing the key itself."""
    signature = content.get("signatures", {}).get(user_id, {}).get(f"ed25519:{name or key}", "")
    try:
        verifier = Ed25519PublicKey.from_public_bytes(base64.b64decode(key + "=" * (-len(key) % 4)))
        verifier.verify(base64.b64decode(signature + "=" * (-len(signature) % 4)), canonical(content))
    except (InvalidSignature, ValueError):
        return False
    return True


def _identity_key(device_id: str, keys: Mapping[str, Any]) -> str:
    return str(keys.get("keys", {}).get(f"curve25519:{device_id}", ""))


@dataclass
class CrossSigning:
    """The private side, with which a person says which devices are theirs."""

    user_id: str
    master: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @classmethod
    async def create(cls, session: Session, password: str) -> CrossSigning:
        """Make the keys and upload their public halves, confirming by the password where the server asks."""
        made = cls(session.user_id)
        body = made.public()
        answer = await session.post("/keys/device_signing/upload", body)
        if answer.status == 401:
            identifier = {"type": "m.id.user", "user": session.user_id}
            auth = {"type": "m.login.password", "identifier": identifier, "password": password}
            body["auth"] = {**auth, "session": answer.json().get("session")}
            answer = await session.post("/keys/device_signing/upload", body)
        ok(answer)
        return made

    def public(self) -> dict[str, Any]:
        """Give the public keys as they are uploaded, and as the server gives them to others."""
        master = self._key("master", self.master)
        signing = self._key("self_signing", self.signing)
        signing["signatures"] = {
            self.user_id: {f"ed25519:{_public(self.master)}": _encoded(self.master.sign(canonical(signing)))}
        }
        return {"master_key": master, "self_signing_key": signing}

    def _key(self, usage: str, key: Ed25519PrivateKey) -> dict[str, Any]:
        return {"user_id": self.user_id, "usage": [usage], "keys": {f"ed25519:{_public(key)}": _public(key)}}

    def signed(self, device_keys: Mapping[str, Any]) -> dict[str, Any]:
        """Give a device's keys with this person's signature."""
        signature = {f"ed25519:{_public(self.signing)}": _encoded(self.signing.sign(canonical(device_keys)))}
        plain = {key: value for key, value in device_keys.items() if key != "unsigned"}
        return {**plain, "signatures": {self.user_id: signature}}

    async def verify(self, session: Session, device_id: str) -> None:
        """Say that a device is one's own, for all to see."""
        answer = ok(await session.post("/keys/query", {"device_keys": {self.user_id: [device_id]}}))
        keys = self.signed(answer["device_keys"][self.user_id][device_id])
        answer = ok(await session.post("/keys/signatures/upload", {self.user_id: {device_id: keys}}))
        if answer.get("failures"):
            raise ValueError(f"the server did not take the signature: {answer['failures']}")


class Identities:
    """What a client remembers of others' keys, from the server's answers to ``/keys/query``."""

    def __init__(self) -> None:
        """Begin knowing nobody."""
        self._masters: dict[str, str] = {}
        self._signing: dict[str, str] = {}
        self._devices: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._gone: dict[str, set[str]] = {}
        self.changed: set[str] = set()

    def take(self, answer: Mapping[str, Any]) -> None:
        """Take in an answer: the first master key of a person is remembered, another one noticed and not taken.

        A device that was removed is taken no more either: its owner's signature stays good for ever, and a server could show it
        again with that.
        """
        for user, master in answer.get("master_keys", {}).items():
            key = next(iter(master.get("keys", {}).values()), "")
            if self._masters.setdefault(user, key) != key:
                self.changed.add(user)
                continue
            self.changed.discard(user)
            signing = answer.get("self_signing_keys", {}).get(user, {})
            if _is_signed(signing, user, key):
                self._signing[user] = next(iter(signing["keys"].values()))
        for user, devices in answer.get("device_keys", {}).items():
            known, gone = self._devices.get(user, {}), self._gone.setdefault(user, set())
            gone |= {_identity_key(device_id, known[device_id]) for device_id in known.keys() - devices.keys()}
            self._devices[user] = {
                device_id: keys for device_id, keys in devices.items() if _identity_key(device_id, keys) not in gone
            }

    def has_identity(self, user: str) -> bool:
        """Tell whether the person signs their devices, as far as was ever seen."""
        return user in self._masters

    def trust(self, user: str, device_id: str) -> Trust:
        """Tell what is known of a device."""
        keys = self._devices.get(user, {}).get(device_id)
        if keys is None:
            return Trust.UNKNOWN
        signing = self._signing.get(user, "")
        return Trust.VERIFIED if signing and _is_signed(keys, user, signing) else Trust.UNVERIFIED

    def trust_in_key(self, user: str, curve25519: str) -> Trust:
        """Tell what is known of the device that has this identity key, by which messages name their sender."""
        for device_id, keys in self._devices.get(user, {}).items():
            if _identity_key(device_id, keys) == curve25519:
                return self.trust(user, device_id)
        return Trust.UNKNOWN

    def vouches(self, user: str, content: Mapping[str, Any]) -> bool:
        """Tell whether a device that its owner signed has signed an object."""
        for device_id, keys in self._devices.get(user, {}).items():
            key = str(keys.get("keys", {}).get(f"ed25519:{device_id}", ""))
            if self.trust(user, device_id) is Trust.VERIFIED and _is_signed(content, user, key, device_id):
                return True
        return False

    def has_key(self, user: str, device_id: str, curve25519: str) -> bool:
        """Tell whether a device shows with this identity key."""
        return _identity_key(device_id, self._devices.get(user, {}).get(device_id, {})) == curve25519
