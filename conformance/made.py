"""What a run made on somebody else's deployment, written down on disk as it is made, for whoever takes it away.

Lines of JSON, each flushed to the disk before the run goes on; all workers of a run append to one file. It holds the
tokens and passwords that taking away needs, is readable by its owner alone, and goes when nothing is left.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fixtures.deployment import Deployment
from fixtures.embedded import PROJECT
from fixtures.journal import Started, identity_of, is_alive

__all__ = ["Account", "Made", "Room", "Things", "home", "journals"]


def home() -> Path:
    """Folder of the journals of this checkout."""
    return PROJECT / ".vigie" / "journals"


@dataclass
class Account:
    """An account that was made or may have been: `user_id` is empty where only its address is known.

    It is `sure` once the server said so.
    """

    server: str
    user_id: str = ""
    address: str = ""
    password: str = ""
    token: str = ""
    sure: bool = False
    key: str = ""


@dataclass
class Room:
    """A room that was made, by whom, and the aliases it got."""

    room_id: str
    server: str
    user_id: str = ""
    aliases: list[str] = field(default_factory=list)


@dataclass
class Things:
    """What is still there, as far as the journal knows."""

    accounts: dict[str, Account] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything is left."""
        return bool(self.accounts or self.rooms)

    def told(self) -> str:
        """Count in words."""
        return f"{len(self.accounts)} accounts and {len(self.rooms)} rooms"


class Made:
    """The journal of one run."""

    def __init__(self, path: Path) -> None:
        """Use the journal at this path; :meth:`begin` makes it."""
        self.path = path

    @property
    def tag(self) -> str:
        """The run's tag, which what it makes bears."""
        return self.path.stem

    def begin(self, deployment: Deployment) -> None:
        """Make the journal, and say whose it is."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        servers = sorted(each.server_name for each in deployment.homeservers)
        pid = os.getpid()
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._append({"what": "run", "deployment": deployment.name, "servers": servers, "pid": pid, "born": identity_of(pid)})

    def note(self, what: str, **details: Any) -> None:
        """Write something down; it is on the disk when this returns."""
        self._append({"what": what, **details})

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry) + "\n"
        # Never made anew: a worker that outlives its run must not begin a journal that nobody reads.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _entries(self) -> list[dict[str, Any]]:
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                # The machine stopped in the middle of a line: what it was about had not been asked for yet.
                continue
        return found

    def head(self) -> dict[str, Any]:
        """Give what `begin` wrote."""
        entries = self._entries() if self.path.exists() else []
        return entries[0] if entries and entries[0].get("what") == "run" else {}

    def under_way(self) -> bool:
        """Tell whether the run that writes here still lives."""
        head = self.head()
        return bool(head) and is_alive(Started("run", head["pid"], head["born"]))

    def count(self) -> int:
        """Count the accounts that were made so far, also those that are gone again."""
        return len({entry["key"] for entry in self._entries() if entry["what"] == "account"})

    def things(self) -> Things:
        """Give what is left."""
        things = Things()
        for entry in self._entries():
            _take(things, entry)
        return things

    @property
    def _closing(self) -> Path:
        return self.path.with_suffix(".closing")

    def close(self) -> None:
        """Let nothing more be made: what is there is about to be taken away."""
        self._closing.touch(0o600)

    def is_closing(self) -> bool:
        """Tell whether nothing more may be made."""
        return self._closing.exists() or not self.path.exists()

    def end(self) -> None:
        """Forget the run, with its secrets: nothing of it is left."""
        self.path.unlink(missing_ok=True)
        self._closing.unlink(missing_ok=True)


def _take(things: Things, entry: dict[str, Any]) -> None:
    match entry["what"]:
        case "account":
            # Told several times: before it is made, when it is there, when it logs in or changes its password.
            known = things.accounts.setdefault(entry["key"], Account(entry["server"], key=entry["key"]))
            for name in ("user_id", "address", "password", "token", "sure"):
                if entry.get(name):
                    setattr(known, name, entry[name])
        case "room":
            room = things.rooms.setdefault(entry["room_id"], Room(entry["room_id"], entry["server"], entry["user_id"]))
            room.aliases += [each for each in entry.get("aliases", ()) if each not in room.aliases]
        case "gone":
            things.accounts.pop(entry.get("key", ""), None)
            things.rooms.pop(entry.get("room_id", ""), None)


def journals(deployment: Deployment, folder: Path | None = None) -> list[Made]:
    """Give the journals of runs on this deployment, known by its homeservers' names."""
    servers = sorted(each.server_name for each in deployment.homeservers)
    found = [Made(path) for path in sorted((folder or home()).glob("*.jsonl"))]
    return [each for each in found if each.head().get("servers") == servers]
