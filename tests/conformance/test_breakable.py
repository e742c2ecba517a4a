"""The deployment that is there to be broken: it starts with the first check that breaks parts, and ends with the last."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import conformance
from fixtures.deployment import Deployment

CHECKS = Path(conformance.__file__).parent
# A deployment on paper, since when it comes and goes is all that is asked here.
STANDING_IN = """
import pytest
from types import SimpleNamespace
from conformance import deploying

def note(what):
    with open({seen!r}, "a") as file:
        file.write(what + "\\n")

def start(_plan, **_more):
    note("starts")
    return SimpleNamespace(deployment=deploying.Deployment.read(deploying.Path({toml!r})), stop=lambda: note("ends"))

deploying.Embedded = SimpleNamespace(start=start)

@pytest.fixture
def told(request):
    note(request.node.name)
"""
BREAKS = "@pytest.mark.breaking\ndef test_{name}(breakable, told):\n    pass\n"
LOOKS = "def test_{name}(told):\n    pass\n"


def run(deployment: Deployment, folder: Path, files: dict[str, str], *more: str) -> list[str]:
    assert deployment.storage is not None and deployment.storage.processes is not None
    toml, seen = deployment.storage.processes / "deployment.toml", folder / "seen"
    (folder / "conftest.py").write_text(STANDING_IN.format(seen=str(seen), toml=str(toml)))
    for file, content in files.items():
        (folder / file).write_text("import pytest\n" + content)
    command = [sys.executable, "-m", "pytest", str(folder), "-p", "conformance.plugin", "-p", "no:randomly", *more]
    command += ["--rootdir", str(folder), "-p", "no:cacheprovider", "--deployment", str(toml), "--breakable", "own"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKS.parent)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.removeprefix("test_") for line in seen.read_text().splitlines()]


def test_it_ends_when_nothing_that_breaks_parts_is_left(deployment: Deployment, tmp_path: Path) -> None:
    """A process that has all checks keeps it for the last of them, whatever comes between; nobody else has it started."""
    story = {"one": LOOKS, "two": BREAKS, "three": LOOKS, "four": BREAKS, "five": LOOKS}
    content = "".join(test.format(name=name) for name, test in story.items())
    seen = run(deployment, tmp_path, {"test_mixed.py": content})
    assert seen == ["one", "starts", "two", "three", "four", "ends", "five"]


def test_its_worker_ends_it_and_goes_on(deployment: Deployment, tmp_path: Path) -> None:
    """The one worker that breaks parts starts and ends it once, and not at the end of the run: it looks on afterwards."""
    breaking = "".join(BREAKS.format(name=f"breaks{number}") for number in range(3))
    looking = "".join(LOOKS.format(name=f"looks{number}") for number in range(40))
    files = {"test_failures_messages.py": breaking, "test_guests.py": looking}
    seen = run(deployment, tmp_path, files, "-n", "2", "--dist", "loadgroup")
    own = [each for each in seen if not each.startswith("looks")]
    assert own == ["starts", "breaks0", "breaks1", "breaks2", "ends"]
    assert seen.index("ends") < len(seen) - 1
