"""What people of the crowd do, each a short story over the shared acts of :mod:`scenarios`, by its name in a profile's mix."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any

from load.agents.crypto import CrowdMachine
from load.agents.devices import CrowdDevice
from load.agents.members import Member
from load.agents.surroundings import Room
from scenarios import accounts, conversations, directory, files, invitations, messages
from scenarios.mailbox import Mailbox
from scenarios.people import Person
from scenarios.session import ok
from scenarios.wire import until

if TYPE_CHECKING:
    from load.agents.crowd import Crowd

__all__ = ["ACTS", "Impossible", "Occasion"]

_WORDS = [
    "le",
    "dossier",
    "est",
    "prêt,",
    "la",
    "réunion",
    "de",
    "demain",
    "commence",
    "à",
    "neuf",
    "heures",
    ";",
    "merci",
    "de",
    "relire",
    "la",
    "note",
    "avant",
    "midi.",
]
_TEXTS = tuple(" ".join(Random(number).choices(_WORDS, k=3 + number % 38)) for number in range(500))  # noqa: S311


class Impossible(Exception):
    """There is no occasion for an act: the population lacks what it needs; the message says what."""


class Occasion:
    """An arrival that somebody took up: who, when it was meant, when it began, and the dice by which all else is chosen."""

    __slots__ = ("actual", "crowd", "intended", "member", "random")

    def __init__(self, crowd: Crowd, member: Member, intended: float, random: Random) -> None:
        """It begins now."""
        self.crowd, self.member, self.intended, self.random = crowd, member, intended, random
        self.actual = time.monotonic()


async def send(occasion: Occasion, act: str = "send") -> None:
    """Write a message into one of one's rooms."""
    member, random = occasion.member, occasion.random
    room_id = random.choice(member.rooms() or await _first_room(occasion))
    await _message(occasion, room_id, act, {"msgtype": "m.text", "body": random.choice(_TEXTS)})


async def guest_send(occasion: Occasion) -> None:
    """Write a message as a guest."""
    await send(occasion, "guest-send")


async def _message(occasion: Occasion, room_id: str, act: str, content: dict[str, Any]) -> None:
    device = occasion.random.choice(occasion.member.devices)
    event_id = await device.send(room_id, "m.room.message", content)
    _acknowledged(occasion, room_id, device.number, event_id, act)


def _acknowledged(occasion: Occasion, room_id: str, device: int, event_id: str, act: str) -> None:
    delivery = occasion.crowd.measures.delivery
    delivery.acknowledged(room_id, device, event_id, occasion.intended, occasion.actual, time.monotonic(), act)


async def share_file(occasion: Occasion) -> None:
    """Share an encrypted file; who reads the message fetches it through the scanner."""
    member, crowd = occasion.member, occasion.crowd
    rooms = member.rooms() or await _first_room(occasion)
    encrypted = [room_id for room_id in rooms if crowd.around.rooms[room_id].encrypted]
    if not encrypted:
        raise Impossible("an encrypted room")
    room_id, device = occasion.random.choice(encrypted), occasion.random.choice(member.devices)
    size = crowd.around.profile.files.draw_whole(occasion.random)
    content = crowd.noise[: max(1, size)]
    event_id = await files.share_encrypted(device, room_id, content, "note.pdf", "application/pdf")
    _acknowledged(occasion, room_id, device.number, event_id, "file")


async def receipt(occasion: Occasion) -> None:
    """Tell a room that one has read it."""
    device = occasion.random.choice(occasion.member.devices)
    read = list(device.last.items())
    if read:
        room_id, event_id = occasion.random.choice(read)
        ok(await messages.mark_read(device.session, room_id, event_id))
    else:
        # Nothing came yet: what one would do is look.
        ok(await device.session.get("/pushrules/"))


async def typing(occasion: Occasion) -> None:
    """Begin to write."""
    device = occasion.random.choice(occasion.member.devices)
    rooms = occasion.member.rooms() or await _first_room(occasion)
    ok(await messages.set_typing(device.session, occasion.random.choice(rooms)))


async def search(occasion: Occasion) -> None:
    """Look for somebody by the beginning of their name."""
    someone = occasion.random.choice(occasion.crowd.members)
    await directory.find(occasion.member.devices[0].session, someone.plan.identity.family_name[:5])


async def open_direct(occasion: Occasion) -> None:
    """Start a conversation with somebody."""
    member, crowd = occasion.member, occasion.crowd
    other = occasion.random.choice([each for each in crowd.circle_of(member) if each is not member])
    room_id = await conversations.open_direct(member.devices[0].session, other.user_id)
    crowd.opened(Room(room_id, "direct", encrypted=True), member, size=2)


async def open_room(occasion: Occasion) -> None:
    """Create a private room with a few colleagues."""
    member, crowd = occasion.member, occasion.crowd
    others = [each.user_id for each in crowd.circle_of(member) if each is not member]
    invited = occasion.random.sample(others, min(len(others), occasion.random.randint(1, 5)))
    room_id = await conversations.open_private(member.devices[0].session, f"salon {time.monotonic_ns()}", invited)
    crowd.opened(Room(room_id, "private", encrypted=True), member, size=len(invited) + 1)
    member.own_rooms.append(room_id)


