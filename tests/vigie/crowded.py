"""What tests of shared load runs have in common: a profile with two circles, a run that is watched, what is left after it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from load.arrivals import schedule
from load.profile import Profile
from reports.load import LoadReport, read_load

ROOT = Path(__file__).parent.parent.parent

# Two circles. What is held to be true here does not depend on how busy the machine is, nor on who happens to write to whom:
# half are canaries, since a run in which none of a few was written to would have no figure for them, and fail.
PROFILE = """\
schema = "vigie.profile/1"
name = "two-circles"
title = "Two circles of people"
seed = 11

[population]
people = 18
guests = 2
canaries = 0.5
decrypting = 1.0
two_devices = 0.25

[population.rooms]
direct = 4
private = 4
sizes = { shape = "fixed", median = 4, least = 3, most = 5 }

[arrivals]
shape = "constant"
rate = 3.0

[mix]
send = 10
receipt = 2
typing = 1
guest-send = 1

[windows]
warm_up = 2
measured = 12
cool_down = 1
grace = 90

[generator]
processor = 8
loop_lag_ms = 60000
slip_ms = 60000
dropped = 1.0

[[objectives]]
id = "nothing-lost"
figure = "lost"
at_most = 0

[[objectives]]
id = "nothing-doubled"
figure = "duplicated"
at_most = 0

[[objectives]]
id = "canaries-decrypt-all"
figure = "undecryptable"
of = "canaries"
at_most = 0

[[objectives]]
id = "crowd-decrypts-all"
figure = "undecryptable-share"
of = "crowd"
at_most = 0
"""


def due(profile: Path, shard: int = 0, shards: int = 1) -> int:
    """Count the arrivals of a share."""
    return sum(1 for _ in schedule(Profile.read(profile), shard, shards))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Watched:
    """A command whose lines are read as they come."""

    process: subprocess.Popen[str]
    seen: list[str] = field(default_factory=list)

    def until(self, what: str) -> None:
        """Read until a line has this in it."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(line)
            if what in line:
                return
        raise AssertionError(f"it ended without {what!r}:\n{self.text}")

    def end(self, code: int) -> None:
        """Read to the end, and hold it to its exit code."""
        assert self.process.stdout is not None
        self.seen += self.process.stdout.readlines()
        assert self.process.wait(120) == code, self.text
        assert "Traceback" not in self.text, self.text

    @property
    def text(self) -> str:
        return "".join(self.seen)

    def family(self) -> list[psutil.Process]:
        """Give it and everything it started."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def workers(self) -> list[psutil.Process]:
        return [each for each in self.family() if "load.run" in each.cmdline() and "--worker" in each.cmdline()]


@contextmanager
def watched(*command: str, **environment: str) -> Iterator[Watched]:
    """Start a command; whatever happens, nothing of it is left."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
        start_new_session=True,
    )
    found = Watched(process)
    try:
        yield found
    finally:
        if process.poll() is None:
            for each in found.family():
                each.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def vigie(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "vigie.cli", *arguments)


def interrupt(command: Watched) -> None:
    """Press Ctrl-C in the terminal that it runs in."""
    os.killpg(command.process.pid, signal.SIGINT)


def gone(processes: list[psutil.Process]) -> bool:
    """Tell whether all have ended, once they had a moment for it."""
    _, alive = psutil.wait_procs(processes, timeout=30)
    return not alive


def told(out: Path) -> LoadReport:
    return read_load(out / "load.json")
