"""The state of the code that checks: two runs of the same state are runs of the same suite."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

__all__ = ["fingerprint"]

_PROJECT = Path(__file__).parent.parent
_PARTS = ("conformance", "fixtures", "scenarios", "requirements")


@cache
def fingerprint(project: Path = _PROJECT) -> str:
    """Give a digest (16 hexadecimal digits) of all that checks and that starts a deployment, pinned packages included.

    It is taken once a process: what was loaded does not change with the files. Raises `OSError` where one cannot be read.
    """
    found = hashlib.sha256()
    for part in _PARTS:
        for file in sorted((project / part).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                content = file.read_bytes()
                found.update(f"{file.relative_to(project)} {len(content)}\n".encode())
                found.update(content)
    return found.hexdigest()[:16]
