"""Looking into what vodozemac keeps of an account or a session: for the search, which must know what no server may hold."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["byte_strings", "decoded", "unpickled"]


def decoded(text: str) -> bytes:
    """Read unpadded base64."""
    return base64.b64decode(text + "=" * (-len(text) % 4))


def unpickled(pickle: str, key: bytes) -> Any:
    """Open a vodozemac pickle: JSON under AES-256-CBC and HMAC, keys by HKDF (vodozemac, `utilities/libolm` and `cipher`)."""
    data = decoded(pickle)
    derived = HKDF(SHA256(), length=80, salt=b"\0", info=b"Pickle").derive(key)
    ciphertext, mac = data[:-8], data[-8:]
    if not hmac.compare_digest(hmac.new(derived[32:64], ciphertext, hashlib.sha256).digest()[:8], mac):
        raise ValueError("this is not a pickle under this key")
    decryptor = Cipher(algorithms.AES(derived[:32]), modes.CBC(derived[64:80])).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return json.loads(padded[: -padded[-1]])


def byte_strings(value: Any, where: str = "") -> Iterable[tuple[str, bytes]]:
    """Give every string of 32 or 64 bytes in a pickle's JSON, where serde writes bytes as lists of numbers."""
    if isinstance(value, dict):
        for key, each in value.items():
            # Public keys are public.
            if "public" not in str(key):
                yield from byte_strings(each, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        if len(value) in (32, 64) and all(isinstance(each, int) and 0 <= each < 256 for each in value):
            yield where, bytes(value)
        else:
            for number, each in enumerate(value):
                yield from byte_strings(each, f"{where}[{number}]")
