"""Somebody of the crowd: their devices, each with a greenlet that polls, and the rooms they are in."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Any

import gevent
from nio.exceptions import EncryptionError

from load.agents.canary import Canary
from load.agents.crypto import CrowdMachine
from load.agents.devices import POLL_MS, CrowdDevice
from load.agents.surroundings import Surroundings
from load.driver import drive
from load.failures import failure_of, is_ousted
from load.population.plan import PersonPlan
from load.population.store import Records
from scenarios import accounts, conversations, files
from scenarios.people import Person
from scenarios.session import Session, ok
from scenarios.wire import UnexpectedAnswer, Unreachable, WireError

__all__ = ["AnyDevice", "Member"]

AnyDevice = CrowdDevice | Canary
_DEVICES_EACH = 8
_LONGEST_PAUSE = 10.0
_SPOILT = (EncryptionError, LookupError, TypeError, ValueError)
"""What is raised over a file that was altered, or over an answer or a message without what opens it."""


class Member:
    """A person with what they have at hand."""

    def __init__(self, around: Surroundings, plan: PersonPlan, store: Records, random: Random, *, canary: bool = False) -> None:
        """Take somebody of the population."""
        self.around, self.plan, self.canary = around, plan, canary
        self._store, self.random = store, random
        self.user_id: str = store.get("person", str(plan.number))["user_id"]
        self.devices: list[AnyDevice] = []
        self.extra: CrowdDevice | None = None
        self.own_rooms: list[str] = []
        self.ousted = False
        self._greenlets: dict[int, gevent.Greenlet] = {}
        self._fetched: set[str] = set()

    @property
    def person(self) -> Person:
        """Give who it is, for acts of the vocabulary that begin without a session."""
        return Person(
            self.plan.identity, "guest" if self.plan.guest else "agent", self.around.home(self.plan.home), self.user_id
        )

    def rooms(self) -> list[str]:
        """Give the rooms of the crowd in which this person is."""
        return self.around.rooms_of.get(self.user_id, [])

    # Coming and going.

    def come(self) -> None:
        """Open the devices and sync each once; raises what that raises."""
        if self.canary:
            self._open(drive(self._log_in_canary()))
            return
        for number in range(self.plan.devices):
            name = self._name(number)
            record = self._store.get("device", name)
            if record is None:
                continue  # its token was revoked meanwhile
            session = self.around.session(self.around.home(self.plan.home), self.user_id, record["device_id"], record["token"])
            reads = Random(f"reads {name}").random() < self.around.profile.population.decrypting  # noqa: S311 -- a draw
            account = self._store.account(name)
            machine = CrowdMachine(
                session,
                self.around.keys,
                account=account,
                reads=reads,
                keep=partial(self._store.keep_account, name),
                run=self.around.run,
            )
            since = self._store.get("since", name) or ""
            device = CrowdDevice(self.around, self.plan.number * _DEVICES_EACH + number, session, machine, since=since)
            try:
                self._open(device)
            except UnexpectedAnswer as error:
                if is_ousted(error):
                    self._forget(device)
                raise
        if not self.devices:
            raise Unreachable("no session of theirs is left; the next start logs them in anew")

    def _name(self, number: int) -> str:
        return f"{self.plan.number}/{number}"

    def _forget(self, device: AnyDevice) -> None:
        """Forget the session of a device whose token was revoked: before the next run it logs in anew."""
        number = device.number - self.plan.number * _DEVICES_EACH
        if self._store.get("device", self._name(number)) is not None:
            self._store.put("device", self._name(number), None)
            self._store.put("since", self._name(number), None)

    def _open(self, device: AnyDevice) -> None:
        device.hooks.invited = self._invited
        device.hooks.file = self._file
        self.devices.append(device)
        drive(device.sync())

    async def _log_in_canary(self) -> Canary:
        """Log in afresh: a canary's keys live in memory."""
        home = self.around.home(self.plan.home)
        answer = ok(await accounts.log_in(self.around.transport(), self.person, device="canari"))
        session = self.around.session(home, self.user_id, answer["device_id"], answer["access_token"])
        canary = Canary(self.around, self.plan.number * _DEVICES_EACH + _DEVICES_EACH - 1, session)
        await canary.machine.upload()
        return canary

    def live(self) -> None:
        """Let every device poll until this greenlet is killed."""
        try:
            for device in list(self.devices):
                self.poll(device)
            # Whoever loses one device goes on with the others.
            while polling := [each for each in self._greenlets.values() if not each.dead]:
                gevent.joinall(polling, count=1)
        finally:
            self.leave()

    def poll(self, device: AnyDevice) -> None:
        """Let one device poll, in a greenlet of its own."""
        self._greenlets[device.number] = gevent.spawn(self._poll, device)

    def stop_polling(self, device: AnyDevice) -> None:
        """Let a device poll no more."""
        polling = self._greenlets.pop(device.number, None)
        if polling is not None:
            polling.kill()

    def leave(self) -> None:
        """Stop polling, keep what a later run goes on from, and close everything. A canary's device is logged out."""
        gevent.killall(list(self._greenlets.values()))
        for device in self.devices:
            if device.since:
                self._store.put("since", self._name(device.number - self.plan.number * _DEVICES_EACH), device.since)
            if self.canary:
                self._log_out_quietly(device.session)
            device.close()
        if self.extra is not None:
            self._log_out_quietly(self.extra.session)
            self.extra.close()

    def _log_out_quietly(self, session: Session) -> None:
        try:
            with gevent.Timeout(5.0, False):
                drive(accounts.log_out(session))
        except WireError:
            self.around.notice("a device could not be logged out at the end")

    # Polling.

    def _poll(self, device: AnyDevice) -> None:
        pause = 0.5
        while True:
            began = time.monotonic()
            try:
                drive(device.sync(POLL_MS))
                pause = 0.5
            except (WireError, UnexpectedAnswer) as error:
                if is_ousted(error):
                    self._oust(device)
                    return
                measures = self.around.measures
                now = time.monotonic()
                if measures is not None:
                    measures.failed("sync", began, began, now, failure_of(error))
                gevent.sleep(pause * (0.75 + self.random.random() / 2))
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _oust(self, device: AnyDevice) -> None:
        """Take it that a device's token is gone: it reads no more, and nobody waits for it."""
        self.around.notice("devices whose token was revoked")
        if self.around.measures is not None:
            self.around.measures.delivery.away(device.number)
        self._forget(device)
        if device in self.devices:
            self.devices.remove(device)
        device.close()
        self.ousted = not self.devices

    # What comes unasked.

    def _invited(self, room_id: str) -> None:
        gevent.spawn(self._accept, room_id)

    def _accept(self, room_id: str) -> None:
        server = room_id.split(":", 1)[-1]
        # The invitation can be here before its room's maker has the answer.
        for _attempt in range(50):
            if room_id in self.around.rooms:
                break
            gevent.sleep(0.1)
        for _attempt in range(3):
            try:
                answer = drive(conversations.ask_to_join(self.devices[0].session, room_id, server))
            except (WireError, IndexError):
                return
            if answer.status == 200:
                return
            gevent.sleep(0.5)
        self.around.notice("invitations that could not be taken")

    def _file(self, device: CrowdDevice, event_id: str, content: Mapping[str, Any]) -> None:
        gevent.spawn(self._fetch, device, event_id, content)

    def _fetch(self, device: CrowdDevice, event_id: str, content: Mapping[str, Any]) -> None:
        """Get a file through the scanner, as who reads the message does, and decrypt it."""
        measures = self.around.measures
        if measures is None or event_id in self._fetched:
            return
        self._fetched.add(event_id)
        began = time.monotonic()
        try:
            drive(_through_the_scanner(device.session, content["file"]))
        except (WireError, UnexpectedAnswer) as error:
            measures.failed("fetch", began, began, time.monotonic(), failure_of(error))
            return
        except _SPOILT:
            measures.failed("fetch", began, began, time.monotonic(), "bad-body")
            return
        now = time.monotonic()
        measures.done("fetch", began, began, now)


async def _through_the_scanner(session: Session, file: Mapping[str, Any]) -> bytes:
    answer = await files.download_encrypted(session, await files.for_scanner(session, file))
    if answer.status != 200:
        raise UnexpectedAnswer(answer)
    return files.decrypt_file(answer.body, file)
