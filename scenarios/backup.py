"""Key backup on the server, opened by a recovery code (Matrix specification, "Server-side key backups").

Algorithm ``m.megolm_backup.v1.curve25519-aes-sha2``. matrix-nio has none; vodozemac has the encryption.
"""

from __future__ import annotations

import base64
import functools
import json
import operator
from collections.abc import Sequence
from typing import Any

import base58
import vodozemac

from scenarios.keys import Machine, RoomKey
from scenarios.session import Session, ok

__all__ = ["Backup", "UntrustedBackup", "WrongRecoveryCode", "recovery_code", "recovery_key"]

ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
_PREFIX = b"\x8b\x01"


class WrongRecoveryCode(Exception):
    """The code is not one, or not this backup's."""


class UntrustedBackup(Exception):
    """No device of one's own vouches for the backup: whoever put it there reads what goes into it."""


def recovery_code(key: bytes) -> str:
    """Write a private key of 32 bytes as people keep it (Matrix specification, "Recovery key")."""
    content = _PREFIX + key
    whole = content + bytes([functools.reduce(operator.xor, content)])
    text = base58.b58encode(whole).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def recovery_key(code: str) -> bytes:
    """Read a recovery code; raises `WrongRecoveryCode` when it is misspelt."""
    try:
        whole = base58.b58decode("".join(code.split()))
    except ValueError as error:
        raise WrongRecoveryCode("the code holds other characters than base58's") from error
    if len(whole) != 35 or whole[:2] != _PREFIX or functools.reduce(operator.xor, whole):
        raise WrongRecoveryCode("the code's length, prefix or parity is wrong")
    return whole[2:34]


def _encoded(data: bytes) -> str:
    return base64.b64encode(bytes(data)).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


class Backup:
    """A version of a person's backup, at a session of theirs."""

    def __init__(self, session: Session, version: str, public_key: str) -> None:
        """Take a version as the server names it."""
        self.session, self.version, self.public_key = session, version, public_key

    @classmethod
    async def create(cls, session: Session, machine: Machine) -> tuple[Backup, str]:
        """Make a new version under a fresh key; gives it and the recovery code, which is written down nowhere else.

        The device signs the key, so that one's others know it for one's own.
        """
        secret = vodozemac.Curve25519SecretKey()
        public_key = secret.public_key().to_base64()
        signatures = {session.user_id: {f"ed25519:{session.device_id}": machine.sign({"public_key": public_key})}}
        body = {"algorithm": ALGORITHM, "auth_data": {"public_key": public_key, "signatures": signatures}}
        version = ok(await session.post("/room_keys/version", body))["version"]
        return cls(session, version, public_key), recovery_code(bytes(secret.to_bytes()))

    @classmethod
    async def current(cls, session: Session) -> Backup:
        """Find the version that the server holds, to read it: a code opens its own alone."""
        answer = ok(await session.get("/room_keys/version"))
        return cls(session, answer["version"], answer["auth_data"]["public_key"])

    @classmethod
    async def continued(cls, session: Session, machine: Machine) -> Backup:
        """Find the version that the server holds, to put more into it (Matrix specification, "Server-side key backups").

        Raises `UntrustedBackup` where no device of one's own signed its key.
        """
        answer = ok(await session.get("/room_keys/version"))
        if not machine.vouches_for(answer["auth_data"]):
            raise UntrustedBackup(f"no device that {session.who} knows for their own signed the key of the backup")
        return cls(session, answer["version"], answer["auth_data"]["public_key"])

    async def store(self, keys: Sequence[RoomKey]) -> None:
        """Put room keys into the backup, each encrypted for its public key."""
        rooms: dict[str, dict[str, Any]] = {}
        for key in keys:
            rooms.setdefault(key.room_id, {"sessions": {}})["sessions"][key.session_id] = self.sealed(key)
        ok(await self.session.send("PUT", "/room_keys/keys", {"rooms": rooms}, params={"version": self.version}))

    def sealed(self, key: RoomKey) -> dict[str, Any]:
        """Give a room key as the backup holds it; whoever knows its public key can."""
        encryption = vodozemac.PkEncryption.from_key(vodozemac.Curve25519PublicKey.from_base64(self.public_key))
        plain = {
            "algorithm": "m.megolm.v1.aes-sha2",
            "forwarding_curve25519_key_chain": [],
            "sender_key": key.sender_key,
            "sender_claimed_keys": {"ed25519": key.sender_signing_key},
            "session_key": key.session_key,
        }
        message = encryption.encrypt(json.dumps(plain).encode())
        parts = {"ephemeral": message.ephemeral_key, "ciphertext": message.ciphertext, "mac": message.mac}
        return {
            "first_message_index": key.first_index,
            "forwarded_count": 0,
            "is_verified": True,
            "session_data": {name: _encoded(part) for name, part in parts.items()},
        }

    async def restore(self, code: str) -> list[RoomKey]:
        """Read the backup with a recovery code; raises `WrongRecoveryCode` when it does not open it."""
        secret = vodozemac.Curve25519SecretKey.from_bytes(recovery_key(code))
        if secret.public_key().to_base64() != self.public_key:
            raise WrongRecoveryCode("the code opens another backup")
        return await self.open_with(bytes(secret.to_bytes()))

    async def open_with(self, private_key: bytes) -> list[RoomKey]:
        """Try a private key on every entry of the backup; raises `WrongRecoveryCode` when one does not open."""
        decryption = vodozemac.PkDecryption.from_key(vodozemac.Curve25519SecretKey.from_bytes(private_key))
        answer = ok(await self.session.get("/room_keys/keys", {"version": self.version}))
        found = []
        for room_id, room in answer["rooms"].items():
            for session_id, entry in room["sessions"].items():
                data = entry["session_data"]
                message = vodozemac.Message(_decoded(data["ciphertext"]), _decoded(data["mac"]), _decoded(data["ephemeral"]))
                try:
                    plain = json.loads(bytes(decryption.decrypt(message)))
                except (vodozemac.PkDecodeException, ValueError) as error:
                    raise WrongRecoveryCode("the code does not open this backup") from error
                found.append(
                    RoomKey(
                        room_id=room_id,
                        session_id=session_id,
                        sender_key=plain["sender_key"],
                        sender_signing_key=plain["sender_claimed_keys"]["ed25519"],
                        first_index=entry["first_message_index"],
                        session_key=plain["session_key"],
                    )
                )
        return found
