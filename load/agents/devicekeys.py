"""Other people's device keys: checked once in a process, held once, whoever of the crowd asked for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vodozemac import Curve25519PublicKey, Ed25519PublicKey, Ed25519Signature, SignatureException

__all__ = ["DeviceKeys", "KnownKeys", "canonical", "is_signed"]


def canonical(content: Mapping[str, Any]) -> bytes:
    """Write what is signed (Matrix specification, "Canonical JSON")."""
    signed = {name: value for name, value in content.items() if name not in ("signatures", "unsigned")}
    return json.dumps(signed, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def is_signed(content: Mapping[str, Any], user_id: str, device_id: str, ed25519: str) -> bool:
    """Tell whether an object bears the signature of this device."""
    signature = content.get("signatures", {}).get(user_id, {}).get(f"ed25519:{device_id}", "")
    try:
        key, given = Ed25519PublicKey.from_base64(ed25519), Ed25519Signature.from_base64(signature)
        key.verify_signature(canonical(content), given)
    except (SignatureException, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """A device as others see it; keys in unpadded base64."""

    user_id: str
    device_id: str
    curve25519: str
    ed25519: str

    @property
    def identity(self) -> Curve25519PublicKey:
        """The identity key, for vodozemac."""
        return Curve25519PublicKey.from_base64(self.curve25519)


class KnownKeys:
    """Every device that this process was ever told of: who asks again gets the same object."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._known: dict[tuple[str, str, str], DeviceKeys] = {}

    def of(self, user_id: str, answer: Mapping[str, Any]) -> Iterator[DeviceKeys]:
        """Give a person's devices from a `/keys/query` answer, those that bear their own signature."""
        for device_id, content in answer.get("device_keys", {}).get(user_id, {}).items():
            keys = content.get("keys", {})
            curve, ed25519 = keys.get(f"curve25519:{device_id}", ""), keys.get(f"ed25519:{device_id}", "")
            found = self._known.get((user_id, device_id, ed25519))
            if found is None or found.curve25519 != curve:
                if not is_signed(content, user_id, device_id, ed25519):
                    continue
                found = DeviceKeys(user_id, device_id, curve, ed25519)
                self._known[user_id, device_id, ed25519] = found
            yield found
