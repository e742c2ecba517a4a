"""Writing what a run tells so that a reader never meets half a file.

::

    ReportError   one line: which file, and what is wrong with it; ends a command with exit code 4
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["ReportError", "read_text", "unfinished", "write_atomically"]


class ReportError(Exception):
    """A run's folder cannot be told from, or not written to; the message is one line for a person."""


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text` in UTF-8, whole or not at all: on any failure the old file stays and no other is left.

    Raises ReportError when the folder cannot be written to (missing rights, full disk).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
    except OSError as error:
        raise ReportError(f"{path}: cannot be written: {error.strerror or error}") from error
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp gives 0600; a report is to be read by whoever may read its folder.
        fresh.chmod(0o644)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise ReportError(f"{path}: cannot be written: {error.strerror or error}") from error
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def unfinished(folder: Path) -> str:
    """Name the document that a run began to work for in this folder and never wrote, being killed; else nothing."""
    # A load run begins with the servers' figures, checks and proofs with their evidence.
    if (folder / "server-metrics.jsonl").exists() and not (folder / "load.json").exists():
        return "load.json"
    told = any((folder / name).exists() for name in ("verdict.json", "proof.json"))
    return "verdict.json" if (folder / "evidence").is_dir() and not told else ""


def read_text(path: Path) -> str:
    """Read a file of a run. Raises ReportError when it is missing, unreadable or not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ReportError(f"{path}: no such file; is this the folder of a run?") from error
    except UnicodeDecodeError as error:
        raise ReportError(f"{path}: not UTF-8 text, at byte {error.start}") from error
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {error.strerror or error}") from error
