"""`vigie prove`: wrong use, the list, a proof of one fault from end to end, and what it leaves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.embedded import home
from fixtures.faults.registry import all_faults
from reports.proof import read
from reports.redaction import Redactor
from reports.verdict import Asked, Deployment, conclude, write

Vigie = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [(("--fault", "no-such-fault"), "no-such-fault"), (("--rule", "NIX-1"), "NIX-1"), (("--rule", "XCL"), "no fault")],
)
def test_what_is_not_there_is_said_in_a_line(vigie: Vigie, arguments: tuple[str, ...], names: str) -> None:
    done = vigie("prove", *arguments)
    assert done.returncode == 4
    assert names in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_folder_that_cannot_be_made_is_said_in_a_line(vigie: Vigie, tmp_path: Path) -> None:
    file = tmp_path / "proof"
    file.write_text("somebody's")
    for out in (file, file / "deeper"):
        done = vigie("prove", "--fault", "guest-makes-spaces", "--out", str(out))
        assert done.returncode == 4
        assert f"--out {out}: " in done.stderr and "name another folder" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert file.read_text() == "somebody's"


def test_a_run_that_is_none_of_this_suite_is_refused(vigie: Vigie, tmp_path: Path) -> None:
    """Nobody takes for healthy what another state of the code said, or nobody."""
    out = tmp_path / "proof"
    run = tmp_path / "run"
    for why in ("verdict.json", "it was made by another state of the code; run `vigie check` again"):
        done = vigie("prove", "--fault", "guest-makes-spaces", "--healthy", str(run), "--out", str(out))
        assert done.returncode == 4
        assert f"--healthy {run}" in done.stderr and why in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert not out.exists()
        _write_a_verdict(run / "verdict.json")


def _write_a_verdict(path: Path) -> None:
    told = conclude(
        rules=[],
        asked=Asked(),
        deployment=Deployment(kind="embedded", name="run-1"),
        profile="guide",
        started=datetime.now(UTC),
        seconds=1.0,
        suite="0123456789abcdef",
    )
    write(told, path, Redactor())


def test_the_faults_are_listed(vigie: Vigie) -> None:
    done = vigie("prove", "--list")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(all_faults()) >= 120
    for fault in all_faults():
        assert f"{fault.id}: {fault.says}" in done.stdout


def test_one_fault_is_proved_and_told(vigie: Vigie, tmp_path: Path) -> None:
    before = set(home().glob("*"))
    done = vigie("prove", "--fault", "guest-makes-spaces", "--workers", "1", "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    proof = read(tmp_path / "proof.json")
    [tried] = proof.faults
    assert (tried.rule, tried.how, tried.caught) == ("GST-2", "module", True)
    assert tried.checks_turned == ("GST-2/guest-creates-no-room[space]",)
    assert tried.others_turned == ()
    assert len(tried.others) == 1
    assert "let a guest create a space" in tried.in_force
    assert json.loads((tmp_path / "proof.json").read_text())["counts"] == {"faults": 1, "caught": 1}
    # One that an earlier run left may have been cleared meanwhile.
    assert set(home().glob("*")) <= before, "a deployment was left"
