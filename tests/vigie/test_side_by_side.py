"""`scripts/side_by_side.py`: what `make test` runs beside each other is told apart, and ends with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

SCRIPT = Path(__file__).parent.parent.parent / "scripts" / "side_by_side.py"


def test_all_run_to_their_ends_and_the_first_failure_is_the_exit_code() -> None:
    """One fails at once, the other says something afterwards: both are heard, by their names."""
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), "one=sh -c 'echo dit; exit 3'", "two=sh -c 'sleep 0.2; echo fait'"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 3
    assert {"one | dit", "two | fait"} <= set(ran.stdout.splitlines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_it(number: signal.Signals) -> None:
    """It is ended, or killed, while one of them is at work."""
    run = subprocess.Popen([sys.executable, str(SCRIPT), "one=sh -c 'echo ready; exec sleep 300'"], stdout=subprocess.PIPE)
    assert run.stdout is not None and run.stdout.readline() == b"one | ready\n"
    children = psutil.Process(run.pid).children()
    assert len(children) == 1
    run.send_signal(number)
    assert run.wait(30) != 0
    assert not psutil.wait_procs(children, timeout=30)[1], "a command outlived it"


def test_a_command_without_a_name_is_refused_in_a_line() -> None:
    ran = subprocess.run([sys.executable, str(SCRIPT), "true"], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 4 and len(ran.stderr.splitlines()) == 1
