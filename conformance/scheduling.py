"""Who runs which check: one worker runs all that break parts, one after the other, and the others share the rest.

pytest-xdist 3.8 keeps a group together by writing its name into each test's id, which pytest 9.2 does not read any more:
``--dist loadgroup`` would spread the group, and every worker would start a deployment to break. So the groups are told to
its scheduler here, by the file that a test is in.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

__all__ = ["Scheduling", "breaks_parts"]

_GROUP = "breaking"


@cache
def breaks_parts(file: str) -> bool:
    """Tell whether the checks of a file break parts: it marks them so (`conformance.breaking.BREAKING`)."""
    return "BREAKING" in (Path(__file__).parent / Path(file).name).read_text(encoding="utf-8")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives out checks one by one, and those that break parts together, first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return _GROUP if breaks_parts(file) else nodeid
