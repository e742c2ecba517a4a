"""Sharing files through the scanner ("Les fichiers sont analysés avant leur remise").

Uploads go to the homeserver, everything read goes through the media proxy (matrix-content-scanner's API,
``/_matrix/media_proxy/unstable``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Protocol

import vodozemac

from scenarios.keys import decrypt_file, encrypt_file
from scenarios.session import Session, ok
from scenarios.wire import Response

__all__ = [
    "Sender",
    "decrypt_file",
    "download",
    "download_encrypted",
    "encrypt_file",
    "for_scanner",
    "scan",
    "scan_encrypted",
    "share_encrypted",
    "upload",
    "upload_encrypted",
]

_PROXY = "/_matrix/media_proxy/unstable"


class Sender(Protocol):
    """A device that sends events, encrypted where the room is."""

    @property
    def session(self) -> Session:
        """Its session."""

    async def send(self, room_id: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send an event, and give its id."""


async def upload(session: Session, content: bytes, kind: str = "application/octet-stream", name: str = "") -> str:
    """Upload bytes as they are, and give their ``mxc:`` address."""
    params = {"filename": name} if name else None
    answer = await session.send("POST", "/_matrix/media/v3/upload", content, params=params, content_type=kind)
    return str(ok(answer)["content_uri"])


async def upload_encrypted(session: Session, content: bytes) -> dict[str, Any]:
    """Encrypt and upload; gives the `file` object of the specification ("Sending encrypted attachments")."""
    ciphertext, keys = encrypt_file(content)
    return {**keys, "v": "v2", "url": await upload(session, ciphertext)}


async def share_encrypted(device: Sender, room_id: str, content: bytes, name: str, kind: str) -> str:
    """Send a file into an encrypted room, and give the event's id."""
    file = await upload_encrypted(device.session, content)
    info = {"size": len(content), "mimetype": kind}
    body = {"msgtype": "m.file", "body": name, "filename": name, "info": info, "file": file}
    return await device.send(room_id, "m.room.message", body)


def _where(action: str, uri: str) -> str:
    return f"{_PROXY}/{action}/{uri.removeprefix('mxc://')}"


async def scan(session: Session, uri: str) -> Response:
    """Ask whether a file is clean."""
    return await session.get(_where("scan", uri))


async def download(session: Session, uri: str) -> Response:
    """Ask for a file."""
    return await session.get(_where("download", uri))


async def for_scanner(session: Session, file: Mapping[str, Any]) -> dict[str, Any]:
    """Encrypt a `file` object, with its key, for the scanner alone."""
    answer = ok(await session.get(f"{_PROXY}/public_key"))
    key = vodozemac.Curve25519PublicKey.from_base64(answer["public_key"])
    message = vodozemac.PkEncryption.from_key(key).encrypt(json.dumps({"file": file}).encode())
    parts = {"ciphertext": message.ciphertext, "mac": message.mac, "ephemeral": message.ephemeral_key}
    encoded = {name: base64.b64encode(bytes(part)).decode().rstrip("=") for name, part in parts.items()}
    return {"encrypted_body": encoded}


async def scan_encrypted(session: Session, body: Mapping[str, Any]) -> Response:
    """Ask whether an encrypted file is clean."""
    return await session.post(f"{_PROXY}/scan_encrypted", body)


async def download_encrypted(session: Session, body: Mapping[str, Any]) -> Response:
    """Ask for an encrypted file; what comes is ciphertext still."""
    return await session.post(f"{_PROXY}/download_encrypted", body)
