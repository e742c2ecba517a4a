"""Who may do what, as a model: people, conversations, and what the guide says becomes of each act in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from conformance.adversaries.acts import AGENTS, GUEST, HOMES, OUTSIDER, Act, Kind

__all__ = ["Conversation", "Expected", "World"]

Expected = Literal["taken", "refused", "open"]
"""What must become of an act; `open` where the guide says nothing, and the act is left out."""


@dataclass
class Conversation:
    """What is so of a conversation: `members` by name as join, invite or ban; `levels` as its power levels say.

    `been` are those who ever were in it or invited to it, and `knew` whom of them somebody who is out may know of: those who
    came before. `listed` are the agents' homeservers that list it. It is `over` once it was upgraded.
    """

    kind: Kind
    room_id: str
    name: str = ""
    pair: frozenset[str] = frozenset()
    members: dict[str, str] = field(default_factory=dict)
    been: set[str] = field(default_factory=set)
    knew: dict[str, set[str]] = field(default_factory=dict)
    listed: set[int] = field(default_factory=set)
    alias: str = ""
    over: bool = False
    levels: Mapping[str, int] = field(default_factory=dict)
    needs: Mapping[str, int] = field(default_factory=dict)

    def joined(self) -> list[str]:
        """Give who is in it."""
        return [name for name, member in self.members.items() if member == "join"]

    def may(self, who: str, what: str) -> bool:
        """Tell whether somebody is in it, and has the power."""
        return self.members.get(who) == "join" and self.levels.get(who, 0) >= self.needs[what]

    def enters(self, who: str) -> None:
        """Take note that somebody is in it."""
        self.members[who] = "join"
        self.been.add(who)

    def invites(self, whom: str) -> None:
        """Take note that somebody is invited."""
        self.members[whom] = "invite"
        self.been.add(whom)

    def goes(self, who: str, *, banned: bool = False) -> None:
        """Take note that somebody is out."""
        self.members.pop(who, None)
        self.knew[who] = set(self.been)
        if banned:
            self.members[who] = "ban"

    def lists(self) -> dict[int, bool]:
        """Tell for each homeserver of somebody in it whether it lists it; the others are told of it no more."""
        return {HOMES[name]: HOMES[name] in self.listed for name in self.joined() if name in HOMES}


@dataclass
class World:
    """All conversations by their number, and who is on the red list."""

    rooms: list[Conversation] = field(default_factory=list)
    red: set[str] = field(default_factory=set)

    def standing(self) -> list[Conversation]:
        """Give the conversations that somebody is in, and that go on."""
        return [room for room in self.rooms if room.joined() and not room.over]

    def room(self, act: Act) -> Conversation | None:
        """Give the conversation that an act is about."""
        return None if act.does in ("creates", "opens", "searches", "hides") else self.rooms[act.room]

    def is_found(self, who: str, by: str) -> bool:
        """Tell whether a search shows somebody: an agent who is not on the red list, to another agent."""
        return who in AGENTS and by in AGENTS and who not in self.red

    def expects(self, act: Act) -> Expected:
        """Say what must become of an act."""
        room = self.room(act)
        if room is not None and room not in self.standing():
            return "open"
        if act.who == OUTSIDER:
            return "open" if act.does == "hides" else "refused"
        if act.whom == act.who:
            return "open"
        return _EXPECTED[act.does](room, act) if room is not None else _WITHOUT_ROOM[act.does](act)

    def becomes(self, act: Act, made: Conversation | None = None) -> None:
        """Take note of what was taken; `made` is the conversation that came of it."""
        if made is not None:
            self.rooms.append(made)
        if act.does == "hides":
            self.red ^= {act.who}
        room = self.room(act)
        if room is not None:
            _become(room, act, made)


def _become(room: Conversation, act: Act, made: Conversation | None) -> None:
    match act.does:
        case "joins" | "joins by alias":
            room.enters(act.who)
        case "invites":
            room.invites(act.whom)
        case "leaves":
            room.goes(act.who)
        case "kicks" | "bans":
            room.goes(act.whom, banned=act.does == "bans")
        case "publishes":
            room.listed.add(HOMES[act.who])
        case "unpublishes":
            room.listed.discard(HOMES[act.who])
        case "upgrades":
            # The conversation goes on in another room, where those who were out stay out.
            room.over = True
            if made is not None:
                made.enters(act.who)
                made.members.update({name: member for name, member in room.members.items() if member == "ban"})


def _taken_if(yes: bool) -> Expected:
    return "taken" if yes else "refused"


def _invites(room: Conversation, act: Act) -> Expected:
    if room.kind == "direct" and act.whom in room.pair:
        return "open"
    fits = act.whom != GUEST or room.kind == "open"
    free = room.members.get(act.whom) not in ("join", "ban")
    return _taken_if(act.who != GUEST and room.may(act.who, "invite") and fits and free and room.kind != "direct")


def _invites_by_mail(room: Conversation, act: Act) -> Expected:
    return _taken_if(act.who != GUEST and room.may(act.who, "invite") and room.kind == "open")


def _joins(room: Conversation, act: Act) -> Expected:
    member = room.members.get(act.who)
    if member in ("join", "invite"):
        return "taken"
    return _taken_if(room.kind == "public" and act.who != GUEST and member != "ban")


def _joins_by_alias(room: Conversation, act: Act) -> Expected:
    if not room.alias or (act.who == GUEST and room.members.get(act.who) in ("join", "invite")):
        return "open"
    return _joins(room, act)


def _knocks(room: Conversation, act: Act) -> Expected:
    return "open" if room.members.get(act.who) in ("join", "invite") else "refused"


def _upgrades(room: Conversation, act: Act) -> Expected:
    if room.kind == "public":
        # Its alias and its place in the list move too: rules of their own.
        return "open" if room.may(act.who, "upgrade") else "refused"
    return _taken_if(act.who != GUEST and room.may(act.who, "upgrade") and room.kind == "closed")


def _leaves(room: Conversation, act: Act) -> Expected:
    return "taken" if room.members.get(act.who) in ("join", "invite") else "open"


def _removes(room: Conversation, act: Act) -> Expected:
    what = "ban" if act.does == "bans" else "kick"
    member = room.members.get(act.whom)
    if member == "ban" or (what == "kick" and member is None):
        return "open"
    return _taken_if(room.may(act.who, what) and room.levels.get(act.whom, 0) < room.levels.get(act.who, 0))


def _publishes(room: Conversation, act: Act) -> Expected:
    if room.kind != "public":
        return "refused" if act.does == "publishes" else "open"
    return _taken_if(act.who != GUEST and room.may(act.who, "list"))


def _names(room: Conversation, act: Act) -> Expected:
    if act.who == GUEST:
        return "refused"
    return "taken" if room.members.get(act.who) == "join" and not room.alias else "open"


_EXPECTED = {
    "invites": _invites,
    "mails": _invites_by_mail,
    "joins": _joins,
    "joins by alias": _joins_by_alias,
    "knocks": _knocks,
    "upgrades": _upgrades,
    "leaves": _leaves,
    "kicks": _removes,
    "bans": _removes,
    "publishes": _publishes,
    "unpublishes": _publishes,
    "names": _names,
}


def _creates(act: Act) -> Expected:
    return _taken_if(act.who != GUEST)


def _opens(act: Act) -> Expected:
    return "refused" if act.who == GUEST else "open" if act.whom == GUEST else "taken"


def _hides(act: Act) -> Expected:
    return "open" if act.who == GUEST else "taken"


def _searches(_act: Act) -> Expected:
    # Taken of everybody: what it shows is another matter.
    return "taken"


_WITHOUT_ROOM = {"creates": _creates, "opens": _opens, "hides": _hides, "searches": _searches}
