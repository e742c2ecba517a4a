"""Whom everybody in the bench writes to: four devices of one person, whose keys the peer gives to whoever asks."""

from __future__ import annotations

import json
from typing import Any

from vodozemac import Account

from load.agents.crypto import OLM
from load.agents.devicekeys import canonical
from scenarios.conversations import MEGOLM

__all__ = ["DEVICES", "READER", "answers"]

READER = "@readers:bench"
DEVICES = 4


def answers() -> dict[str, str]:
    """Give what the peer answers, as JSON by endpoint: the devices' keys, and a one-time key of each, the same for all."""
    keys, claimed = {}, {}
    for device_id in (f"READER{number}" for number in range(DEVICES)):
        account = Account()
        account.generate_one_time_keys(1)
        device = {
            "algorithms": [OLM, MEGOLM],
            "device_id": device_id,
            "keys": {
                f"curve25519:{device_id}": account.curve25519_key.to_base64(),
                f"ed25519:{device_id}": account.ed25519_key.to_base64(),
            },
            "user_id": READER,
        }
        keys[device_id] = _signed(account, device_id, device)
        (name, key), *_ = account.one_time_keys.items()
        claimed[device_id] = {f"signed_curve25519:{name}": _signed(account, device_id, {"key": key.to_base64()})}
    return {
        "query": _json({"device_keys": {READER: keys}, "failures": {}}),
        "claim": _json({"one_time_keys": {READER: claimed}, "failures": {}}),
    }


def _signed(account: Account, device_id: str, content: dict[str, Any]) -> dict[str, Any]:
    signature = account.sign(canonical(content)).to_base64()
    return {**content, "signatures": {READER: {f"ed25519:{device_id}": signature}}}


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"))
