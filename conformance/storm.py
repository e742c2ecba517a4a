"""Many devices that send at the same time, each keeping what was acknowledged, and the holding of servers to it."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.cast import Cast
from fixtures.deployment import Homeserver
from scenarios.devices import Device
from scenarios.session import Session, ok, path
from scenarios.wire import NotInTime, UnexpectedAnswer, WireError, until

__all__ = ["Letter", "Speaker", "kept", "read_by", "speakers", "storm"]

_PATIENCE = 90.0
_SILENCE = 30.0
"""How long, in seconds, a homeserver that hears of nothing more is waited for."""


@dataclass
class Letter:
    """A message that is encrypted already, with the transaction under which it is sent, as often as it takes."""

    text: str
    body: dict[str, Any]
    transaction: str = field(default_factory=lambda: f"vigie-{secrets.token_hex(8)}")
    event_id: str = ""


@dataclass
class Speaker:
    """A device, and what it has to say in a room."""

    device: Device
    home: Homeserver
    room_id: str
    letters: list[Letter] = field(default_factory=list)

    @property
    def acknowledged(self) -> list[Letter]:
        """What the server took, in the order in which it said so: one after the other."""
        return [letter for letter in self.letters if letter.event_id]

    async def prepare(self, cast: Cast, number: int) -> None:
        """Encrypt so many messages ahead, so that sending them is all that is left."""
        audience = await self.device.audience(self.room_id)
        settings = self.device.room(self.room_id).state["m.room.encryption", ""]
        for _ in range(number):
            text = cast.word("parole")
            content = {"msgtype": "m.text", "body": text}
            machine = self.device.machine
            body = await machine.encrypt(self.room_id, audience, "m.room.message", content, settings)
            self.letters.append(Letter(text, body))

    async def send(self, letter: Letter) -> None:
        """Send one message, and again under the same transaction until the server acknowledges it.

        Raises `NotInTime` when it never does, and `UnexpectedAnswer` for a refusal, which no outage explains.
        """
        session = self.device.session
        where = path("rooms", self.room_id, "send", "m.room.encrypted", letter.transaction)
        end = session.transport.now() + _PATIENCE
        while not letter.event_id:
            said = ""
            try:
                answer = await session.send("PUT", where, letter.body, timeout=20.0)
            except WireError as error:
                said = str(error)
            else:
                if answer.status == 200:
                    letter.event_id = str(ok(answer)["event_id"])
                    return
                if answer.status < 500:
                    raise UnexpectedAnswer(answer)
                said = str(answer)
            if session.transport.now() > end:
                raise NotInTime(f"{session.who} could not send within {_PATIENCE:g} s; last: {said}")
            await session.transport.sleep(0.1)

    async def send_all(self, letters: Sequence[Letter]) -> None:
        """Send these, one after the other."""
        for letter in letters:
            await self.send(letter)


def speakers(cast: Cast, room_id: str, devices: Sequence[Device]) -> list[Speaker]:
    """Give a speaker for each device."""
    homes = {each.server_name: each for each in cast.deployment.homeservers}
    return [Speaker(device, homes[device.session.server_name], room_id) for device in devices]


@dataclass
class storm:  # noqa: N801 -- reads as a block: async with storm(…) as underway
    """All speakers sending side by side for the length of a block, at whose end everything is acknowledged.

    The block begins once every speaker has had `first` acknowledgements. Everybody keeps one message for its end: servers
    that were away are told of what they missed when there is something new for them, or else after a minute.
    """

    speaking: Sequence[Speaker]
    first: int = 3
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> storm:
        """Begin, and wait until everybody is under way."""
        self._tasks = [asyncio.create_task(each.send_all(each.letters[:-1])) for each in self.speaking]
        transport = self.speaking[0].device.session.transport

        async def under_way() -> bool | None:
            return True if all(len(each.acknowledged) >= self.first for each in self.speaking) else None

        await until(transport, under_way, deadline=_PATIENCE, missing="the first messages of everybody", pause=0.005)
        return self

    @property
    def unsent(self) -> int:
        """How many messages are not acknowledged yet."""
        return sum(len(each.letters) - len(each.acknowledged) - 1 for each in self.speaking)

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        """Wait until everything is acknowledged; an error in the block ends the sending."""
        if error is not None:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=error is not None)
        if error is None:
            await asyncio.gather(*(each.send_all(each.letters[-1:]) for each in self.speaking))


async def _whole_timeline(session: Session, room_id: str) -> list[dict[str, Any]]:
    """Read a room from its end to its beginning, as somebody does who knows nothing of it yet; oldest first."""
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {"dir": "b", "limit": 100}
    for _ in range(50):
        answer = ok(await session.get(path("rooms", room_id, "messages"), params))
        found += answer["chunk"]
        if not answer["chunk"] or "end" not in answer:
            break
        params["from"] = answer["end"]
    return found[::-1]


async def kept(cast: Cast, speaking: Sequence[Speaker]) -> None:
    """Hold that every homeserver shows each acknowledged message once, and each speaker's in the order of the acknowledgements.

    Read anew by backfill in a fresh session on each homeserver. The one that acknowledged a message has it at once; the
    others, which have yet to hear of it, are given time as long as more comes.
    """
    room_id = speaking[0].room_id
    assert all(each.acknowledged for each in speaking), "nothing of somebody was acknowledged"
    sessions: dict[str, Session] = {}
    for each in speaking:
        name = each.home.name
        if name not in sessions:
            person = next(person for person in cast.recorder.people if person.user_id == each.device.user_id)
            sessions[name] = await cast.log_in(person, "relecture")
    for name, session in sessions.items():
        own = [letter for each in speaking if each.home.name == name for letter in each.acknowledged]
        timeline = await _whole_timeline(session, room_id)
        missing = _missing(timeline, own)
        assert not missing, (
            f"{name} forgot: {len(missing)} of {len(own)} messages that it acknowledged, among them {missing[0]}"
        )
        _judge(name, timeline, [each for each in speaking if each.home.name == name])
    for name, session in sessions.items():
        _judge(name, await _heard(name, session, room_id, speaking), speaking)


def _missing(timeline: Sequence[dict[str, Any]], letters: Sequence[Letter]) -> list[str]:
    there = {event["event_id"] for event in timeline}
    return [letter.event_id for letter in letters if letter.event_id not in there]


async def _heard(name: str, session: Session, room_id: str, speaking: Sequence[Speaker]) -> list[dict[str, Any]]:
    """Give a homeserver's timeline once it has everything; raises `AssertionError` when nothing more comes."""
    transport, letters = session.transport, [letter for each in speaking for letter in each.acknowledged]
    takers = {letter.event_id: each.home.name for each in speaking for letter in each.acknowledged}
    least, since = len(letters) + 1, transport.now()
    while True:
        timeline = await _whole_timeline(session, room_id)
        missing = _missing(timeline, letters)
        if not missing:
            return timeline
        if len(missing) < least:
            least, since = len(missing), transport.now()
        told = f"{least} of {len(letters)} acknowledged messages are not there, and for {_SILENCE:g} s none came"
        among = f"among them {missing[0]}, which {takers[missing[0]]} acknowledged"
        assert transport.now() - since < _SILENCE, f"{name} forgot: {told}; {among}"
        await transport.sleep(0.25)


