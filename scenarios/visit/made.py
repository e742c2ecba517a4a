"""What was made on somebody else's deployment, written down on disk as it is made, for whoever takes it away.

Lines of JSON, each flushed to the disk before anything goes on; all workers of a run append to one file. It holds the
tokens and passwords that taking away needs, is readable by its owner alone, and goes when nothing is left. A run takes what
its journal names away at its end; what the journal of a population names is kept until somebody wants it gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from fixtures.deployment import Deployment
from fixtures.embedded import PROJECT
from fixtures.errors import FixtureError
from fixtures.journal import Journal, Started, identity_of, is_alive
from fixtures.loopback import is_loopback

__all__ = [
    "Account",
    "Device",
    "Kind",
    "Made",
    "Opening",
    "Room",
    "Things",
    "home",
    "is_visited",
    "journals",
    "new_tag",
    "populations",
]

Kind = Literal["run", "population"]


def is_visited(deployment: Deployment) -> bool:
    """Tell whether a deployment is somebody else's: every one but what runs on this machine and has a launcher's journal.

    A file that `vigie up` wrote may have been copied and given other addresses: what it says of its kind is not so any more.
    """
    if deployment.kind == "remote" or deployment.storage is None or deployment.storage.processes is None:
        return True
    here = all(is_loopback(urlsplit(each.url).hostname or "") for each in deployment.homeservers)
    return not here or not (deployment.storage.processes / Journal.NAME).is_file()


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
class Device:
    """A device that was logged in, or may have been, on an account that stays."""

    device_id: str
    server: str
    user_id: str
    token: str = ""


@dataclass
class Opening:
    """A room that somebody asked for, on which server, and that may be there though the answer gave none.

    It was `answered` where a refusal came: Synapse refuses a room because of who is invited when it is made already.
    """

    server: str
    user_id: str
    answered: bool = False


@dataclass
class Things:
    """What is still there, as far as the journal knows.

    `openings` have keys of their own. `files` were uploaded: by `mxc` URI, the homeserver that has them.
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    openings: dict[str, Opening] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything is left."""
        return bool(self.accounts or self.rooms or self.devices or self.openings or self.files)

    def told(self) -> str:
        """Count in words."""
        devices = f", {len(self.devices)} devices" if self.devices else ""
        files = f", {len(self.files)} files" if self.files else ""
        return f"{len(self.accounts)} accounts{devices}{files} and {len(self.rooms)} rooms"


class Made:
    """The journal of one run, or of one population."""

    def __init__(self, path: Path) -> None:
        """Use the journal at this path; :meth:`begin` makes it."""
        self.path = path

    @property
    def tag(self) -> str:
        """The tag that what is made bears."""
        return self.path.stem

    def begin(self, deployment: Deployment, kind: Kind = "run", **more: str) -> None:
        """Make the journal, and say whose it is; `more` is told in its head too.

        Raises `FixtureError`, and leaves nothing, where it cannot be written: then nothing may be made.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError as error:
            raise FixtureError(f"{self.path}: what is made could not be written down: {error.strerror}") from None
        servers = sorted(each.server_name for each in deployment.homeservers)
        pid = os.getpid()
        whose = {"deployment": deployment.name, "servers": servers, "pid": pid, "born": identity_of(pid)}
        try:
            self._append({"what": kind, **whose, **more})
        except FixtureError:
            self.path.unlink()
            raise

    def note(self, what: str, **details: Any) -> None:
        """Write something down; it is on the disk when this returns. Raises `FixtureError` where the disk does not take it."""
        self._append({"what": what, **details})

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        # Never made anew: a worker that outlives its run must not begin a journal that nobody reads.
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            # Half a line, of a full disk or a machine that stopped, must not take this one with it.
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            # A disk that becomes full takes a part, and says so only when it is given the rest.
            while line:
                line = line[os.write(descriptor, line) :]
            os.fsync(descriptor)
        except OSError as error:
            raise FixtureError(f"{self.path}: what is made could not be written down: {error.strerror}") from None
        finally:
            os.close(descriptor)

    def _entries(self) -> list[dict[str, Any]]:
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                # The machine stopped in the middle of a line, or the disk was full: what it was about was not asked for.
                continue
        return found

    def head(self) -> dict[str, Any]:
        """Give what `begin` wrote."""
        entries = self._entries() if self.path.exists() else []
        return entries[0] if entries and entries[0].get("what") in ("run", "population") else {}

    @property
    def kind(self) -> Kind:
        """Whether it is a run's or a population's."""
        return "population" if self.head().get("what") == "population" else "run"

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
            things.openings.pop(entry.get("opening", ""), None)
        case "opening":
            answered = bool(entry.get("answered"))
            things.openings[entry["opening"]] = Opening(entry["server"], entry["user_id"], answered)
        case "device":
            known_device = Device(entry["device_id"], entry["server"], entry["user_id"])
            device = things.devices.setdefault(entry["device_id"], known_device)
            device.token = entry.get("token") or device.token
        case "file":
            things.files[entry["content_uri"]] = entry["server"]
        case "gone":
            things.accounts.pop(entry.get("key", ""), None)
            things.rooms.pop(entry.get("room_id", ""), None)
            things.devices.pop(entry.get("device_id", ""), None)
            things.openings.pop(entry.get("opening", ""), None)
            things.files.pop(entry.get("content_uri", ""), None)


def journals(deployment: Deployment, folder: Path | None = None) -> list[Made]:
    """Give the journals of runs on this deployment, known by the name of any of its homeservers."""
    return [each for each in _of(deployment, folder) if each.kind == "run"]


def populations(deployment: Deployment, folder: Path | None = None) -> list[Made]:
    """Give the journals of the populations that are kept on this deployment."""
    return [each for each in _of(deployment, folder) if each.kind == "population"]


def _of(deployment: Deployment, folder: Path | None) -> list[Made]:
    # One in common is enough: the TOML may have gained or lost a homeserver since, and what was made is still there.
    servers = {each.server_name for each in deployment.homeservers}
    found = [Made(path) for path in sorted((folder or home()).glob("*.jsonl"))]
    return [each for each in found if servers & set(each.head().get("servers", ()))]


def new_tag() -> str:
    """Give a tag: letters alone, since it becomes part of people's names."""
    return "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz") for _ in range(4))
