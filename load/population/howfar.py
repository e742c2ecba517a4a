"""Telling a person how far the making of a population is, and how long it still takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from load.population.provision import Progress

__all__ = ["teller"]

_EVERY = 2.0


def teller(say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> Progress:
    """Give what is told of each thing done, and says so in a line now and then.

    What is left of one kind takes as long as those of the same kind took: a room is another thing than an account.
    """
    began = told = since = last = clock()
    making = ""

    def progress(what: str, done: int, of: int) -> None:
        nonlocal told, since, last, making
        now = clock()
        if what != making:
            making, since = what, last
        last = now
        if now - told > _EVERY or done == of:
            told = now
            left = (now - since) / done * (of - done)
            say(f"{now - began:6.1f} s  {what}: {done} of {of}" + (f", {left:.0f} s left" if done < of else ""))

    return progress
