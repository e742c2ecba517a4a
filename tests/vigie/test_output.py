"""What a command writes to may be closed, full or unable to hold an accent: that is never told as 1, "does not hold"."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from fixtures.embedded import Embedded
from vigie import cli, commands, loading
from vigie.cli import parser

ROOT = Path(__file__).parent.parent.parent


def ran(*arguments: str, redirected: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    shell = f'exec "{sys.executable}" -m vigie.cli "$@" {redirected}'
    command = ["sh", "-c", shell, "sh", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("arguments", [("prove", "--list"), ("rules", "REG-1"), ("doctor", "--schema")])
def test_a_reader_who_goes_away_is_no_outcome(arguments: tuple[str, ...]) -> None:
    """`vigie … | head -1`: no traceback, and no exit code that judges a deployment."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "vigie.cli", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120, cwd=ROOT, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (4, "")


def test_a_load_run_goes_on_when_nobody_listens_any_more() -> None:
    """Its report is in its folder; a line that nobody reads is no reason to lose what was measured."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from load.run import say; say('one'); say('two')"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, cwd=ROOT, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_under_the_output_is_one_line() -> None:
    done = ran("rules", redirected=">/dev/full")
    assert done.returncode == 4
    assert done.stderr == "vigie rules: No space left on device\n"


def test_closed_output_is_as_good_as_none() -> None:
    done = ran("rules", "REG-1", redirected=">&- <&-")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_accent_that_the_output_cannot_hold_ends_nothing() -> None:
    done = ran("rules", "REG-1", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "REG-1/agent-registers-by-mail" in done.stdout


def test_a_mistake_of_ours_judges_nobody(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Python's own exit code for what nobody caught is 1."""

    def broken(*_: object) -> int:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(commands, "rules", broken)
    assert cli.main(["rules"]) == 3
    assert "a mistake" in capsys.readouterr().err


class Standing:
    """A deployment that stands, and remembers that it was ended."""

    ended = False
    toml = Path("deployment.toml")

    def stop(self) -> None:
        self.ended = True

    def __enter__(self) -> Standing:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Interrupted(Console):
    """Somebody presses Ctrl-C when they read that the deployment is ready."""

    def print(self, *objects: object, **_: object) -> None:
        if "deployment ready" in str(objects):
            raise KeyboardInterrupt


@pytest.mark.parametrize("command", ["up", "check", "load"])
def test_a_deployment_that_has_just_become_ready_is_ended_by_an_interruption_too(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was said to be ended, and stood: `vigie up` left a whole one, the others left its folder."""
    standing = Standing()
    for module in (commands, loading):
        monkeypatch.setattr(module.Embedded, "start", lambda *_, **__: standing)
    options = parser().parse_args([command])
    with pytest.raises(KeyboardInterrupt):
        options.run(options, Interrupted())
    assert standing.ended


def test_who_presses_ctrl_c_again_while_all_is_being_ended_has_it_ended_all_the_same(tmp_path: Path) -> None:
    """It was said to be ended, and its folder stayed, with its database and its accounts' passwords."""
    folder, stopped = tmp_path / "run-1", []

    def stop() -> None:
        stopped.append(True)
        if len(stopped) == 1:
            raise KeyboardInterrupt

    folder.mkdir()
    launcher: Any = SimpleNamespace(folder=folder, stop=stop, journal=SimpleNamespace(path=folder / "processes.json"))
    deployment: Any = None
    with pytest.raises(KeyboardInterrupt), Embedded(deployment, launcher, []):
        pass
    assert len(stopped) == 2
    assert not folder.exists()
