"""`vigie load --profile smoke`: it holds on a good day, tells a slow server, and believes nothing when it is starved itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from fixtures.deployment import Deployment
from reports.load import LoadReport, read_load
from tests.load.troublemaker import Mischief, between
from tests.vigie.conftest import Vigie

ROOT = Path(__file__).parent.parent.parent


def missed(report: LoadReport) -> set[str]:
    return {objective.id for objective in report.objectives if not objective.met}


def test_smoke_holds_on_the_embedded_default(vigie: Vigie, tmp_path: Path) -> None:
    """A minute of real encrypted traffic: nothing lost, nothing undecryptable, a figure for every objective, exit code 0."""
    ran = vigie("load", "--profile", "smoke", "--out", str(tmp_path))
    report = read_load(tmp_path / "load.json")
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    assert all(objective.value is not None for objective in report.objectives)
    assert not report.offences and report.counts["decrypted-crowd"] > 0 and report.counts["decrypted-canaries"] > 0
    # Everything that was sent reached everybody.
    assert report.counts["delivered"] == report.counts["expected"] > report.counts["sends"] > 0


def test_smoke_tells_a_server_that_is_slow(deployment: Deployment, vigie: Vigie, tmp_path: Path) -> None:
    """With three seconds put before each answer the acknowledgements are late, and nothing else is blamed but lateness."""
    with between(deployment, tmp_path, Mischief(delay=3.0), armed=False) as slowed:
        # Who is there is made before the server slows down.
        made = vigie("populate", "--deployment", str(slowed.toml), "--profile", "smoke")
        assert made.returncode == 0, made.stderr
        slowed.arm()
        out = tmp_path / "out"
        # So few acts that everybody has the time for them: nothing is dropped that would be late too.
        more = ("--rate", "1", "--measured", "30", "--out", str(out))
        ran = vigie("load", "--profile", "smoke", "--deployment", str(slowed.toml), *more)
    assert ran.returncode == 1, ran.stdout[-3000:] + ran.stderr[-3000:]
    report = read_load(out / "load.json")
    late = {"acknowledged-p99", "seen-p99-by-room-size", "decrypted-p99"}
    assert "acknowledged-p99" in missed(report) <= late, missed(report)
    assert not report.health.ailments


def test_smoke_believes_nothing_when_the_generator_is_starved(warm: str, tmp_path: Path) -> None:
    """Others take the processor away from the generator while it measures: whatever it found, nobody is judged by it."""
    command = [sys.executable, "-m", "vigie.cli", "load", "--profile", "smoke", "--measured", "15"]
    command += ["--deployment", warm, "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as ran:
        assert ran.stdout is not None
        said: list[str] = []
        for line in ran.stdout:
            said.append(line)
            if "people are there after" in line:
                break
        generator = next(each for each in psutil.Process(ran.pid).children() if "load.run" in each.cmdline())
        with starved(generator):
            for line in ran.stdout:
                said.append(line)
                if "cool-down:" in line or "grace:" in line:
                    break
        said += ran.stdout
        assert ran.wait(300) == 3, "".join(said)
    report = read_load(tmp_path / "load.json")
    assert report.outcome == "cannot-tell" and report.health.ailments, report.health


@contextmanager
def starved(process: psutil.Process) -> Iterator[None]:
    """Leave a process one processor, and put others before it there."""
    processor = min(os.sched_getaffinity(0))
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]

    def end() -> None:
        for each in spinning:
            each.kill()

    try:
        for each in spinning:
            os.sched_setaffinity(each.pid, {processor})
        for thread in process.threads():
            os.sched_setaffinity(thread.id, {processor})
            os.setpriority(os.PRIO_PROCESS, thread.id, 10)
        # The run ends in its own time whatever becomes of this test.
        giving_up = threading.Timer(120, end)
        giving_up.start()
        yield
        giving_up.cancel()
    finally:
        end()
        for each in spinning:
            each.wait()
