"""The crowd of one process: who is there, who is idle, and what is expected of whom."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from random import Random
from typing import Any

import gevent
from gevent.pool import Pool

from fixtures.population import Population as Names
from load.agents.acts import ACTS, Impossible, Occasion
from load.agents.crypto import CrowdMachine
from load.agents.introduction import is_shown
from load.agents.members import AnyDevice, Member
from load.agents.surroundings import Room, Surroundings
from load.arrivals import Arrival, dice
from load.driver import Suspended, drive
from load.failures import failure_of
from load.measuring.measures import Measures
from load.population.plan import Plan
from load.population.store import Records
from load.probes import ProbeContext
from load.profile import Profile
from scenarios.mailbox import NoMail
from scenarios.session import Session
from scenarios.visit.ledger import TooMany
from scenarios.wire import NotInTime, UnexpectedAnswer, WireError

__all__ = ["Crowd", "canaries_of"]

_NOISE = 20_000_000
_PREPARING = 8
"""How many people at a time give the keys of their rooms."""
_THROWS = 16


class Crowd:
    """Agents and guests of the circles that this process has."""

    def __init__(
        self,
        around: Surroundings,
        plan: Plan,
        store: Records,
        *,
        shard: int = 0,
        shards: int = 1,
        canaries: set[int] | None = None,
    ) -> None:
        """Take the circles whose number modulo `shards` is `shard`; who has not the whole plan is told the canaries."""
        self.around, self.plan, self.store = around, plan, store
        self.shard, self.shards = shard, shards
        mark = around.ledger.mark if around.ledger else ""
        self.newcomers = Names(os.urandom(8).hex(), f"newcomers {shard}", mark=mark)
        canaries = canaries_of(plan, around.profile) if canaries is None else canaries
        self.members = [
            Member(around, each, store, Random(f"{around.profile.seed} {each.number}"), canary=each.number in canaries)  # noqa: S311
            for each in plan.people
            if each.circle % shards == shard
        ]
        # Canaries come last: those who are to know of them are there by then.
        self._waiting = sorted(self.members, key=lambda each: each.canary)[::-1]
        self._everybody = {guest: [each for each in self.members if each.plan.guest == guest] for guest in (False, True)}
        # Those who were idle longest come first.
        self._idle: dict[bool, dict[Member, None]] = {False: {}, True: {}}
        self._circles: dict[int, list[Member]] = {}
        self._by_user: dict[str, Member] = {}
        for member in self.members:
            self._circles.setdefault(member.plan.circle, []).append(member)
            self._by_user[member.user_id] = member
        self._busy: set[gevent.Greenlet] = set()
        self.came_so_far = 0
        self.failed_to_come: list[str] = []
        self._unprepared: list[Member] = []
        self._preparing: Pool | None = None
        self._began = 0.0
        self.noise = b""
        around.on_member = self._on_member
        self._enter_rooms()

    @property
    def measures(self) -> Measures:
        """The books; there are some from second 0 on."""
        assert self.around.measures is not None
        return self.around.measures

    def _enter_rooms(self) -> None:
        users = {each.plan.number: each.user_id for each in self.members}
        for each in self.plan.rooms:
            if each.circle % self.shards != self.shard:
                continue
            record = self.store.get("room", str(each.number))
            room = Room(record["room_id"], each.kind, record["encrypted"], guests=each.externals)
            self.around.rooms[room.room_id] = room
            for number in each.members:
                self.around.enter(room, users[number])

    # Coming.

    def next_one(self) -> Member | None:
        """Give somebody who has not come yet."""
        return self._waiting.pop() if self._waiting else None

    def introduce(self, member: Member) -> None:
        """Wait until every homeserver from which somebody may write to a canary knows its device; says where one does not."""
        rooms = [self.around.rooms[room_id] for room_id in member.rooms()]
        others = [self._by_user[user] for user in sorted(set[str]().union(*(room.members for room in rooms)))]
        for home in sorted({each.plan.home for each in others} - {member.plan.home}):
            there = [each for each in others if each.plan.home == home]

            def witness(there: Sequence[Member] = there) -> Session | None:
                return next((device.session for each in there for device in each.devices), None)

            if not all(drive(is_shown(device.session, witness)) for device in member.devices):
                self.around.notice("canaries whose device a homeserver did not know before second 0")

    def came(self, member: Member) -> None:
        """Take it that somebody is there; where keys are to be given before second 0, they first do that."""
        if self.around.profile.population.keys_given:
            self._unprepared.append(member)
            self._prepare_once_all_are_here()
        else:
            self._ready(member)

    def stayed_away(self, why: str) -> None:
        """Take it that somebody could not come."""
        self.failed_to_come.append(why)
        self._prepare_once_all_are_here()

    def _ready(self, member: Member) -> None:
        self.came_so_far += 1
        self._idle[member.plan.guest][member] = None

    @property
    def preparing(self) -> bool:
        """Tell whether everybody is here by now, and gives the keys of their rooms."""
        return self._preparing is not None

    def _prepare_once_all_are_here(self) -> None:
        # Whose device comes later would be left out.
        if self._unprepared and len(self._unprepared) + len(self.failed_to_come) == len(self.members):
            self.around.listening = True
            self._preparing = Pool(_PREPARING)
            self._preparing.map_async(self._prepare, self._unprepared)

    def _prepare(self, member: Member) -> None:
        try:
            for device, room_id in product(list(member.devices), list(member.rooms())):
                try:
                    drive(device.prepare(room_id))
                except (WireError, UnexpectedAnswer, NotInTime) as error:
                    self.around.notice(f"room keys that could not be given before second 0: {_short(error)}")
        finally:
            self._ready(member)

    def begin(self, start: float) -> Measures:
        """Open the books: from second 0, at `start`, everything counts. Rooms expect the devices that are there.

        Another time, with the same people, it opens new ones: what comes late of before is nobody's any more.
        """
        self._began = self._began or start
        self.around.listening = True
        measures = Measures(self.around.profile.windows, start, str(self.shard))
        if "file" in self.around.profile.mix:
            self.noise = os.urandom(min(_NOISE, int(self.around.profile.files.most)))
        for room in self.around.rooms.values():
            devices = {
                device.number: device.session.server_name
                for user_id in sorted(room.members)
                for device in self._devices(self._by_user[user_id])
            }
            measures.delivery.room(room.room_id, room.kind, devices, size=len(room.members))
        measures.delivery.canaries.update(device.number for each in self.members if each.canary for device in each.devices)
        self.around.measures = measures
        return measures

    # The schedule.

    def dispatch(self, arrivals: Iterable[Arrival], start: float) -> None:
        """Hand every arrival, at its time, to somebody idle; where nobody is, it is dropped and counted."""
        measures = self.measures
        for number, arrival in enumerate(arrivals):
            intended = start + arrival.at
            ahead = intended - time.monotonic()
            if ahead > 0:
                gevent.sleep(ahead)
            elif number % 16 == 0:
                gevent.sleep(0)  # late already: others have to get on all the same
            measures.dispatched(arrival.act, intended, time.monotonic())
            random = dice(self.around.profile, arrival)
            member = self._take_idle(random, guest=arrival.act == "guest-send")
            if member is None:
                measures.dropped(arrival.act, intended)
                continue
            self._start(member, arrival.act, intended, random)

    def _take_idle(self, random: Random, *, guest: bool) -> Member | None:
        """Take whom the dice say. Where they say nobody who is idle, several times over, who was idle longest."""
        idle, everybody = self._idle[guest], self._everybody[guest]
        while idle:
            drawn = (random.choice(everybody) for _ in range(_THROWS))
            member = next((each for each in drawn if each in idle), None) or next(iter(idle))
            del idle[member]
            if not member.ousted:
                return member
        return None

    def _start(self, member: Member, act: str, intended: float, random: Random) -> None:
        greenlet = gevent.spawn(self._perform, member, act, intended, random)
        self._busy.add(greenlet)
        greenlet.rawlink(self._busy.discard)

    def _perform(self, member: Member, act: str, intended: float, random: Random) -> None:
        occasion = Occasion(self, member, intended, random)
        measures = self.measures
        try:
            drive(ACTS[act](occasion))
        except (WireError, UnexpectedAnswer, NotInTime, NoMail) as error:
            measures.failed(act, intended, occasion.actual, time.monotonic(), failure_of(error))
            self.around.notice(f"{act}: {_short(error)}")
        except (Impossible, LookupError, Suspended, TooMany) as error:
            measures.failed(act, intended, occasion.actual, time.monotonic(), "other")
            self.around.notice(f"{act}: {error or type(error).__name__}")
        else:
            if act not in ("send", "file", "guest-send"):
                measures.done(act, intended, occasion.actual, time.monotonic())
        finally:
            self._idle[member.plan.guest][member] = None

    def busy(self) -> int:
        """Tell how many are at something."""
        return len(self._busy)

    def abandon(self) -> None:
        """Break off what is still under way."""
        gevent.killall(list(self._busy), timeout=5)
        if self._preparing is not None:
            self._preparing.kill(timeout=5)

    def probe_context(self) -> ProbeContext | None:
        """Give who probes rules: an agent in a private room, one who is not in it, and a guest; None without any."""
        agents = [each for each in self.members if not each.plan.guest and each.devices]
        guests = [each.devices[0].session for each in self.members if each.plan.guest and each.devices]
        for room in self.around.rooms.values():
            inside = [each for each in agents if each.user_id in room.members]
            outside = [each for each in agents if each.user_id not in room.members]
            if room.kind == "private" and not room.guests and inside and outside:
                sessions = inside[0].devices[0].session, outside[0].devices[0].session
                return ProbeContext(*sessions, guests[0] if guests else None, room.room_id)
        return None

    def noticed(self) -> dict[str, int]:
        """Give what was noticed and is no figure, with how often."""
        machines = [device.machine for each in self.members for device in self._devices(each)]
        crowd = [machine for machine in machines if isinstance(machine, CrowdMachine)]
        counted = {
            "devices that had no one-time key to claim": sum(machine.no_one_time_key for machine in crowd),
            "devices whose homeserver gave no one-time key in time": sum(machine.unanswered for machine in crowd),
            "to-device messages that could not be opened": sum(machine.unopened for machine in crowd),
        }
        return {**self.around.said, **{what: number for what, number in counted.items() if number}}

    # Changes while it runs.

    def circle_of(self, member: Member) -> Sequence[Member]:
        """Give the agents whom somebody may write to."""
        return [each for each in self._circles[member.plan.circle] if not each.plan.guest]

    def opened(self, room: Room, member: Member, size: int) -> None:
        """Take a new room, in which its maker is alone for now; `size` is how many it will have."""
        self.around.rooms[room.room_id] = room
        self.around.enter(room, member.user_id)
        devices = {device.number: device.session.server_name for device in self._devices(member)}
        self.measures.delivery.room(room.room_id, room.kind, devices, size=size)

    def left(self, room: Room, member: Member) -> None:
        """Take it that somebody is leaving a room; who still hears of their joining it hears nothing new."""
        room.told[member.user_id] = room.told.get(member.user_id, 0) + 1
        self.around.go(room, member.user_id)
        room.joining.pop(member.user_id, None)
        for device in self._devices(member):
            self.measures.delivery.leave(room.room_id, device.number)
        # Where somebody's joining waited for this one's homeserver to see it, nobody there tells of it any more.
        for user_id in list(room.joining):
            self._enter_if_seen(room, user_id)

    def arrived(self, member: Member, device: AnyDevice) -> None:
        """Take a device that somebody just logged in on: from now on it is to see what its person sees."""
        now = time.monotonic()
        for room_id in member.rooms():
            self.measures.delivery.join(room_id, device.number, device.session.server_name, now)

    def registered(self, session: Session) -> None:
        """Take somebody new; they take part no further."""
        self.store.put("registered", session.user_id, {"device_id": session.device_id, "token": session.access_token})

    def _devices(self, member: Member) -> list[AnyDevice]:
        return [*member.devices, *([member.extra] if member.extra else [])]

    def _on_member(self, room: Room, event: Mapping[str, Any], origin: str) -> None:
        """Take what a sync says of a member: who joins is expected to read when every homeserver of the room knows of it."""
        user_id, membership, at = event["state_key"], event["content"].get("membership", "leave"), event["origin_server_ts"]
        member = self._by_user.get(user_id)
        known = room.told.get(user_id, 0)
        if member is None or self.around.measures is None or at < known or self._is_past(event):
            return
        room.told[user_id] = at
        if membership != "join" or at > known:
            room.joining.pop(user_id, None)
        if membership != "join":
            if user_id in room.members:
                self.left(room, member)
        elif user_id not in room.members:
            seen = room.joining.setdefault(user_id, set())
            seen.add(origin)
            self._enter_if_seen(room, user_id)

    def _enter_if_seen(self, room: Room, user_id: str) -> None:
        """Take somebody who joins into a room if every homeserver in it knows."""
        servers = {each.split(":", 1)[1] for each in (*room.members, user_id)}
        if not servers <= room.joining[user_id]:
            return
        del room.joining[user_id]
        self.around.enter(room, user_id)
        now = time.monotonic()
        for device in self._devices(self._by_user[user_id]):
            self.measures.delivery.join(room.room_id, device.number, device.session.server_name, now)

    def _is_past(self, event: Mapping[str, Any]) -> bool:
        """Tell whether something happened before second 0: a first look into a room tells how its people came and went."""
        age: float = event.get("unsigned", {}).get("age", 0) / 1000
        return time.monotonic() - age < self._began


def canaries_of(plan: Plan, profile: Profile) -> set[int]:
    """Choose the canaries among the agents, one at least where there are to be any."""
    share = profile.population.canaries
    if not share:
        return set()
    agents = [each.number for each in plan.people if not each.guest]
    return set(Random(f"canaries {profile.seed}").sample(agents, max(1, round(share * len(agents)))))  # noqa: S311 -- a draw


def _short(error: Exception) -> str:
    if isinstance(error, UnexpectedAnswer):
        return f"{error.response.status} {error.response.errcode}".strip()
    return type(error).__name__
