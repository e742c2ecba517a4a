"""What people do to one another's conversations, told so that what was told can be played again.

A script is acts one after another; rooms are numbered as they come to be. Found ones are told in one line, which
:func:`script` reads: it can be pasted as it is among the scripts that every run plays first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["AGENTS", "EVERYBODY", "GUEST", "HOMES", "KINDS", "OUTSIDER", "TELLINGS", "Act", "Kind", "Script", "script", "told"]

# Number of the homeserver that each agent is of.
HOMES = {"Ada": 0, "Bob": 1, "Cyd": 0, "Rem": 1}
AGENTS = tuple(HOMES)
GUEST = "Gus"
EVERYBODY = (*AGENTS, GUEST)
OUTSIDER = "Oda"
"""Somebody without an account, who tries all the same."""

Kind = Literal["closed", "open", "public", "direct"]
KINDS: tuple[Kind, ...] = ("closed", "open", "public")

TELLINGS = {
    "creates": "{who} creates {kind} room {room}",
    "opens": "{who} opens direct room {room} with {whom}",
    "invites": "{who} invites {whom} to room {room}",
    "mails": "{who} invites by mail to room {room}",
    "joins": "{who} joins room {room}",
    "joins by alias": "{who} joins room {room} by alias",
    "knocks": "{who} knocks at room {room}",
    "upgrades": "{who} upgrades room {room}",
    "leaves": "{who} leaves room {room}",
    "kicks": "{who} kicks {whom} from room {room}",
    "bans": "{who} bans {whom} from room {room}",
    "publishes": "{who} publishes room {room}",
    "unpublishes": "{who} takes room {room} off the list",
    "names": "{who} gives room {room} an alias",
    "searches": "{who} searches for {whom}",
    "hides": "{who} goes on or off the red list",
}
_READ = {does: re.compile(re.sub(r"{(\w+)}", r"(?P<\1>\\w+)", telling)) for does, telling in TELLINGS.items()}


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
        return TELLINGS[self.does].format(who=self.who, room=self.room, whom=self.whom, kind=self.kind)


Script = tuple[Act, ...]


def told(acts: Iterable[Act]) -> str:
    """Tell a script in one line."""
    return "; ".join(map(str, acts))


def script(line: str) -> Script:
    """Read a script as it is told; raises `ValueError` for what nobody tells so."""
    return tuple(_read(each.strip()) for each in line.split(";"))


def _read(telling: str) -> Act:
    for does, pattern in _READ.items():
        if found := pattern.fullmatch(telling):
            parts = found.groupdict()
            kind: Kind = "direct" if does == "opens" else next((kind for kind in KINDS if kind == parts.get("kind")), "closed")
            return Act(does, parts["who"], int(parts.get("room", 0)), parts.get("whom", ""), kind)
    raise ValueError(f"no act: {telling!r}")
