"""The workers that a master starts on its own machine: processes of its own, which end with it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

__all__ = ["Processes"]

_PATIENCE = 8.0


class Processes:
    """Worker processes, each by the very command that one on another machine is started by."""

    def __init__(self, count: int, port: int) -> None:
        """Start so many, for the master at this port."""
        command = [
            sys.executable,
            "-m",
            "load.run",
            "--started-by",
            str(os.getpid()),
            "--worker",
            "--quiet",
            "--master-host",
            "127.0.0.1",
            "--master-port",
            str(port),
        ]
        # A terminal's Ctrl-C is the master's affair: it has them hand over what they measured.
        self._started = [subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) for _ in range(count)]

    def ended(self, pid: int) -> bool:
        """Tell whether one of them ended."""
        return any(each.pid == pid and each.poll() is not None for each in self._started)

    def any_ended(self) -> bool:
        """Tell whether any ended."""
        return any(each.poll() is not None for each in self._started)

    def end(self) -> None:
        """Wait until all have ended, as they were told to; who does not is ended."""
        for process in self._started:
            for end in (process.poll, process.terminate, process.kill):
                end()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_PATIENCE)
                    break
