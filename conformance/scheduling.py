"""Who runs which check: one worker runs all that break parts, one after the other, another all that share one long search,
and whoever is free takes of the rest.

pytest-xdist 3.8 keeps a group together by writing its name into each test's id, which pytest 9.2 does not read any more:
``--dist loadgroup`` would spread the group, and every worker would start a deployment to break. So the groups are told to
its scheduler here, by the file that a test is in.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

__all__ = ["Scheduling", "breaks_parts", "shares_search"]

_GROUP = "breaking"
_SEARCHING = "Leaks"


@cache
def breaks_parts(file: str) -> bool:
    """Tell whether the checks of a file break parts: it marks them so (`conformance.breaking.BREAKING`)."""
    return "BREAKING" in _text(file)


@cache
def shares_search(file: str) -> bool:
    """Tell whether checks of a file share what one of them searched for (`Leaks`): apart, each would search anew."""
    return _SEARCHING in _text(file)


def _text(file: str) -> str:
    return (Path(__file__).parent / Path(file).name).read_text(encoding="utf-8")


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives out checks one by one; first, and together, those that break parts, and those that share a search."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        if breaks_parts(file):
            return _GROUP
        return file if shares_search(file) else nodeid
