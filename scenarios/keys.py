"""End-to-end encryption of one device, by matrix-nio's machine (vodozemac inside), driven over a session.

Matrix specification, client-server API, "End-to-End Encryption": keys uploaded, queried and claimed, room keys shared over
Olm, messages by Megolm. The machine does no input or output; this module does it over the session's transport.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nio.crypto import Olm
from nio.crypto.attachments import decrypt_attachment, encrypt_attachment
from nio.crypto.sessions import InboundGroupSession
from nio.events import Event, MegolmEvent, RoomKeyEvent, ToDeviceEvent
from nio.exceptions import EncryptionError
from nio.responses import KeysClaimResponse, KeysQueryResponse, KeysUploadResponse

from scenarios.keystore import MemoryStore
from scenarios.pickles import byte_strings, decoded, unpickled
from scenarios.session import Session, ok
from scenarios.trust import Identities, IdentityChanged, Trust

__all__ = ["Machine", "RoomKey", "Undecryptable", "decrypt_file", "encrypt_file"]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Undecryptable:
    """Why a message could not be read."""

    reason: str


@dataclass(frozen=True)
class RoomKey:
    """A room key as backups and exports hold it; `session_key` is in the export format, unpadded base64."""

    room_id: str
    session_id: str
    sender_key: str
    sender_signing_key: str
    first_index: int
    session_key: str


class Machine:
    """The keys of one device and what can be done with them."""

    def __init__(self, session: Session) -> None:
        """Make fresh keys for the session's device."""
        self._session = session
        self._olm = Olm(session.user_id, session.device_id, MemoryStore())
        self._shared_with: dict[str, frozenset[tuple[str, str]]] = {}
        self._givers: dict[str, str] = {}
        # Room keys, each by the key of the device it is said to be of and its id, that no device gave.
        self._copied: set[tuple[str, str]] = set()
        # The server has a fallback key that nobody has used yet.
        self._fallback = False
        self.identities = Identities()

    async def upload(self) -> None:
        """Upload what the server lacks: device keys once, one-time keys and the fallback key as they are used up.

        nio 0.26 makes no fallback key, as the Matrix specification asks of clients. Synapse gives one of two people who claim
        from a device at the same moment no one-time key, however many are left: without a fallback key they begin nothing.
        """
        body: dict[str, Any] = self._olm.share_keys() if self._olm.should_upload_keys else {}
        if not self._fallback:
            body["fallback_keys"] = self._fallback_key()
        if not body:
            return
        # Nobody else asks for the same while this is under way.
        self._fallback = True
        answer = ok(await self._session.post("/keys/upload", body))
        self._olm.handle_response(KeysUploadResponse.from_dict(answer))

    def _fallback_key(self) -> dict[str, Any]:
        account = self._olm.account._account
        account.generate_fallback_key()
        made = {name: {"key": key.to_base64(), "fallback": True} for name, key in account.fallback_key.items()}
        return {f"signed_curve25519:{name}": {**key, "signatures": self._signatures(key)} for name, key in made.items()}

    def _signatures(self, content: dict[str, Any]) -> dict[str, dict[str, str]]:
        return {self._session.user_id: {f"ed25519:{self._session.device_id}": self.sign(content)}}

    async def receive(self, sync: Mapping[str, Any]) -> None:
        """Take in the parts of a sync that are for the machine: to-device messages, key counts, changed devices."""
        for content in sync.get("to_device", {}).get("events", []):
            try:
                event = self._olm.handle_to_device_event(ToDeviceEvent.parse_event(content))
            except Exception as error:
                # Whatever a server makes up comes here, and nio lets much of it through as it fails: a client goes on.
                _LOGGER.debug("a to-device message is of no use: %r", error)
                continue
            if isinstance(event, RoomKeyEvent):
                self._givers.setdefault(event.session_id, event.sender)
                self._copied.discard((event.sender_key, event.session_id))
        counts = sync.get("device_one_time_keys_count")
        if isinstance(counts, dict) and isinstance(left := counts.get("signed_curve25519"), int):
            self._olm.uploaded_key_count = left
        # Both are whatever a server makes up, too.
        unused = sync.get("device_unused_fallback_key_types")
        if isinstance(unused, list):
            self._fallback = "signed_curve25519" in unused
        self._olm.outgoing_to_device_messages.clear()
        await self.upload()

    def overhear(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """Try on to-device messages that were sent to others whatever this device's keys can do."""
        for content in messages:
            self._olm.handle_to_device_event(ToDeviceEvent.parse_event(dict(content)))

    async def query(self, users: Iterable[str]) -> None:
        """Ask for the devices of these people."""
        wanted: dict[str, list[str]] = {user: [] for user in users}
        answer = ok(await self._session.post("/keys/query", {"device_keys": wanted, "timeout": 10_000}))
        self.identities.take(answer)
        self._olm.handle_response(KeysQueryResponse.from_dict(answer))

    def _leave_out(self, users: Iterable[str]) -> None:
        """Give no key to a device that its owner did not sign, where the owner signs devices.

        Raises `IdentityChanged` when the server shows another identity than the known one for somebody.
        """
        for user in users:
            if user in self.identities.changed:
                raise IdentityChanged(f"{user} has another master key than before: nothing is sent until that is cleared up")
            for device in self._olm.device_store.active_user_devices(user):
                signed = self.identities.trust(user, device.id) is Trust.VERIFIED
                # nio keeps the first keys of an id: where it shows with others, those are of a device that is no more.
                same = self.identities.has_key(user, device.id, device.curve25519)
                if not same or (self.identities.has_identity(user) and not signed):
                    self._olm.blacklist_device(device)
                elif self._olm.is_device_blacklisted(device):
                    self._olm.store.unverify_device(device)

    async def trust_in(self, event: Mapping[str, Any]) -> Trust:
        """Tell what is known of the device that an encrypted event says it is from, asking the server anew.

        Nothing is where its key came by a copy: a backup's public key encrypts for whoever has it, the server too.
        """
        await self.query([event["sender"]])
        if self._is_copied(event["content"]):
            return Trust.COPIED
        return self.identities.trust_in_key(event["sender"], event["content"].get("sender_key", ""))

    def _is_copied(self, encrypted: Mapping[str, Any]) -> bool:
        return (encrypted.get("sender_key"), encrypted.get("session_id")) in self._copied

    def devices_of(self, user: str) -> set[str]:
        """Give the ids of a person's devices that are known here, one's own among them."""
        known = {device.id for device in self._olm.device_store.active_user_devices(user)}
        return known | ({self._session.device_id} if user == self._session.user_id else set())

    async def encrypt(
        self,
        room_id: str,
        users: Iterable[str],
        kind: str,
        content: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Encrypt an event's content for every device of these people, sharing the room key first where it must be.

        A new room key is made whenever the set of devices changed, so that who left reads nothing that follows, and when
        it is used up: `settings` is the content of ``m.room.encryption`` (Matrix specification, same name: by default
        100 messages or a week).
        """
        await self.prepare(room_id, users, settings)
        return dict(self._olm.group_encrypt(room_id, {"type": kind, "content": dict(content)}))

    async def prepare(self, room_id: str, users: Iterable[str], settings: Mapping[str, Any] | None = None) -> None:
        """See to it that every device of these people, and nobody else, has the room's key."""
        people = sorted(set(users))
        await self.query(people)
        self._leave_out(people)
        audience = frozenset(
            (device.user_id, device.id)
            for user in people
            for device in self._olm.device_store.active_user_devices(user)
            if not self._olm.is_device_blacklisted(device)
        )
        if self._shared_with.get(room_id) != audience:
            self._olm.outbound_group_sessions.pop(room_id, None)
        if self._olm.should_share_group_session(room_id):
            await self._share(room_id, people, settings or {})
            self._shared_with[room_id] = audience

    def forget_room_key(self, room_id: str) -> None:
        """Begin a new room key with the next message."""
        self._olm.outbound_group_sessions.pop(room_id, None)

    async def _share(self, room_id: str, people: list[str], settings: Mapping[str, Any]) -> None:
        missing = self._olm.get_missing_sessions(people)
        if missing:
            wanted = {user: dict.fromkeys(devices, "signed_curve25519") for user, devices in missing.items()}
            answer = ok(await self._session.post("/keys/claim", {"one_time_keys": wanted, "timeout": 10_000}))
            self._olm.handle_response(KeysClaimResponse.from_dict(answer))
        self._olm.create_outbound_group_session(room_id)
        key = self._olm.outbound_group_sessions[room_id]
        key.max_messages = _positive(settings.get("rotation_period_msgs"), 100)
        key.max_age = timedelta(milliseconds=_positive(settings.get("rotation_period_ms"), 604_800_000))
        shares = self._olm.share_group_session_parallel(room_id, people, ignore_unverified_devices=True)
        for devices, body in shares:
            where = f"/sendToDevice/m.room.encrypted/{secrets.token_hex(8)}"
            ok(await self._session.put(where, body))
            key.users_shared_with.update(devices)
        key.mark_as_shared()

    def decrypt(self, room_id: str, raw: Mapping[str, Any]) -> dict[str, Any] | Undecryptable:
        """Give the event inside an encrypted one (its `type` and `content`), or why it cannot be read."""
        try:
            event = Event.parse_encrypted_event(dict(raw))
        except (TypeError, ValueError, KeyError):
            # nio 0.26 reports an event that does not fit its schema, and stumbles over a time of `null` in the report.
            return Undecryptable("not an event")
        if not isinstance(event, MegolmEvent):
            return Undecryptable("not a Megolm event")
        if not (event.session_id and event.sender_key):
            # nio 0.26 asserts that both are told instead of refusing the event.
            return Undecryptable("it names no session")
        if self._givers.get(str(event.session_id), event.sender) != event.sender:
            return Undecryptable("its key was given by somebody else than it says it is from")
        try:
            opened = self._olm.decrypt_megolm_event(event, room_id)
        except EncryptionError as error:
            return Undecryptable(str(error))
        source: dict[str, Any] = opened.source
        return source

    def room_keys(self) -> list[RoomKey]:
        """Give every room key that this device holds."""
        return [
            RoomKey(
                room_id=key.room_id,
                session_id=key.id,
                sender_key=key.sender_key,
                sender_signing_key=key.ed25519,
                first_index=key.first_known_index,
                session_key=key.export_session(key.first_known_index),
            )
            for key in self._olm.inbound_group_store
        ]

    def import_room_keys(self, keys: Iterable[RoomKey]) -> int:
        """Take in room keys from a backup or an export; gives how many opened more than what is held already."""
        new = 0
        for key in keys:
            held = self._olm.inbound_group_store.get(key.room_id, key.sender_key, key.session_id)
            if held is not None and held.first_known_index <= key.first_index:
                continue
            session = InboundGroupSession.import_session(
                key.session_key, key.sender_signing_key, key.sender_key, key.room_id, []
            )
            new += bool(self._olm.inbound_group_store.add(session))
            # Under an id that a device gave, a copy is of the same key: what it opens bears that key's signature.
            if held is None:
                self._copied.add((key.sender_key, key.session_id))
        return new

    def sign(self, content: dict[str, Any]) -> str:
        """Sign an object with the device's key (Matrix specification, "Signing JSON")."""
        return str(self._olm.sign_json(content))

    def vouches_for(self, content: Mapping[str, Any]) -> bool:
        """Tell whether this device signed an object, or another one of the same person's that they signed themselves."""
        user, signed = self._session.user_id, {name: value for name, value in content.items() if name != "signatures"}
        own = content.get("signatures", {}).get(user, {}).get(f"ed25519:{self._session.device_id}")
        # The same key signs the same in the same way.
        return own == self.sign(signed) or self.identities.vouches(user, content)

    def secrets(self) -> list[tuple[str, bytes]]:
        """Give what no server may hold, as raw bytes with a name: the device's private keys and the room keys' ratchets."""
        pickle_key = secrets.token_bytes(32)
        account = unpickled(self._olm.account._account.pickle(pickle_key), pickle_key)
        found = [(f"account.{where}", value) for where, value in byte_strings(account)]
        for key in self.room_keys():
            exported = decoded(key.session_key)
            # One byte of version and four of index come first, then the ratchet's 128, then a public key.
            found.append((f"room_key.{key.session_id}", exported[5:133]))
        for room_id, own in self._olm.outbound_group_sessions.items():
            found.append((f"own_room_key.{own.id}", decoded(own.session_key)[5:133]))
            signing = unpickled(own._session.pickle(pickle_key), pickle_key)["signing_key"]
            found += [(f"own_room_key.{room_id}.{where}", value) for where, value in byte_strings(signing)]
        return found


def _positive(value: object, default: int) -> int:
    """Take a room's setting if it is one: any administrator of a room writes what they like there."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**45 else default


def encrypt_file(content: bytes) -> tuple[bytes, dict[str, Any]]:
    """Encrypt a file; gives the ciphertext and the `file` object's keys (without `url`)."""
    ciphertext, keys = encrypt_attachment(content)
    return bytes(ciphertext), dict(keys)


def decrypt_file(ciphertext: bytes, file: Mapping[str, Any]) -> bytes:
    """Decrypt a file by its `file` object; raises `EncryptionError` when it was altered."""
    return bytes(decrypt_attachment(ciphertext, file["key"]["k"], file["hashes"]["sha256"], file["iv"]))
