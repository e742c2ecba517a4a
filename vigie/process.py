"""A load process: started, waited for, and given the time to tell what it measured when somebody interrupts it."""

from __future__ import annotations

import signal
import subprocess

__all__ = ["NOT_SET_UP", "run_load"]

NOT_SET_UP = 4
_PATIENCE = 60.0


def run_load(command: list[str]) -> int:
    """Run a load process to its end; gives its exit code."""
    return _wait(subprocess.Popen(command))


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for the load process; an interruption is handed to it once, and then it has the time to tell what it measured."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(_PATIENCE)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
            raise KeyboardInterrupt from None