async def invite(occasion: Occasion) -> None:
    """Invite one more colleague to a room of one's own, and make one where there is none."""
    member, crowd = occasion.member, occasion.crowd
    own = [room_id for room_id in member.own_rooms if not crowd.around.rooms[room_id].guests]
    if not own:
        await open_room(occasion)
        return
    room_id = occasion.random.choice(own)
    absent = [each for each in crowd.circle_of(member) if each.user_id not in crowd.around.rooms[room_id].members]
    if not absent:
        member.own_rooms.remove(room_id)
        await open_room(occasion)
        return
    answer = await conversations.invite(member.devices[0].session, room_id, occasion.random.choice(absent).user_id)
    if answer.errcode != "M_FORBIDDEN" or "already" not in answer.json().get("error", ""):
        ok(answer)


async def invite_by_mail(occasion: Occasion) -> None:
    """Invite a partner outside by e-mail, to a room that is open to externals."""
    member, crowd = occasion.member, occasion.crowd
    server = crowd.around.deployment.identity
    if server is None:
        raise Impossible("an identity server")
    session = member.devices[0].session
    own = [room_id for room_id in member.own_rooms if crowd.around.rooms[room_id].guests]
    if own:
        room_id = occasion.random.choice(own)
    else:
        room_id = await conversations.open_private(session, f"projet {time.monotonic_ns()}", externals=True)
        crowd.opened(Room(room_id, "private", encrypted=True, guests=True), member, size=1)
        member.own_rooms.append(room_id)
    ok(await invitations.invite_by_mail(session, server, room_id, crowd.newcomers.outsider().address))


async def join_public(occasion: Occasion) -> None:
    """Join a public room; who is in all of them leaves one first."""
    member, crowd = occasion.member, occasion.crowd
    session = member.devices[0].session
    public = [room for room in crowd.around.rooms.values() if room.kind == "public"]
    if not public:
        raise Impossible("a public room")
    absent = [room for room in public if member.user_id not in room.members and member.user_id not in room.joining]
    room = occasion.random.choice(absent or public)
    if not absent:
        crowd.left(room, member)
        ok(await conversations.leave(session, room.room_id))
    ok(await conversations.ask_to_join(session, room.room_id, room.room_id.split(":", 1)[-1]))


async def log_in(occasion: Occasion) -> None:
    """Log in on one more device: token, keys, first sync. The one before is logged out."""
    member, crowd = occasion.member, occasion.crowd
    if member.extra is not None:
        await log_out(occasion)
    around = crowd.around
    answer = ok(await accounts.log_in(around.transport(), member.person, device="poste"))
    session = around.session(around.home(member.plan.home), member.user_id, answer["device_id"], answer["access_token"])
    device = CrowdDevice(around, around.new_number(), session, CrowdMachine(session, around.keys, run=around.run), new=True)
    await device.machine.upload()
    began = time.monotonic()
    await device.sync()
    crowd.measures.stage("first-sync", time.monotonic() - began, occasion.intended)
    member.extra = device
    crowd.arrived(member, device)
    member.poll(device)


async def log_out(occasion: Occasion) -> None:
    """Log out of the device that was logged in last."""
    member, crowd = occasion.member, occasion.crowd
    device, member.extra = member.extra, None
    if device is None:
        await log_in(occasion)
        device, member.extra = member.extra, None
    assert device is not None
    crowd.measures.delivery.away(device.number)
    member.stop_polling(device)
    ok(await accounts.log_out(device.session))
    device.close()


async def register(occasion: Occasion) -> None:
    """Create an account by e-mail, as somebody new."""
    crowd = occasion.crowd
    mail = crowd.around.deployment.mail
    homes = [home for home in crowd.around.deployment.agents if home.domains]
    if mail is None or not homes:
        raise Impossible("mail, and a homeserver with e-mail domains")
    home = occasion.random.choice(homes)
    person = Person(crowd.newcomers.agent(home.domains[0]), "agent", home)
    transport = crowd.around.transport()
    try:
        session = await accounts.register_by_mail(transport, Mailbox(transport, mail.url), person)
        crowd.registered(session)
    finally:
        transport.close()


async def _first_room(occasion: Occasion) -> list[str]:
    """Wait until somebody is in a room: everybody has one, but who left the only one to join it again may not see it yet."""
    member = occasion.member

    async def there() -> list[str] | None:
        return member.rooms() or None

    patience = occasion.crowd.around.profile.timeout
    return await until(member.devices[0].session.transport, there, deadline=patience, missing="a room that somebody is in")


ACTS: dict[str, Callable[[Occasion], Coroutine[Any, Any, None]]] = {
    "send": send,
    "file": share_file,
    "receipt": receipt,
    "typing": typing,
    "search": search,
    "direct": open_direct,
    "room": open_room,
    "invite": invite,
    "invite-mail": invite_by_mail,
    "join": join_public,
    "login": log_in,
    "logout": log_out,
    "register": register,
    "guest-send": guest_send,
}
