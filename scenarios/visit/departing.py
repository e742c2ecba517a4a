"""The end of a visit: what its journal names is taken away and told, and the journal goes when nothing is left."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable

from fixtures.deployment import Deployment
from scenarios.visit.clearing import Clearing
from scenarios.visit.made import Account, Made, populations

__all__ = ["depart", "keepers"]


def keepers(deployment: Deployment) -> dict[str, Account]:
    """Give the people of the populations that are kept there, by their identifier: a run's rooms and devices can be theirs."""
    found = [each for made in populations(deployment) for each in made.things().accounts.values()]
    return {each.user_id: each for each in found if each.user_id}


def depart(made: Made, carry_out: Callable[[], Clearing], tell: Callable[[str], None]) -> str:
    """Have what a journal names taken away, and tell; gives in a line what could not be, or nothing.

    The journal is gone when nothing is left.
    """

    def say(line: str) -> None:
        # Whoever listened may be gone, which Rich answers by leaving; what was made is taken away all the same.
        with contextlib.suppress(OSError, SystemExit):
            tell(line)

    things = made.things()
    if not things:
        made.end()
        return ""
    hint = f"`vigie sweep` with the deployment's file{' and --populations' if made.kind == 'population' else ''} finishes it"
    say(f"taking away {things.told()}")
    try:
        clearing = carry_out()
    except KeyboardInterrupt:
        say(f"interrupted while taking away: {made.things().told()} are still there; {hint}")
        raise
    stays = clearing.stays
    for what, times in Counter(clearing.broke_down).items():
        say(f"the server broke down over this, {times} times: {what}")
    if kept := clearing.out_of_reach:
        say(f"{len(kept)} uploaded files stay, which only an administrator may remove, among them {kept[0]}")
    for uri in kept:
        things.files.pop(uri, None)
    if not stays and not made.things():
        made.end()
        say(f"taken away: {things.told()}")
        return ""
    return f"{made.things().told()} are still there, among them {stays[0] if stays else 'what nobody could reach'}; {hint}"
