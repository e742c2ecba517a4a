"""Each outcome of a run, and its exit code, on real deployments: sound, broken by hand, dying, and not there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.deployment import Deployment
from fixtures.embedded import Embedded
from fixtures.journal import Journal
from fixtures.stack import Plan

Vigie = Callable[..., "subprocess.CompletedProcess[str]"]


def verdict_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
    return content


def told(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


def test_sound_deployment_holds(vigie: Vigie, warm: str, tmp_path: Path) -> None:
    done = vigie("check", "--deployment", warm, "--rule", "REG-4", "--rule", "REG-6", "--workers", "2", "--out", str(tmp_path))
    assert done.returncode == 0, told(done)
    verdict = verdict_of(tmp_path)
    assert verdict["outcome"] == "holds"
    checks = [check for rule in verdict["rules"] for check in rule["checks"]]
    assert len(checks) == 10
    assert all((tmp_path / check["evidence"]).is_file() for check in checks)
    assert {path.name for path in tmp_path.iterdir()} >= {"verdict.json", "junit.xml", "summary.md", "index.html", "evidence"}


def test_rule_without_check_leaves_it_open(warm: str, tmp_path: Path) -> None:
    """Of two rules that were asked for, one has lost its checks, as when their file went: that one leaves the run open."""
    drop = "items[:] = [item for item in items if 'REG-2' not in [r for m in item.iter_markers('rule') for r in m.args]]"
    (tmp_path / "dropping.py").write_text(f"def pytest_collection_modifyitems(items):\n    {drop}\n")
    command = [sys.executable, "-m", "pytest", "conformance", "-p", "dropping", "--deployment", warm]
    command += ["--rule", "REG-4", "--rule", "REG-2", "--out", str(tmp_path / "run"), "-q"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, told(done)
    statuses = {rule["id"]: rule["status"] for rule in verdict_of(tmp_path / "run")["rules"]}
    assert (statuses["REG-4"], statuses["REG-2"]) == ("pass", "not-run")


def test_choice_by_name_is_judged_on_what_was_chosen(warm: str, tmp_path: Path) -> None:
    """`pytest conformance -k …` works by itself: its exit code speaks of the rules of the chosen checks, and says so."""
    command = [sys.executable, "-m", "pytest", "conformance", "--deployment", warm, "--out", str(tmp_path), "-q"]
    done = subprocess.run([*command, "-k", "wrong_key"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, told(done)
    verdict = verdict_of(tmp_path)
    statuses = {rule["id"]: rule["status"] for rule in verdict["rules"]}
    assert (statuses["AV-3"], statuses["AV-1"]) == ("pass", "not-run")
    assert verdict["asked"]["rules"] == ["AV-3"] and "wrong_key" in verdict["asked"]["selection"]

    done = subprocess.run([*command, "-k", "no_such_test"], capture_output=True, text=True, check=False)
    assert done.returncode not in (0, 1), told(done)


def test_check_that_vanishes_with_its_worker_is_never_green(warm: str, tmp_path: Path) -> None:
    """A worker dies in one of a rule's checks; the others pass, and still nobody can tell."""
    crash = "if item.name == 'test_agent_registers_by_mail[1]':\n        os._exit(9)"
    (tmp_path / "crashing.py").write_text(f"import os\n\ndef pytest_runtest_call(item):\n    {crash}\n")
    command = [sys.executable, "-m", "pytest", "conformance", "-p", "crashing", "--deployment", warm, "--rule", "REG-1"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*command, "-n", "2", "--out", str(tmp_path / "run")], env=environment, capture_output=True, text=True, check=False
    )
    verdict = verdict_of(tmp_path / "run")
    assert (done.returncode, verdict["outcome"]) == (3, "cannot-tell"), told(done)
    assert "gave no result" in verdict["doubt"] and "agent_registers_by_mail" in verdict["doubt"]


def test_broken_deployment_does_not_hold(vigie: Vigie, tmp_path: Path) -> None:
    overlay = tmp_path / "weak.yaml"
    overlay.write_text("password_config: {policy: {enabled: false}}\n")
    done = vigie(
        *("check", "--database", "sqlite", "--overlay", f"agents-1={overlay}", "--rule", "REG-6", "--rule", "REG-4"),
        *("--workers", "1", "--out", str(tmp_path / "run")),
    )
    assert done.returncode == 1, told(done)
    rules = {rule["id"]: rule for rule in verdict_of(tmp_path / "run")["rules"]}
    assert (rules["REG-6"]["status"], rules["REG-4"]["status"]) == ("fail", "pass")
    assert "M_PASSWORD_" in rules["REG-6"]["reason"]


def test_missing_prerequisite_is_untestable(vigie: Vigie, deployment: Deployment, tmp_path: Path) -> None:
    """Without mails to read nobody can tell whether registration works; what needs no mail is told."""
    file = tmp_path / "no-mail.toml"
    deployment.model_copy(update={"mail": None}).write(file)
    out = tmp_path / "run"
    done = vigie("check", "--deployment", str(file), "--rule", "REG-1", "--rule", "REG-7", "--workers", "1", "--out", str(out))
    assert done.returncode == 3, told(done)
    rules = {rule["id"]: rule for rule in verdict_of(out)["rules"]}
    assert (rules["REG-1"]["status"], rules["REG-7"]["status"]) == ("untestable", "pass")
    assert "mail" in rules["REG-1"]["reason"]


