"""A store in memory for matrix-nio's encryption machine: the machine itself keeps everything, nothing is to be loaded.

nio's own stores speak SQL at every sync; a device of a check lives for seconds.
"""

from __future__ import annotations

from typing import Any

from nio.crypto import DeviceStore, GroupSessionStore, SessionStore
from nio.crypto.device import OlmDevice, TrustState

__all__ = ["MemoryStore"]


class MemoryStore:
    """What `nio.crypto.Olm` asks of a store (the interface of `nio.store.MatrixStore`)."""

    def __init__(self) -> None:
        """Begin empty."""
        self._account: Any = None

    def load_account(self) -> Any:
        """Give the account, None before the first."""
        return self._account

    def save_account(self, account: Any) -> None:
        """Keep the account."""
        self._account = account

    def load_sessions(self) -> SessionStore:
        """Give no sessions: a device begins with none."""
        return SessionStore()

    def load_inbound_group_sessions(self) -> GroupSessionStore:
        """Give no group sessions."""
        return GroupSessionStore()

    def load_device_keys(self) -> DeviceStore:
        """Give no devices."""
        return DeviceStore()

    def load_encrypted_rooms(self) -> set[str]:
        """Give no rooms."""
        return set()

    def load_outgoing_key_requests(self) -> dict[str, Any]:
        """Give no requests."""
        return {}

    def save_session(self, curve_key: str, session: Any) -> None:
        """Do nothing: the machine holds it."""

    def save_inbound_group_session(self, session: Any) -> None:
        """Do nothing: the machine holds it."""

    def save_device_keys(self, device_keys: Any) -> None:
        """Do nothing: the machine holds them."""

    def add_outgoing_key_request(self, key_request: Any) -> None:
        """Do nothing: the machine holds it."""

    def remove_outgoing_key_request(self, key_request: Any) -> None:
        """Do nothing: the machine holds it."""

    def _set(self, device: OlmDevice, state: TrustState) -> bool:
        changed = bool(device.trust_state != state)
        device.trust_state = state
        return changed

    def is_device_verified(self, device: OlmDevice) -> bool:
        """Tell whether the device was verified."""
        return bool(device.trust_state == TrustState.verified)

    def is_device_blacklisted(self, device: OlmDevice) -> bool:
        """Tell whether the device gets no keys."""
        return bool(device.trust_state == TrustState.blacklisted)

    def is_device_ignored(self, device: OlmDevice) -> bool:
        """Tell whether the device gets keys though nobody verified it."""
        return bool(device.trust_state == TrustState.ignored)

    def verify_device(self, device: OlmDevice) -> bool:
        """Mark the device as verified."""
        return self._set(device, TrustState.verified)

    def unverify_device(self, device: OlmDevice) -> bool:
        """Take the mark back."""
        return self._set(device, TrustState.unset)

    def blacklist_device(self, device: OlmDevice) -> bool:
        """Give the device no keys."""
        return self._set(device, TrustState.blacklisted)

    def ignore_device(self, device: OlmDevice) -> bool:
        """Give the device keys though nobody verified it."""
        return self._set(device, TrustState.ignored)

    def ignore_devices(self, devices: list[OlmDevice]) -> None:
        """Give these devices keys though nobody verified them."""
        for device in devices:
            self._set(device, TrustState.ignored)
