"""A run with a profile: a known difference is accepted and does not decide; where it no longer occurs the run fails."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from reports.verdict import read

Vigie = Callable[..., "subprocess.CompletedProcess[str]"]


def test_stale_deviation_fails_the_run(vigie: Vigie, warm: str, tmp_path: Path) -> None:
    """The reference deployment keeps the guide: what `tchap-2026` excuses does not occur there."""
    choice = ("--profile", "tchap-2026", "--rule", "REG-4", "--workers", "1", "--out", str(tmp_path))
    done = vigie("check", "--deployment", warm, *choice)
    assert done.returncode == 1, done.stdout + done.stderr
    verdict = read(tmp_path / "verdict.json")
    rule = next(each for each in verdict.rules if each.id == "REG-4")
    assert verdict.profile == "tchap-2026"
    assert rule.status == "fail" and "no longer occurs" in rule.reason and "numeric code" in rule.reason


def test_known_deviation_is_accepted(vigie: Vigie, tmp_path: Path) -> None:
    """No class of characters is asked for, as in the service of 2026: the run holds, and says what it accepted and why."""
    overlay = tmp_path / "weak.yaml"
    overlay.write_text("password_config: {policy: {enabled: false}}\n")
    done = vigie(
        *("check", "--database", "sqlite", "--overlay", f"agents-1={overlay}", "--rule", "REG-6", "--rule", "REG-7"),
        *("--profile", "tchap-2026", "--workers", "1", "--out", str(tmp_path / "run")),
    )
    verdict = read(tmp_path / "run" / "verdict.json")
    rule = next(each for each in verdict.rules if each.id == "REG-6")
    assert rule.status == "accepted" and "strength score" in rule.reason, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


def test_unknown_profile_is_told_in_a_line(vigie: Vigie) -> None:
    done = vigie("check", "--profile", "tchap-2062")
    assert done.returncode == 4 and "tchap-2026" in done.stderr and "Traceback" not in done.stderr