def test_component_that_dies_is_an_error_and_never_green(tmp_path: Path) -> None:
    """The antivirus is killed during a run: what needs it is an error that names it, and the run cannot tell.

    Nor does anything tell in the meantime: what an earlier run found in the same folder is gone once this one has begun.
    """
    (tmp_path / "verdict.json").write_text('{"outcome": "holds"}')
    with Embedded.start(Plan(database="sqlite"), name=f"dying-{os.getpid()}") as embedded:
        antivirus = next(each for each in Journal(embedded.launcher.folder).started() if each.name == "antivirus")
        command = [sys.executable, "-m", "vigie.cli", "check", "--deployment", str(embedded.toml), "--rule", "AV"]
        command += ["--level", "must", "--workers", "1", "--out", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
            until = time.monotonic() + 60
            while not list(tmp_path.glob("evidence/*.json")):
                assert time.monotonic() < until and run.poll() is None, "no check ended"
                time.sleep(0.02)
            assert not (tmp_path / "verdict.json").exists(), "the verdict of an earlier run is still there"
            os.kill(antivirus.pid, signal.SIGKILL)
            assert run.stdout is not None
            said = run.stdout.read()
    assert run.returncode == 3, said
    verdict = verdict_of(tmp_path)
    assert verdict["outcome"] == "cannot-tell" and "antivirus" in verdict["doubt"]
    red = [check for rule in verdict["rules"] for check in rule["checks"] if check["status"] != "pass"]
    assert red and all(check["status"] == "error" and "antivirus died" in check["message"] for check in red), red


def test_dead_component_is_told_before_anything_is_checked(vigie: Vigie, tmp_path: Path) -> None:
    with Embedded.start(Plan(database="sqlite"), name=f"dead-{os.getpid()}") as embedded:
        antivirus = next(each for each in Journal(embedded.launcher.folder).started() if each.name == "antivirus")
        os.kill(antivirus.pid, signal.SIGKILL)
        done = vigie("check", "--deployment", str(embedded.toml), "--rule", "REG-7", "--workers", "1", "--out", str(tmp_path))
    assert done.returncode == 4, told(done)
    assert len(done.stderr.strip().splitlines()) == 1 and "antivirus" in done.stderr
    assert not (tmp_path / "verdict.json").exists()


def wrong_uses(folder: Path) -> list[tuple[list[str], str]]:
    broken, wrong_key, dead = folder / "broken.toml", folder / "key.toml", folder / "dead.toml"
    broken.write_text("name = \n")
    wrong_key.write_text('schema = "vigie.deployment/1"\nname = "x"\nhomeservers = []\n')
    dead.write_text(
        'schema = "vigie.deployment/1"\nname = "x"\n[[homeservers]]\nname = "a"\nserver_name = "a"\nurl = "https://127.0.0.1:9"\n'
    )
    return [
        (["check", "--rule", "REG-99"], "REG-99"),
        (["check", "--level", "sometimes"], "sometimes"),
        (["check", "--deployment", str(folder / "nowhere.toml")], "no such file"),
        (["check", "--deployment", str(broken)], "broken.toml"),
        (["check", "--deployment", str(wrong_key)], "homeservers"),
        (["check", "--deployment", str(dead)], "127.0.0.1:9"),
        (["check", "--overlay", "agents-9=x.yaml"], "agents-9"),
        # What would be passed over, and what is found out minutes later.
        (["check", "--deployment", str(dead), "--overlay", "agents-1=x.yaml"], "--overlay is for a deployment that"),
        (["check", "--deployment", str(dead), "--database", "sqlite"], "--database is for a deployment that this starts"),
        (["check", "--deployment", str(dead), "--images", "x.toml"], "--images goes with --deployment containers"),
        (["check", "--deployment", str(dead), "--out", str(broken)], "cannot be made: File exists; name another folder"),
        (["check", "--deployment", str(dead), "--workers", "-3"], "'-3' is no whole number from 1 on"),
        (["check", "--deployment", str(dead), "-k", "and ("], "-k 'and (': expected"),
        (["up", "--name", "never", "--images", str(broken)], "--images goes with --containers"),
        (["up", "--name", "never", "--ports", "70000"], "'70000' is no port"),
        (["report", str(folder)], "verdict.json"),
        (["down", "nobody-of-this-name"], "nobody-of-this-name"),
        (["rules", "XYZ-1"], "XYZ-1"),
        (["dance"], "dance"),
    ]


@pytest.mark.parametrize("number", range(19))
def test_wrong_use_is_one_line_and_exit_4(vigie: Vigie, tmp_path: Path, number: int) -> None:
    arguments, named = wrong_uses(tmp_path)[number]
    done = vigie(*arguments)
    assert done.returncode == 4, told(done)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and named in lines[0], told(done)
    assert "Traceback" not in told(done)


def test_port_in_use_is_one_line_and_exit_4(vigie: Vigie, tmp_path: Path) -> None:
    import socket  # noqa: PLC0415

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = vigie("up", "--name", f"ports-{os.getpid()}", "--ports", str(port), "--database", "sqlite")
    assert done.returncode == 4, told(done)
    assert f"port {port}" in done.stderr and "in use" in done.stderr
    assert not (Path(".vigie/deployments") / f"ports-{os.getpid()}" / Journal.NAME).exists()


def test_evidence_shows_the_story_and_no_secret(vigie: Vigie, warm: str, tmp_path: Path) -> None:
    done = vigie("check", "--deployment", warm, "--rule", "REG-1", "--workers", "1", "--out", str(tmp_path))
    assert done.returncode == 0, told(done)
    texts = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    stories = [json.loads(text) for path, text in texts.items() if path.parent.name == "evidence"]
    assert stories and all(story["exchanges"] and story["mails"] and story["people"] for story in stories)
    for path, text in texts.items():
        assert "syt_" not in text, f"{path} holds an access token"
        tokens = re.findall(r"submit_token\?token=(?!\W{0,2}(?:u003c|lt;|%3C)?redacted)[^\s&]+", text)
        assert tokens == [], f"{path} holds a mailed token"
