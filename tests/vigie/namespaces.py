"""Network namespaces of a test's own, each a machine as far as one can be had here: its own loopback, maybe its own clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

_RELAY = str(Path(__file__).parent / "relay.py")


def ensure_allowed() -> None:
    """Skip, and say why, where no namespace can be made: nothing was tried then."""
    if os.geteuid() != 0:
        pytest.skip("root alone makes network namespaces: workers in some were not tried")
    for program in ("ip", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} (iproute2, util-linux): workers in network namespaces were not tried")
    tried = subprocess.run(["unshare", "--net", "--time", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no namespaces can be made here ({tried.stderr.strip()}): workers in some were not tried")


@contextmanager
def namespace(number: int, addresses: Sequence[str], clock: int = 0) -> Iterator[list[str]]:
    """Make a namespace in which these addresses of this machine's loopback are reached; gives how a command begins there.

    `clock` is by how many seconds its monotonic clock is ahead.
    """
    name = f"vigie-{os.getpid()}-{number}"
    inside = ["ip", "netns", "exec", name]
    with ExitStack() as standing:
        subprocess.run(["ip", "netns", "add", name], check=True)
        standing.callback(subprocess.run, ["ip", "netns", "del", name], check=True)
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        # The path of a Unix socket is short.
        folder = standing.enter_context(tempfile.TemporaryDirectory(prefix="vigie-", dir="/tmp"))
        for side, prefix in (("outside", []), ("inside", inside)):
            standing.enter_context(_relay([*prefix, sys.executable, _RELAY, side, folder, *addresses]))
        ahead = ["unshare", "--time", "--monotonic", str(clock), "--fork", "--kill-child"] if clock else []
        yield [*inside, *ahead]


@contextmanager
def _relay(command: Sequence[str]) -> Iterator[None]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdin is not None and relay.stdout is not None
        try:
            assert relay.stdout.readline() == "ready\n"
            yield
        finally:
            relay.stdin.close()
            relay.kill()