def _judge(name: str, timeline: Sequence[dict[str, Any]], speaking: Sequence[Speaker]) -> None:
    """Hold one homeserver's timeline to what was acknowledged."""
    encrypted = [event for event in timeline if event["type"] == "m.room.encrypted"]
    doubled = [event_id for event_id, times in Counter(event["event_id"] for event in encrypted).items() if times > 1]
    assert not doubled, f"{name} doubled: it shows {len(doubled)} messages more than once, among them {doubled[0]}"
    said = Counter((event["sender"], event["content"].get("ciphertext")) for event in encrypted)
    doubled = [sender for (sender, _text), times in said.items() if times > 1]
    assert not doubled, f"{name} doubled: {len(doubled)} messages are there in several events, among them one of {doubled[0]}"
    places = {event["event_id"]: number for number, event in enumerate(encrypted)}
    for each in speaking:
        order = [places[letter.event_id] for letter in each.acknowledged]
        late = [number for number in range(1, len(order)) if order[number] < order[number - 1]]
        assert not late, f"{name} reordered: message {late[0] + 1} of {each.device.session.who} stands before the one before it"


async def read_by(readers: Sequence[Device], speaking: Sequence[Speaker], *, deadline: float = 90.0) -> None:
    """Hold that each device reads, by its sync, every acknowledged message of the others, decrypted, and each text once."""
    for reader in readers:
        others = [each for each in speaking if each.device is not reader]
        room_id = others[0].room_id
        for each in others:
            if each.acknowledged:
                await reader.wait_to_read(room_id, each.acknowledged[-1].event_id, deadline)
        for each in others:
            for letter in each.acknowledged:
                message = await reader.wait_to_read(room_id, letter.event_id, deadline)
                assert message.body == letter.text, f"{reader.session.who} reads {message.body!r} instead of {letter.text!r}"
        texts = Counter(message.body for message in reader.messages(room_id))
        doubled = [letter.text for each in others for letter in each.acknowledged if texts[letter.text] != 1]
        assert not doubled, f"{reader.session.who} reads {len(doubled)} messages more than once"
