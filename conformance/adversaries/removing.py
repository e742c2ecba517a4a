"""Somebody's devices: one that is kept, others that are removed in every way, and the friend they write to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from conformance.adversaries.returning import Thief
from conformance.cast import Cast
from conformance.journeys import gathered
from conformance.tampering import Tampering, client_lied_to, events_in
from scenarios import accounts
from scenarios.devices import Device
from scenarios.people import Person
from scenarios.session import Session, ok
from scenarios.trust import CrossSigning, Trust
from scenarios.wire import until

__all__ = ["Scene"]

Json = dict[str, Any]


@dataclass
class Scene:
    """Somebody with a device that they keep, a friend whose homeserver lies where it can, and who helps the thief."""

    cast: Cast
    owner: Person
    kept: Device
    signing: CrossSigning | None
    heard: Tampering
    theirs: Device
    lies: Tampering
    room_id: str
    helper_session: Session
    password: str

    @classmethod
    async def laid(cls, cast: Cast, *, signs: bool) -> Scene:
        """Bring the people on, with their devices, in a conversation; the owner signs their devices or does not."""
        owner, friend, helper = await cast.agents(0, 1, 1)
        heard, lies = Tampering(cast.transport), Tampering(cast.transport)
        kept, theirs = await client_lied_to(cast, owner, heard), await client_lied_to(cast, friend, lies)
        signing = await CrossSigning.create(kept.session, owner.identity.password) if signs else None
        if signing:
            await signing.verify(kept.session, kept.session.device_id)
        room_id = await gathered(kept, theirs)
        return cls(cast, owner, kept, signing, heard, theirs, lies, room_id, helper.session, owner.identity.password)

    async def log_in(self, **more: Any) -> Json:
        """Log the owner in on one more device."""
        identifier = {"type": "m.id.user", "user": self.owner.user_id}
        body = {"type": "m.login.password", "identifier": identifier, "password": self.password, "refresh_token": True}
        return ok(await self.cast.anonymous(self.owner.home, self.owner.name).post("/login", {**body, **more}))

    async def newcomer(self, answer: Json) -> Device:
        """Give the device of a login, which the owner says is theirs if they do."""
        device = await Device(accounts.admit(self.owner, answer, self.cast.transport)).start()
        if self.signing:
            await self.signing.verify(self.kept.session, device.session.device_id)
        return device

    @property
    def own(self) -> Trust:
        """As what a device of the owner's shows."""
        return Trust.VERIFIED if self.signing else Trust.UNVERIFIED

    async def remove(self, way: str, lost: Device) -> None:
        """Remove a device."""
        device_id = lost.session.device_id
        match way:
            case "logged out":
                ok(await lost.session.post("/logout", {}))
            case "removed from another device":
                await accounts.remove_device(self.kept.session, device_id, self.password)
            case "removed with others":
                other = await self.log_in()
                await accounts.remove_devices(self.kept.session, [device_id, other["device_id"]], self.password)
            case _:
                new = f"Nouveau-{self.cast.population.word()}-2-Passe!"
                ok(await accounts.change_password(self.kept.session, self.password, new))
                self.password = new

    async def shows_as(self, wanted: Trust, thief: Thief) -> None:
        """Wait until the friend's homeserver tells of the device as it is now."""

        async def agrees() -> bool | None:
            await self.theirs.machine.query([self.owner.user_id])
            known = self.theirs.machine.identities.trust_in_key(self.owner.user_id, thief.key)
            return True if known is wanted else None

        missing = f"the device as {wanted.value}, for the friend"
        await until(self.cast.transport, agrees, deadline=30, missing=missing, pause=0.1)

    async def takes_its_id(self, thief: Thief) -> None:
        """Log the owner in under the removed device's id, and have the friend's homeserver tell of it; their client looks not.

        The homeserver hears of the removal first: what comes while it still fetches the owner's devices anew, Synapse 1.163
        may overwrite with what it fetched, and tell of the new login only when something else changes.
        """
        device_id = thief.device.session.device_id

        async def key() -> str:
            answer = ok(await self.theirs.session.post("/keys/query", {"device_keys": {self.owner.user_id: []}}))
            keys = answer["device_keys"].get(self.owner.user_id, {}).get(device_id, {}).get("keys", {})
            return str(keys.get(f"curve25519:{device_id}", ""))

        async def is_gone() -> bool | None:
            return None if await key() else True

        async def is_another() -> bool | None:
            return True if await key() not in ("", thief.key) else None

        waiting = partial(until, self.cast.transport, deadline=30, pause=0.1)
        await waiting(is_gone, missing="the removed device as gone, for the friend")
        await self.newcomer(await self.log_in(device_id=device_id))
        await waiting(is_another, missing="the keys of the new login under the removed device's id, for the friend")

    async def everybody_reads(self, lost: Device) -> None:
        """See that the device that will be removed is one of those who read."""
        await lost.wait_for("the conversation", lambda seen: seen.room(self.room_id).membership == "join")
        before = await self.theirs.say(self.room_id, self.cast.word("avant"))
        for device in (self.kept, lost):
            await device.wait_to_read(self.room_id, before)

    async def says_something(self, lost: Device) -> tuple[Json, Json]:
        """Have the device say something, as its owner's; gives the encrypted content, and the device's keys as they show."""
        event_id = await lost.say(self.room_id, self.cast.word("de moi"))
        await self.theirs.wait_to_read(self.room_id, event_id)
        event = self.theirs.room(self.room_id).events[event_id]
        shown = await self.theirs.machine.trust_in(event)
        assert shown is self.own, f"before it is removed, the device shows as {shown.value}"
        answer = ok(await self.theirs.session.post("/keys/query", {"device_keys": {self.owner.user_id: []}}))
        return event["content"], answer["device_keys"][self.owner.user_id][lost.session.device_id]

    def forget_what_was_sent(self) -> None:
        """Begin to watch what goes to which device."""
        self.heard.sent.clear()
        self.lies.sent.clear()

    def keys_sent_to(self) -> set[str]:
        """Give the identity keys of all devices that something was encrypted for since."""
        sent = [body for where, body in (*self.heard.sent, *self.lies.sent) if "/sendToDevice/" in where]
        messages = [content for body in sent for devices in body["messages"].values() for content in devices.values()]
        return {key for content in messages for key in content.get("ciphertext", {})}

    def slip_in(self, forged: list[Json], to_device: list[Json]) -> list[str]:
        """Have the friend's homeserver pass these contents off as the owner's messages; gives their event ids."""
        found = {f"$forged-{self.cast.population.word()}": content for content in forged}
        waiting, done = list(to_device), list[bool]()

        def change(answer: Json) -> None:
            answer.setdefault("to_device", {}).setdefault("events", []).extend(waiting)
            waiting.clear()
            timeline = events_in(answer, self.room_id)
            if not timeline or done:
                return
            done.append(True)
            like = {"type": "m.room.encrypted", "sender": self.owner.user_id}
            timeline += [{**timeline[-1], **like, "event_id": each, "content": content} for each, content in found.items()]

        self.lies.in_answers("/sync", change)
        return list(found)
