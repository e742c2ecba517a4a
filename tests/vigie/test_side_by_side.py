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


# Somebody at work, who tidies up when interrupted.
AT_WORK = """\
import pathlib, sys, time
try:
    print("ready", flush=True)  # within: who reads it may interrupt at once
    time.sleep(300)
except KeyboardInterrupt:
    pathlib.Path(sys.argv[1]).touch()
"""


# As a shell starts what it has in the background: deaf to Ctrl-C.
IN_THE_BACKGROUND = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_it_and_all_tidy_up(number: signal.Signals, tmp_path: Path) -> None:
    """It is ended, or killed, while one of them is at work; a shell had started it in the background."""
    (tmp_path / "at_work.py").write_text(AT_WORK)
    command = [sys.executable, str(SCRIPT), f"one={sys.executable} {tmp_path / 'at_work.py'} {tmp_path / 'tidy'}"]
    run = subprocess.Popen([*IN_THE_BACKGROUND, *command], stdout=subprocess.PIPE)
    assert run.stdout is not None and run.stdout.readline() == b"one | ready\n"
    children = psutil.Process(run.pid).children()
    assert len(children) == 1
    run.send_signal(number)
    assert run.wait(30) != 0
    assert not psutil.wait_procs(children, timeout=30)[1], "a command outlived it"
    assert (tmp_path / "tidy").exists(), "it died as it was"


def test_a_command_without_a_name_is_refused_in_a_line() -> None:
    ran = subprocess.run([sys.executable, str(SCRIPT), "true"], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 4 and len(ran.stderr.splitlines()) == 1
