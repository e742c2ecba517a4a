"""Room keys in a file under a passphrase (Matrix specification, "Key exports"): how people carry them without a server."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable

from nio.crypto.key_export import FOOTER, HEADER, decrypt, encrypt
from vodozemac import ExportedSessionKey, InboundGroupSession

from scenarios.conversations import MEGOLM
from scenarios.keys import RoomKey

__all__ = ["WrongPassphrase", "export_file", "import_file"]


class WrongPassphrase(Exception):
    """The passphrase does not open the file, or the file is none."""


def export_file(keys: Iterable[RoomKey], passphrase: str, rounds: int = 100_000) -> str:
    """Write room keys as the text of an export file; `rounds` are those of PBKDF2."""
    content = [
        {
            "algorithm": MEGOLM,
            "forwarding_curve25519_key_chain": [],
            "room_id": key.room_id,
            "sender_key": key.sender_key,
            "sender_claimed_keys": {"ed25519": key.sender_signing_key},
            "session_id": key.session_id,
            "session_key": key.session_key,
        }
        for key in keys
    ]
    lines = textwrap.wrap(encrypt(json.dumps(content).encode(), passphrase, count=rounds), 96)
    return "\n".join([HEADER, *lines, FOOTER, ""])


def import_file(text: str, passphrase: str) -> list[RoomKey]:
    """Read an export file.

    Raises `WrongPassphrase` when its authentication code is not the passphrase's, or it is no such file.
    """
    joined = "".join(text.split("\n"))
    if not joined.startswith(HEADER) or not joined.endswith(FOOTER):
        raise WrongPassphrase("this is no export of room keys")
    try:
        content = json.loads(decrypt(joined.removeprefix(HEADER).removesuffix(FOOTER), passphrase))
    except (ValueError, IndexError) as error:
        raise WrongPassphrase("the passphrase does not open this file") from error
    return [
        RoomKey(
            room_id=entry["room_id"],
            session_id=entry["session_id"],
            sender_key=entry["sender_key"],
            sender_signing_key=entry["sender_claimed_keys"]["ed25519"],
            first_index=InboundGroupSession.import_session(ExportedSessionKey(entry["session_key"])).first_known_index,
            session_key=entry["session_key"],
        )
        for entry in content
        if entry["algorithm"] == MEGOLM
    ]
