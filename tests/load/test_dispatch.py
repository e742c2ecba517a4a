"""Who takes up an arrival is said by the arrival's own dice: two runs differ by what servers do, and not by who was drawn."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from load.agents.acts import ACTS, Occasion
from load.agents.crowd import Crowd
from load.arrivals import Arrival
from tests.load.on_paper import crowd_on_paper

PEOPLE = 20
ARRIVALS = 60


def _crowd(folder: Path, monkeypatch: pytest.MonkeyPatch, takes: float = 0.0) -> tuple[Crowd, list[tuple[str, float]]]:
    """Give a crowd in which everybody is idle, and what will be done: by whom, with what the dice said next."""
    crowd, done = crowd_on_paper(folder, *["one"] * PEOPLE), list[tuple[str, float]]()
    for member in crowd.members:
        crowd.came(member)

    async def act(occasion: Occasion) -> None:
        done.append((occasion.member.user_id, occasion.random.random()))
        gevent.sleep(takes)

    monkeypatch.setitem(ACTS, "typing", act)
    return crowd, done


def _arrivals(crowd: Crowd, every: float) -> Iterator[Arrival]:
    """Give arrivals, evenly spaced, each when nobody is busy with the one before."""
    for number in range(ARRIVALS):
        yield Arrival(number, number * every, "typing")
        while crowd.busy():
            gevent.sleep(0)


def test_the_same_people_do_the_same_at_every_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as fast, and by people who came in another order: the same hands, the same rooms, the same words."""
    slow, slowly = _crowd(tmp_path / "slow", monkeypatch)
    slow.dispatch(_arrivals(slow, every=0.01), time.monotonic())
    fast, quickly = _crowd(tmp_path / "fast", monkeypatch)
    fast._idle[False] = dict.fromkeys(reversed(fast.members))
    fast.dispatch(_arrivals(fast, every=0.001), time.monotonic())
    assert slowly == quickly
    assert len(slowly) == ARRIVALS
    assert len(Counter(who for who, _ in slowly)) > PEOPLE / 2


def test_somebody_else_takes_up_what_whoever_is_busy_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many arrivals as people, each of whom takes his time: nobody does two, and none is dropped but the one too many."""
    crowd, done = _crowd(tmp_path, monkeypatch, takes=0.5)
    crowd.dispatch((Arrival(number, 0.0, "typing") for number in range(PEOPLE + 1)), time.monotonic())
    while crowd.busy():
        gevent.sleep(0.01)
    assert sorted(who for who, _ in done) == sorted(each.user_id for each in crowd.members)
    assert crowd.measures.tally.total("dropped") == 1
