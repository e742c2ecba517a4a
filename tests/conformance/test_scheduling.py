"""Checks that break parts are on one worker: on several, each would start its own to break. Those that take long come first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import conformance
from conformance.scheduling import breaks_parts, shares_search
from fixtures.deployment import Deployment

CHECKS = Path(conformance.__file__).parent


def test_whoever_takes_the_fragile_deployment_is_kept_together() -> None:
    """A file whose checks take `fragile` says so; others do not, and run wherever there is room."""
    taking = {path.name for path in CHECKS.glob("test_*.py") if "fragile: Fragile" in path.read_text(encoding="utf-8")}
    grouped = {path.name for path in CHECKS.glob("test_*.py") if breaks_parts(path.name)}
    assert taking == grouped
    assert "test_failures_messages.py" in taking and "test_guests.py" not in grouped


def test_whoever_shares_the_search_is_kept_together() -> None:
    """The checks that ask what one search told are in one file, and no other file is bound to one worker for it."""
    taking = {path.name for path in CHECKS.glob("test_*.py") if "leaks: Leaks" in path.read_text(encoding="utf-8")}
    assert taking == {path.name for path in CHECKS.glob("test_*.py") if shares_search(path.name)} == {"test_traces.py"}


def test_one_worker_runs_them_all(deployment: Deployment, tmp_path: Path) -> None:
    """Three workers share six checks, three of them in a file that breaks parts: those three run on the same one.

    The checks are stand-ins by the real files' names, since who runs what is all that is asked here.
    """
    assert deployment.storage is not None and deployment.storage.processes is not None
    seen, toml = tmp_path / "seen", deployment.storage.processes / "deployment.toml"
    body = f"import os\ndef note(n):\n    open({str(seen)!r}, 'a').write(n + ' ' + os.environ['PYTEST_XDIST_WORKER'] + '\\n')\n"
    for file in ("test_failures_messages.py", "test_guests.py"):
        tests = "".join(f"def test_{number}():\n    note('{file}')\n" for number in range(3))
        (tmp_path / file).write_text(body + tests)
    command = [sys.executable, "-m", "pytest", str(tmp_path), "-n", "3", "--dist", "loadgroup", "-p", "conformance.plugin"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKS.parent)}
    command += ["--rootdir", str(tmp_path), "-p", "no:cacheprovider", "--deployment", str(toml)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ran = [line.split() for line in seen.read_text().splitlines()]
    assert len(ran) == 6
    assert len({worker for file, worker in ran if file == "test_failures_messages.py"}) == 1


def test_whoever_takes_long_comes_first(deployment: Deployment, tmp_path: Path) -> None:
    """Whatever the order of the seed, the two checks that take long are begun before the ten others, which keep their own."""
    assert deployment.storage is not None and deployment.storage.processes is not None
    seen, toml = tmp_path / "seen", deployment.storage.processes / "deployment.toml"
    long = "@pytest.mark.long\n"
    tests = "".join(
        f"{long if number in (4, 9) else ''}def test_{number}():\n    open({str(seen)!r}, 'a').write('{number} ')\n"
        for number in range(12)
    )
    (tmp_path / "test_people.py").write_text(f"import pytest\n{tests}")
    orders = []
    for seed in ("1", "2"):
        seen.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", str(tmp_path), "-p", "no:xdist", "-p", "conformance.plugin"]
        command += ["--rootdir", str(tmp_path), "-p", "no:cacheprovider", "--deployment", str(toml), f"--randomly-seed={seed}"]
        environment = {**os.environ, "PYTHONPATH": str(CHECKS.parent)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        orders.append(seen.read_text().split())
    assert all(set(order[:2]) == {"4", "9"} and len(order) == 12 for order in orders), orders
    assert orders[0][2:] != orders[1][2:], "the seed orders the others"
