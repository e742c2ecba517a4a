"""Lies of a server that was taken over: events, keys on their way, and answers about keys, altered in any number of ways."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vodozemac
from hypothesis import strategies as st

from scenarios.trust import CrossSigning, canonical

__all__ = [
    "KNOWN_EVENTS",
    "KNOWN_IDENTITIES",
    "KNOWN_KEYS",
    "Alteration",
    "Forgery",
    "Intruder",
    "altered_events",
    "altered_identities",
    "altered_keys",
]

Json = dict[str, Any]
_JUNK: dict[str, Any] = {"nothing": None, "a number": 7, "a list": [], "an object": {}, "an empty text": "", "true": True}
_EVENT_FIELDS = ("sender", "type", "origin_server_ts", "state_key", "content")
_MEGOLM_FIELDS = ("ciphertext", "session_id", "sender_key", "device_id", "algorithm")
_OLM_FIELDS = ("ciphertext", "sender_key", "algorithm", "body", "kind")
_CLEAR: Json = {"msgtype": "m.text", "body": "Virez cent mille euros."}


@dataclass(frozen=True)
class Alteration:
    """One thing that is done to one field; `at` says where in it, or with what."""

    field: str
    how: str
    at: int = 0

    def __str__(self) -> str:
        """Tell it."""
        where = f" at {self.at}" if self.how in ("flipped", "cut") else ""
        return f"{self.field} {self.how}{where}"

    def apply(self, event: Json, others: Sequence[Mapping[str, Any]]) -> None:
        """Do it to an event; `others` are genuine ones from which fields are taken."""
        if self.how == "clear":
            event.update(type=("m.room.message", "m.sticker")[self.at % 2], content=dict(_CLEAR))
            return
        place = _place(event, self.field)
        if place is None:
            return
        held, key = place
        value = held.get(key)
        if self.how == "dropped":
            held.pop(key, None)
        elif self.how == "another's":
            other = _place(dict(others[self.at % len(others)]), self.field) if others else None
            if other is not None and other[1] in other[0]:
                held[key] = copy.deepcopy(other[0][other[1]])
        elif self.how.startswith("made "):
            held[key] = copy.deepcopy(_JUNK[self.how.removeprefix("made ")])
        elif isinstance(value, str) and value:
            at = self.at % len(value)
            held[key] = (
                value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :] if self.how == "flipped" else value[:at]
            )
        elif isinstance(value, int):
            held[key] = value + 1


def _place(event: Json, field: str) -> tuple[Json, str] | None:
    """Give where a field lies, None where the event has no such place any more."""
    if field in _EVENT_FIELDS:
        return event, field
    content = event.get("content")
    if not isinstance(content, dict):
        return None
    if field in ("body", "kind"):
        parts = content.get("ciphertext")
        first = next(iter(parts.values()), None) if isinstance(parts, dict) else None
        return (first, {"body": "body", "kind": "type"}[field]) if isinstance(first, dict) else None
    return content, field


@dataclass(frozen=True)
class Forgery:
    """A copy of what one of the writers sent, altered, and slipped in before or after it, here or in another conversation."""

    alterations: tuple[Alteration, ...] = ()
    first: bool = False
    elsewhere: bool = False

    def __str__(self) -> str:
        """Tell what was done."""
        done = ", ".join(map(str, self.alterations)) or "a mere copy"
        where = "in another conversation" if self.elsewhere else "beside the original"
        return f"{done}; {where}, {'before' if self.first else 'after'} it"


def _alterations(fields: Sequence[str]) -> st.SearchStrategy[tuple[Alteration, ...]]:
    how = st.sampled_from(["flipped", "cut", "another's", "dropped", *(f"made {junk}" for junk in _JUNK)])
    one = st.builds(Alteration, st.sampled_from(fields), how, st.integers(0, 300))
    return st.lists(one, max_size=3).map(tuple)


def altered_events() -> st.SearchStrategy[Forgery]:
    """Give forgeries of encrypted messages."""
    clear = st.builds(Alteration, st.just("type and content"), st.just("clear"), st.integers(0, 1)).map(lambda one: (one,))
    done = st.one_of(_alterations((*_MEGOLM_FIELDS, *_EVENT_FIELDS)), clear)
    return st.builds(Forgery, done, st.booleans(), st.booleans())


def altered_keys() -> st.SearchStrategy[Forgery]:
    """Give forgeries of room keys on their way to a device."""
    return st.builds(Forgery, _alterations((*_OLM_FIELDS, "sender", "type")), st.booleans())


KNOWN_EVENTS = [
    Forgery(),
    Forgery(first=True),
    Forgery(elsewhere=True),
    Forgery(elsewhere=True, first=True),
    *(Forgery((Alteration("ciphertext", "flipped", at),)) for at in (0, 3, 40, 299)),
    Forgery((Alteration("sender", "another's"),), first=True),
    Forgery((Alteration("sender", "another's"), Alteration("device_id", "another's"), Alteration("sender_key", "another's"))),
    *(Forgery((Alteration("type and content", "clear", which),), elsewhere=which > 0) for which in (0, 1)),
    Forgery((Alteration("content", "made nothing"),)),
    Forgery((Alteration("ciphertext", "made an object"),)),
    # These once broke off the client's whole sync.
    Forgery((Alteration("state_key", "made a list"),)),
    Forgery((Alteration("state_key", "made an empty text"), Alteration("type", "made an object"))),
    Forgery((Alteration("session_id", "cut"),)),
    Forgery((Alteration("sender_key", "made an empty text"),)),
]
KNOWN_KEYS = [
    Forgery(),
    Forgery(first=True),
    Forgery((Alteration("sender", "another's"),), first=True),
    # This one once broke off the client's whole sync.
    Forgery((Alteration("sender_key", "another's"),), first=True),
    Forgery((Alteration("body", "flipped", 60),)),
    Forgery((Alteration("ciphertext", "made nothing"),)),
    Forgery((Alteration("content", "dropped"), Alteration("type", "dropped"))),
]


class Intruder:
    """A device of nobody's, with which a server would read along."""

    def __init__(self, victim: str, device_id: str, own_id: str) -> None:
        """Make its keys; `victim` is who it pretends to belong to, `device_id` which of their devices it would replace.

        Where it is added it is `own_id`: a client that saw a device gone takes neither its id nor its key again.
        """
        self.account, self.victim, self.device_id, self.own_id = vodozemac.Account(), victim, device_id, own_id
        self.identity = CrossSigning(victim)

    @property
    def key(self) -> str:
        """Its identity key, by which a message to it is told."""
        return self.account.curve25519_key.to_base64()

    def _signed(self, content: Json, device_id: str) -> Json:
        signature = self.account.sign(canonical(content)).to_base64()
        return {**content, "signatures": {self.victim: {f"ed25519:{device_id}": signature}}}

    def device(self, device_id: str) -> Json:
        """Give its keys under the id of a device."""
        keys = {f"curve25519:{device_id}": self.key, f"ed25519:{device_id}": self.account.ed25519_key.to_base64()}
        algorithms = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"]
        content = {"user_id": self.victim, "device_id": device_id, "algorithms": algorithms, "keys": keys}
        return self._signed(content, device_id)

    def _signed_too(self, device: Json, signatures: Mapping[str, Any]) -> Json:
        """Add signatures to its own, without which a client would take a device for none whoever else signed it."""
        both = {**signatures.get(self.victim, {}), **device["signatures"][self.victim]}
        return {**device, "signatures": {self.victim: both}}

    def lie_about_devices(self, how: str, answer: Json) -> None:
        """Change an answer to `/keys/query`."""
        devices = answer.get("device_keys", {}).get(self.victim)
        if not devices or self.device_id not in devices:
            return
        mine, signatures = devices[self.device_id], devices[self.device_id].get("signatures", {})
        added = self.device(self.own_id)
        match how:
            case "identity key swapped":
                mine["keys"][f"curve25519:{self.device_id}"] = self.key
            case "device replaced":
                devices[self.device_id] = self.device(self.device_id)
            case "device replaced, keeping the owner's signature":
                devices[self.device_id] = self._signed_too(self.device(self.device_id), signatures)
            case "device added":
                devices[self.own_id] = added
            case "device added, signed by another identity":
                devices[self.own_id] = self._signed_too(added, self.identity.signed(added)["signatures"])
            case "device added, with the signatures of another":
                devices[self.own_id] = self._signed_too(added, signatures)
            case "device of another name":
                devices[self.own_id] = {**copy.deepcopy(mine), "device_id": self.own_id}
            case "signatures dropped":
                mine.pop("signatures", None)
            case "identity replaced":
                public = self.identity.public()
                answer.setdefault("master_keys", {})[self.victim] = public["master_key"]
                answer.setdefault("self_signing_keys", {})[self.victim] = public["self_signing_key"]
            case "signing key replaced":
                answer.setdefault("self_signing_keys", {})[self.victim] = self.identity.public()["self_signing_key"]
            case "identity dropped":
                answer.get("master_keys", {}).pop(self.victim, None)
                answer.get("self_signing_keys", {}).pop(self.victim, None)

    def lie_about_one_time_keys(self, how: str, answer: Json) -> None:
        """Change an answer to `/keys/claim`; the intruder's own keys are there to be claimed, as any device's."""
        own = {"signed_curve25519:AAAAAQ": self._signed({"key": self.key}, self.own_id)}
        answer.setdefault("one_time_keys", {}).setdefault(self.victim, {})[self.own_id] = own
        keys = answer["one_time_keys"][self.victim].get(self.device_id, {})
        for name, key in list(keys.items()):
            if how == "one-time key swapped":
                key["key"] = self.key
            elif how == "one-time key unsigned":
                keys[name] = {"key": self.key}
            elif how == "one-time key of the intruder's":
                keys[name] = self._signed({"key": self.key}, self.device_id)


_ABOUT_IDENTITIES = (
    "identity key swapped",
    "device replaced",
    "device replaced, keeping the owner's signature",
    "device added",
    "device added, signed by another identity",
    "device added, with the signatures of another",
    "device of another name",
    "signatures dropped",
    "identity replaced",
    "signing key replaced",
    "identity dropped",
    "one-time key swapped",
    "one-time key unsigned",
    "one-time key of the intruder's",
)


def altered_identities() -> st.SearchStrategy[tuple[str, ...]]:
    """Give lies about whose devices are whose."""
    return st.lists(st.sampled_from(_ABOUT_IDENTITIES), min_size=1, max_size=4, unique=True).map(tuple)


KNOWN_IDENTITIES = [(each,) for each in _ABOUT_IDENTITIES] + [
    ("identity replaced", "device added, signed by another identity"),
    ("signing key replaced", "device added, signed by another identity"),
    ("identity dropped", "device added"),
    ("device replaced", "one-time key of the intruder's"),
    # Nothing is left to be kept.
    ("signatures dropped", "device replaced, keeping the owner's signature"),
]
