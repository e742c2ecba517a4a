"""Who may do what, as a model: people, conversations and random acts, with what the guide says becomes of each.

A script is plain data: the acts one after another, each with numbers that are counted round over whoever and whatever there
is. So what was found is kept as it was told, and tried first in every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import strategies as st

__all__ = ["ACTS", "AGENTS", "EVERYBODY", "GUEST", "KINDS", "Act", "Conversation", "Expected", "World", "scripts"]

AGENTS = ("Ada", "Bob", "Cyd")
GUEST = "Gus"
EVERYBODY = (*AGENTS, GUEST)
Kind = Literal["closed", "open", "public", "direct"]
KINDS: tuple[Kind, ...] = ("closed", "open", "public", "direct")
ACTS = (
    "creates", "invites", "invites by mail", "joins", "knocks at", "upgrades", "leaves", "kicks from", "bans from",
    "lists", "names", "goes on or off the red list",
)  # fmt: skip
Expected = Literal["taken", "refused", "open"]
"""What must become of an act; `open` where the guide says nothing, and the act is left out."""


@dataclass(frozen=True)
class Act:
    """Somebody does something, to somebody, in a conversation."""

    does: str
    who: str
    room: int = 0
    whom: str = ""
    kind: Kind = "closed"

    def __str__(self) -> str:
        """Tell it."""
        where = f" room {self.room}" if self.does not in ("creates", "goes on or off the red list") else ""
        whom = f" ({self.whom})" if self.does in ("invites", "kicks from", "bans from") else ""
        what = (
            f" a {self.kind} room" + (f" with {self.whom}" if self.kind == "direct" else "") if self.does == "creates" else ""
        )
        return f"{self.who} {self.does}{what}{where}{whom}"


@dataclass
class Conversation:
    """What is so of a conversation: `members` by name as join, invite or ban; `levels` as its power levels say."""

    kind: Kind
    room_id: str
    pair: frozenset[str] = frozenset()
    members: dict[str, str] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    needs: Mapping[str, int] = field(default_factory=dict)

    def joined(self) -> list[str]:
        """Give who is in it."""
        return [name for name, member in self.members.items() if member == "join"]

    def may(self, who: str, what: str) -> bool:
        """Tell whether somebody is in it, and has the power."""
        return self.members.get(who) == "join" and self.levels.get(who, 0) >= self.needs[what]


@dataclass
class World:
    """All conversations, and who is on the red list."""

    rooms: list[Conversation] = field(default_factory=list)
    red: set[str] = field(default_factory=set)

    def room(self, act: Act) -> Conversation | None:
        """Give the conversation that an act is about."""
        standing = [room for room in self.rooms if room.joined()]
        return standing[act.room % len(standing)] if standing else None

    def expects(self, act: Act) -> Expected:
        """Say what must become of an act."""
        if act.does == "creates":
            return "refused" if act.who == GUEST else "open" if act.whom in (act.who, GUEST) else "taken"
        if act.does == "goes on or off the red list":
            return "open" if act.who == GUEST else "taken"
        room = self.room(act)
        if room is None:
            return "open"
        if act.does in ("kicks from", "bans from", "invites") and act.whom == act.who:
            return "open"
        return _EXPECTED[act.does](room, act)

    def becomes(self, act: Act) -> None:
        """Take note of what was taken."""
        room = self.room(act)
        if act.does == "goes on or off the red list":
            self.red ^= {act.who}
        elif room is None or act.does == "creates":
            return
        elif act.does == "joins":
            room.members[act.who] = "join"
        elif act.does == "invites":
            room.members[act.whom] = "invite"
        elif act.does == "leaves":
            room.members.pop(act.who, None)
        elif act.does == "kicks from":
            room.members.pop(act.whom, None)
        elif act.does == "bans from":
            room.members[act.whom] = "ban"
        elif act.does == "upgrades":
            # The conversation goes on in another room, which has its own rules again.
            self.rooms.remove(room)


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
    what = "ban" if act.does == "bans from" else "kick"
    member = room.members.get(act.whom)
    if member == "ban" or (what == "kick" and member is None):
        return "open"
    return _taken_if(room.may(act.who, what) and room.levels.get(act.whom, 0) < room.levels.get(act.who, 0))


def _lists(room: Conversation, act: Act) -> Expected:
    if room.kind != "public":
        return "refused"
    return _taken_if(act.who != GUEST and room.may(act.who, "list"))


def _names(room: Conversation, act: Act) -> Expected:
    del room
    return "refused" if act.who == GUEST else "open"


_EXPECTED = {
    "invites": _invites,
    "invites by mail": _invites_by_mail,
    "joins": _joins,
    "knocks at": _knocks,
    "upgrades": _upgrades,
    "leaves": _leaves,
    "kicks from": _removes,
    "bans from": _removes,
    "lists": _lists,
    "names": _names,
}


def _acts() -> st.SearchStrategy[Act]:
    people = st.sampled_from(EVERYBODY)
    often = st.sampled_from((*ACTS, "invites", "invites", "joins", "joins", "joins", "kicks from"))
    return st.builds(Act, often, people, st.integers(0, 2), people, st.sampled_from(KINDS))


def scripts(longest: int) -> st.SearchStrategy[tuple[Act, ...]]:
    """Give scripts: first a conversation or two, then whatever comes."""
    opening = st.builds(
        Act, st.just("creates"), st.sampled_from(AGENTS), whom=st.sampled_from(AGENTS), kind=st.sampled_from(KINDS)
    )
    first = st.lists(opening, min_size=1, max_size=2)
    return st.tuples(first, st.lists(_acts(), max_size=longest)).map(lambda parts: (*parts[0], *parts[1]))
