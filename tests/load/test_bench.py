"""`make bench`: its parts run against real peers, its ratios are of what was measured, and nothing of it outlives it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

_ROOT = Path(__file__).parents[2]
_BENCH = [sys.executable, "-m", "load.bench"]


def test_everybody_sends_and_the_ratios_are_of_the_processor_time_of_each(tmp_path: Path) -> None:
    """A short round: whoever sends has a figure, and what is printed is what the file holds."""
    out = tmp_path / "bench.json"
    brief = ["--rounds", "1", "--seconds", "0.3", "--out", str(out)]
    ran = subprocess.run(
        [*_BENCH, "--only", "sending", "--only", "receiving", *brief],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(out.read_text())
    used = {who: told["processor_us"] for who, (told,) in found["sending"].items()}
    assert set(used) == {"wrk", "fast", "crowd", "unmeasured", "nio", "nio-memory"}
    assert all(told["number"] > 0 and told["processor_us"] > 0 for (told,) in found["sending"].values())

    table = dict(re.findall(r"^(\S.*?) +[\d.]+ +\d+   ([\d.]+) \(", ran.stdout, re.MULTILINE))
    assert float(table["Vigie's crowd, encrypted, measured"]) == pytest.approx(used["fast"] / used["crowd"], abs=0.006)
    beside = re.search(r"times those of matrix-nio's AsyncClient, encrypted: ([\d.]+) ", ran.stdout)
    assert beside and float(beside.group(1)) == pytest.approx(used["nio"] / used["crowd"], abs=0.06)

    assert all(told["number"] > 0 for told in found["receiving"])
    assert "receiving and decrypting: " in ran.stdout


def test_a_bench_that_was_killed_leaves_no_peer_behind(tmp_path: Path) -> None:
    """The kill -9 of a bench ends its nginx and the one that holds polls."""
    command = [*_BENCH, "--only", "schedule", "--out", str(tmp_path / "bench.json")]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bench:
        begun: list[psutil.Process] = []
        deadline = time.monotonic() + 60
        # nginx with its worker, who holds polls, and who sends: then all are there.
        while len(begun) < 4 and bench.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
            begun = psutil.Process(bench.pid).children(recursive=True)
        names = [each.name() for each in begun]
        assert names.count("nginx") == 2, names
        bench.send_signal(signal.SIGKILL)
    _ended, left = psutil.wait_procs(begun, timeout=30)
    assert not left, f"still there: {[each.name() for each in left]}"
