"""What was made of a population, in a file that its owner alone can read: accounts, sessions, keys, rooms.

It is a list of records, each written when something was done, so that whoever was interrupted goes on from there. A record
that comes later holds; the file is written anew, without what is superseded, when it is closed.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from vodozemac import Account

from fixtures.deployment import Deployment
from fixtures.errors import DeploymentError
from scenarios.wire import Unreachable

__all__ = ["Records", "Store", "fingerprint", "population_file"]

SCHEMA = "vigie.population/1"


def fingerprint(deployment: Deployment) -> str:
    """Give what tells this deployment from another one with the same names: its servers, and the authority it trusts."""
    ca = deployment.ca.read_bytes() if deployment.ca and deployment.ca.exists() else b""
    names = repr([each.server_name for each in deployment.homeservers]).encode()
    return hashlib.sha256(ca + names).hexdigest()[:16]


def population_file(root: Path, deployment: Deployment, shape: str) -> Path:
    """Give where a deployment's population of this shape is kept."""
    return root / f"{deployment.name}-{fingerprint(deployment)}-{hashlib.sha256(shape.encode()).hexdigest()[:8]}.jsonl"


class Records:
    """What is known of a population, by kind and name; whoever keeps it says what becomes of a change."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._records: dict[tuple[str, str], Any] = {}
        self._key = b""
        self.trouble = ""
        """Why what was put last could not be written down, in a line."""

    def get(self, kind: str, name: str) -> Any:
        """Give a record's value, or None."""
        return self._records.get((kind, name))

    def all(self, kind: str) -> Mapping[str, Any]:
        """Give every record of a kind, by name."""
        return {name: value for (each, name), value in self._records.items() if each == kind}

    def put(self, kind: str, name: str, value: Any) -> None:
        """Write a record down."""
        self._records[kind, name] = value

    def keep_account(self, name: str, account: Account) -> None:
        """Write a device's keys down, before anything made of them is published."""
        self.put("account", name, account.pickle(self._key))

    def account(self, name: str) -> Account:
        """Give a device's keys; raises LookupError when there are none."""
        pickle = self.get("account", name)
        if pickle is None:
            raise LookupError(f"no keys of device {name}")
        return Account.from_pickle(pickle, self._key)


class Store(Records):
    """The records of one population, in its file; one process at a time may have it open."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin one. Raises `DeploymentError` when somebody else has it open or it is no such file."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        super().__init__()
        self.path = path
        self.on_trouble: Callable[[], None] | None = None
        """Called in the middle of a run, when the file takes no more: whoever put something does not hear of it."""
        self._file = self._open(path)
        self._read()
        key = self.get("pickle-key", "")
        if key is None:
            key = base64.b64encode(secrets.token_bytes(32)).decode()
            self.put("schema", "", SCHEMA)
            self.put("pickle-key", "", key)
        self._key = base64.b64decode(key)

    @staticmethod
    def _open(path: Path) -> IO[str]:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise DeploymentError(f"{path}: another run uses this population") from None
        return os.fdopen(descriptor, "r+", encoding="utf-8")

    def _read(self) -> None:
        self._file.seek(0)
        lines = self._file.read().split("\n")
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                kind, name, value = json.loads(line)
            except ValueError:
                if number == len(lines):  # killed in the middle of a line: what it told had not been relied upon
                    self._rewrite()
                    return
                raise DeploymentError(f"{self.path}:{number}: not a record of a population; remove the file") from None
            self._records[kind, name] = value

    def put(self, kind: str, name: str, value: Any) -> None:
        """Write a record down.

        Raises `DeploymentError` where the file takes no more, or, with `on_trouble`, `Unreachable` for keys alone: those must
        not be published then.
        """
        super().put(kind, name, value)
        try:
            self._file.write(json.dumps([kind, name, value], ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            if self.on_trouble is None:
                raise DeploymentError(self._told(error)) from None
            # It comes into the report, where paths of this machine have no place.
            self.trouble = self._told(error).removeprefix(f"{self.path.parent.parent}/")
            self.on_trouble()
            if kind == "account":
                raise Unreachable(self.trouble) from None

    def _told(self, error: OSError) -> str:
        return f"{self.path}: cannot be written: {error.strerror or error}"

    def forget(self) -> None:
        """Forget everything but the file's own key: what it tells of is not there any more."""
        self._records = {key: value for key, value in self._records.items() if key[0] in ("schema", "pickle-key")}
        try:
            self._rewrite()
        except OSError as error:
            raise DeploymentError(self._told(error)) from None

    def _rewrite(self) -> None:
        scratch = self.path.with_suffix(".new")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for (kind, name), value in self._records.items():
                file.write(json.dumps([kind, name, value], ensure_ascii=False) + "\n")
        scratch.replace(self.path)
        replaced, self._file = self._file, self._open(self.path)
        replaced.close()

    def close(self) -> None:
        """Write the file without what is superseded, and close it; one that takes no more stays as long as it is."""
        with suppress(OSError):
            self._rewrite()
        self.path.with_suffix(".new").unlink(missing_ok=True)
        with suppress(OSError):
            self._file.close()
