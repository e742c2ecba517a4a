"""Before a rate is tried the servers work off what the one before it left, or the making of the population.

What is behind is handed on late, over federation above all, and would be held against a rate that they carry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["rest", "used"]

_QUIET = 0.3
"""Cores that all of a deployment's servers use together when nobody asks them for anything, at most."""
_LOOKS = 3
_EVERY = 1.0
_TOLD_EVERY = 15
_PATIENCE = 180


def used(figures: Mapping[str, float]) -> float | None:
    """Give how many cores a look at a deployment says are used: by its processes, or by its homeservers as they tell.

    None where neither is known.
    """
    if "components:processor" in figures:
        return figures["components:processor"]
    own = [value for name, value in figures.items() if name.startswith("synapse:") and name.endswith(":processor")]
    return sum(own) if own else None


def rest(look: Callable[[], Mapping[str, float]], ended: Callable[[float], bool], say: Callable[[str], None]) -> bool:
    """Wait until a deployment's servers have next to nothing to do, three looks in a row, for at most three minutes.

    `ended` waits so many seconds and tells whether somebody wants all of it to end. Tells whether they rest; where nothing is
    known of their processor there is no waiting.
    """
    look()  # what is used is used since the look before
    quiet = 0
    for second in range(_PATIENCE):
        if ended(_EVERY):
            return False
        cores = used(look())
        if cores is None:
            return True
        quiet = quiet + 1 if cores <= _QUIET else 0
        if quiet == _LOOKS:
            return True
        if second % _TOLD_EVERY == _TOLD_EVERY - 1:
            say(f"waiting for the servers to rest: {cores:.2g} of a core used, {_PATIENCE - second - 1} s left")
    say(
        f"the servers do not rest: more than {_QUIET:g} of a core used for {_PATIENCE} s; what is behind counts in what follows"
    )
    return False
