"""What the command says of itself: how it is asked again, and that a mistake is no verdict."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from load.options import parser, told_options

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("seed", ["20250711", "1234567890123456789", "9" * 400])
def test_the_command_that_is_told_asks_for_the_same_again(seed: str) -> None:
    asked = ["--profile", "smoke", "--rate", "1234567.5", "--seed", seed, "--find-capacity", "--precision", "0.25"]
    told = told_options(parser().parse_args(["--deployment", "somewhere.toml", *asked]))
    again = parser().parse_args(["--deployment", "somewhere.toml", *told])
    assert (again.rate, again.seed, again.find_capacity, again.precision) == (1234567.5, int(seed), True, 0.25)


def test_a_search_ends_at_an_answer_as_wide_as_half_of_its_lower_end_unless_asked_otherwise() -> None:
    assert parser().parse_args(["--deployment", "somewhere.toml", "--find-capacity"]).precision == 0.5


# In a process of its own: the command makes everything it imports gevent's.
_GOES_WRONG = """
import sys
from load import run
from reports.files import ReportError

def goes_wrong(options, stop):
    raise {what}

run._run = goes_wrong
sys.exit(run.main(["--deployment", "somewhere.toml"]))
"""


@pytest.mark.parametrize(
    ("what", "code", "says"),
    [
        ("ReportError('out/load.json: cannot be written: the disk is full')", 4, "out/load.json: cannot be written"),
        ("FileExistsError(17, 'File exists', 'out')", 4, "vigie load: out: File exists"),
        ("OSError(98, 'Address already in use')", 4, "vigie load: Address already in use"),
        ("ZeroDivisionError('of ours')", 3, "ZeroDivisionError"),
    ],
)
def test_what_goes_wrong_here_is_never_told_as_a_server_that_does_not_hold(what: str, code: int, says: str) -> None:
    """A disk that is full, a folder that is a file, a port that is taken: one line and 4; a mistake of ours: 3."""
    command = [sys.executable, "-W", "ignore", "-c", _GOES_WRONG.format(what=what)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert code == 3 or done.stderr.count("\n") == 1


@pytest.mark.parametrize(("more", "named"), [([], "vigie load"), (["--populate-only"], "vigie populate")])
def test_a_mistake_is_told_by_the_command_that_made_it(more: list[str], named: str, tmp_path: Path) -> None:
    """Whoever wrote `vigie populate` looks for their mistake there."""
    command = [sys.executable, "-m", "load.run", "--deployment", str(tmp_path / "nowhere.toml"), "--profile", "smoke", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == 4
    assert done.stderr.startswith(f"{named}: "), done.stderr


@pytest.fixture
def hang_ups_heard() -> Iterator[None]:
    """Have hang-ups end what is started from here, as from a terminal: under nohup it would not hear of them."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


_HUNG_UP = """
import os, signal, sys
{before}
from load import run

def goes_on(options, stop):
    os.kill(os.getpid(), signal.SIGHUP)
    return 3 if stop.wait(0.5) else 0

run._run = goes_on
sys.exit(run.main(["--deployment", "somewhere.toml"]))
"""


@pytest.mark.parametrize(("before", "code"), [("", 3), ("signal.signal(signal.SIGHUP, signal.SIG_IGN)", 0)])
@pytest.mark.usefixtures("hang_ups_heard")
def test_a_hang_up_ends_a_run_but_not_under_nohup(before: str, code: int) -> None:
    """`nohup vigie load --profile soak &`: whoever started it logs out, and it was cut short."""
    command = [sys.executable, "-W", "ignore", "-c", _HUNG_UP.format(before=before)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert done.returncode == code, done.stderr


def listens(pid: int, number: int) -> bool:
    """Tell whether a process has a handler for a signal."""
    (caught,) = re.findall(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(caught, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("hang_ups_heard")
def test_whatever_ends_it_while_it_is_loaded_ends_it_at_once_with_4(number: signal.Signals) -> None:
    """A service manager ends all of a command's processes at one moment; 3 says that something was measured."""
    command = [sys.executable, "-m", "load.run", "--worker", "--master-port", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        deadline = time.monotonic() + 20
        # Python itself takes Ctrl-C from the first moment on.
        while not (listens(process.pid, signal.SIGTERM) and listens(process.pid, number)):
            assert time.monotonic() < deadline, f"it never listened to {number.name}"
            time.sleep(0.005)
        process.send_signal(number)
        said, complained = process.communicate(timeout=20)
    assert (process.returncode, said) == (4, "")
    assert complained == "vigie load: interrupted before anything began\n"


_KILLED = """
import os, subprocess, sys
command = [sys.executable, "-m", "load.run", "--started-by", str(os.getpid()), "--worker", "--master-port", "1"]
os.write(1, b"%d" % subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)
os._exit(0)
"""


def test_it_goes_with_whoever_started_it_though_that_was_killed_while_it_was_loaded() -> None:
    """Later the kernel sees to it; until then nobody did, and a load went on that nobody could end."""
    started = subprocess.run([sys.executable, "-c", _KILLED], capture_output=True, text=True, timeout=60, cwd=ROOT, check=True)
    left = psutil.Process(int(started.stdout))
    try:
        assert not psutil.wait_procs([left], timeout=15)[1], "it waits for its master, and nobody for it"
    finally:
        if left.is_running():
            left.kill()


_FULL = """
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from load import run
from reports.files import ReportError
from tests.load.simulated import Server, play, profile, report

def full(*_):
    raise ReportError("out/load.json: cannot be written: No space left on device")

run.tell, out = full, Path(sys.argv[1])
told = report(profile(), play(profile(), Server()))
performance = SimpleNamespace(noticed=lambda: {"a thing": 3})
store, deployment = SimpleNamespace(all=lambda _: {}), SimpleNamespace(homeservers=())
one = SimpleNamespace(perform=lambda *_: (told, performance), deployment=deployment, store=store)
run._run = lambda *_: run._once(SimpleNamespace(out=out), one)
sys.exit(run.main(["--deployment", "somewhere.toml"]))
"""


def test_what_was_measured_is_told_though_the_disk_is_full(tmp_path: Path) -> None:
    """On the console at least: an hour of load is not to be had again for the asking."""
    command = [sys.executable, "-W", "ignore", "-c", _FULL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (4, "vigie load: out/load.json: cannot be written: No space left on device\n")
    assert "ok   nothing-lost: 0 (at most 0)" in done.stdout and done.stdout.endswith("HOLDS\n")
