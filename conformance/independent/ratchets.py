"""Olm and Megolm, as their specifications have them (matrix.org, "Olm: A Cryptographic Ratchet" and "Megolm group ratchet")."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["InboundGroup", "OlmReceiver", "OlmSender", "OutboundGroup", "decoded", "encoded"]

_VERSION = 3


def encoded(data: bytes) -> str:
    """Write bytes in unpadded base64."""
    return base64.b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Read unpadded base64."""
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _derived(secret: bytes, info: bytes, length: int, salt: bytes | None = None) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)


def _mac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _fields(content: bytes) -> dict[int, bytes | int]:
    """Read the tagged fields of a message: numbers and strings, by tag."""

    def number(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = content[at]
            value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
            if byte < 0x80:
                return value, at

    found: dict[int, bytes | int] = {}
    at = 0
    while at < len(content):
        tag, at = number(at)
        value, at = number(at)
        if tag & 7 == 2:
            found[tag], at = content[at : at + value], at + value
        else:
            found[tag] = value
    return found


def _string(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _varint(len(content)) + content


@dataclass(frozen=True)
class _MessageKey:
    """The three keys of one message."""

    aes: bytes
    mac: bytes
    iv: bytes

    @classmethod
    def of(cls, secret: bytes, info: bytes) -> _MessageKey:
        whole = _derived(secret, info, 80)
        return cls(whole[:32], whole[32:64], whole[64:])

    def encrypt(self, plain: bytes) -> bytes:
        padding = 16 - len(plain) % 16
        encryptor = Cipher(algorithms.AES(self.aes), modes.CBC(self.iv)).encryptor()
        return encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()

    def decrypt(self, ciphertext: bytes) -> bytes:
        decryptor = Cipher(algorithms.AES(self.aes), modes.CBC(self.iv)).decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        return padded[: -padded[-1]]


def _public(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _shared(own: X25519PrivateKey, other: bytes) -> bytes:
    return own.exchange(X25519PublicKey.from_public_bytes(other))


class OlmSender:
    """A session that this side begins, and in which it has had no answer: every message brings the keys to begin with."""

    def __init__(self, identity: X25519PrivateKey, their_identity: bytes, one_time: bytes) -> None:
        """Agree on a secret with the holder of an identity and a one-time key."""
        base, self._ratchet, self._index = X25519PrivateKey.generate(), X25519PrivateKey.generate(), 0
        secret = _shared(identity, one_time) + _shared(base, their_identity) + _shared(base, one_time)
        self._chain = _derived(secret, b"OLM_ROOT", 64)[32:]
        keys = _string(0x0A, one_time) + _string(0x12, _public(base)) + _string(0x1A, _public(identity))
        self._head = bytes([_VERSION]) + keys

    def encrypt(self, plain: bytes) -> bytes:
        """Give a pre-key message."""
        key = _MessageKey.of(_mac(self._chain, b"\x01"), b"OLM_KEYS")
        body = bytes([_VERSION]) + _string(0x0A, _public(self._ratchet)) + b"\x10" + _varint(self._index)
        body += _string(0x22, key.encrypt(plain))
        self._chain, self._index = _mac(self._chain, b"\x02"), self._index + 1
        return self._head + _string(0x22, body + _mac(key.mac, body)[:8])


class OlmReceiver:
    """A session that the other side begins, read by what their pre-key messages bring."""

    def __init__(self, identity: X25519PrivateKey, one_time: dict[bytes, X25519PrivateKey]) -> None:
        """Take one's own identity key, and one-time keys by their public halves."""
        self._identity, self._one_time = identity, one_time

    def decrypt(self, message: bytes, their_identity: bytes) -> bytes:
        """Open a pre-key message; raises `ValueError` for what is none, or not for us, or not from them."""
        parts = _fields(message[1:])
        one_time, base, identity, body = (_bytes(parts, tag) for tag in (0x0A, 0x12, 0x1A, 0x22))
        if message[0] != _VERSION or identity != their_identity or one_time not in self._one_time:
            raise ValueError("this message is not for this device, or not from that one")
        own = self._one_time[one_time]
        secret = _shared(own, identity) + _shared(self._identity, base) + _shared(own, base)
        chain = _derived(secret, b"OLM_ROOT", 64)[32:]
        inner = _fields(body[1:-8])
        index = inner[0x10]
        for _ in range(index if isinstance(index, int) else 0):
            chain = _mac(chain, b"\x02")
        key = _MessageKey.of(_mac(chain, b"\x01"), b"OLM_KEYS")
        if not hmac.compare_digest(_mac(key.mac, body[:-8])[:8], body[-8:]):
            raise ValueError("the message was altered")
        return key.decrypt(_bytes(inner, 0x22))


def _bytes(parts: dict[int, bytes | int], tag: int) -> bytes:
    value = parts.get(tag, b"")
    if not isinstance(value, bytes):
        raise ValueError(f"field {tag:#x} is no string")  # noqa: TRY004 -- what came is wrong, not the caller
    return value


class _Ratchet:
    """Megolm's: four parts, of which the later ones turn more often."""

    def __init__(self, parts: list[bytes], index: int) -> None:
        self.parts, self.index = parts, index

    def advance(self) -> None:
        self.index += 1
        first = next(part for part in range(4) if self.index % (1 << 8 * (3 - part)) == 0)
        source = self.parts[first]
        for part in range(3, first - 1, -1):
            self.parts[part] = _mac(source, bytes([part]))

    def key(self) -> _MessageKey:
        return _MessageKey.of(b"".join(self.parts), b"MEGOLM_KEYS")


class OutboundGroup:
    """A room key of one's own."""

    def __init__(self) -> None:
        """Make a fresh one."""
        self._ratchet = _Ratchet([secrets.token_bytes(32) for _ in range(4)], 0)
        self._signing = Ed25519PrivateKey.generate()

    @property
    def session_id(self) -> str:
        """Its name: the public half of its signing key."""
        return encoded(self._signing.public_key().public_bytes_raw())

    def session_key(self) -> str:
        """Give what others need to read from here on."""
        content = b"\x02" + self._ratchet.index.to_bytes(4, "big") + b"".join(self._ratchet.parts)
        content += self._signing.public_key().public_bytes_raw()
        return encoded(content + self._signing.sign(content))

    def encrypt(self, plain: bytes) -> str:
        """Give a message."""
        key = self._ratchet.key()
        body = bytes([_VERSION]) + b"\x08" + _varint(self._ratchet.index) + _string(0x12, key.encrypt(plain))
        body += _mac(key.mac, body)[:8]
        self._ratchet.advance()
        return encoded(body + self._signing.sign(body))


class InboundGroup:
    """Somebody's room key."""

    def __init__(self, session_key: str) -> None:
        """Take the key that was given; raises `InvalidSignature` when it is not whole."""
        content = decoded(session_key)
        signed, signature = content[:165], content[165:]
        self._public = Ed25519PublicKey.from_public_bytes(content[133:165])
        self._public.verify(signature, signed)
        self._first = int.from_bytes(content[1:5], "big")
        self._parts = [content[5 + 32 * part : 37 + 32 * part] for part in range(4)]

    def decrypt(self, message: str) -> bytes:
        """Open a message; raises `InvalidSignature` or `ValueError` when it was altered, or is from before the key."""
        content = decoded(message)
        self._public.verify(content[-64:], content[:-64])
        parts = _fields(content[1:-72])
        index = parts[0x08]
        ratchet = _Ratchet(list(self._parts), self._first)
        if not isinstance(index, int) or index < self._first:
            raise ValueError("the message is from before this key")
        while ratchet.index < index:
            ratchet.advance()
        key = ratchet.key()
        if not hmac.compare_digest(_mac(key.mac, content[:-72])[:8], content[-72:-64]):
            raise ValueError("the message was altered")
        return key.decrypt(_bytes(parts, 0x12))
