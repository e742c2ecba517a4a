"""The folder of a run, and the link that names the latest one."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["PROJECT", "link_latest", "run_folder"]

PROJECT = Path(__file__).parent.parent
"""The checkout."""


def run_folder(asked: Path | None = None, kind: str = "load") -> Path:
    """Give the folder of a run, made: the one asked for, or one of its own among all runs."""
    out = asked or PROJECT / "reports" / "runs" / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{kind}-{secrets.token_hex(2)}"
    out.mkdir(parents=True, exist_ok=True)
    return out


def link_latest(out: Path) -> None:
    """Have `reports/latest` name the run."""
    scratch = PROJECT / "reports" / f".latest-{secrets.token_hex(4)}"
    scratch.symlink_to(out.resolve())
    scratch.replace(PROJECT / "reports" / "latest")
