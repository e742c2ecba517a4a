"""A state machine as an adversary: the same again for a seed, small when it finds something, and played again from a line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from conformance.adversaries.acts import AGENTS, EVERYBODY, KINDS, OUTSIDER, TELLINGS, Act, script, told
from conformance.adversaries.driving import Adversary, Found, Judge, Size, seed_of
from conformance.cast import Cast
from conformance.recorder import Recorder
from conformance.transport import AsyncTransport
from fixtures.deployment import Deployment, Homeserver
from fixtures.population import Population
from scenarios.wire import Unreachable

Numbers = tuple[int, ...]


@pytest.fixture
def adversary() -> Iterator[Adversary]:
    home = Homeserver(name="a", server_name="a.test", url="https://a.test", domains=("interieur.gouv.fr",))
    people = Cast(
        Deployment(name="none", homeservers=(home,)), AsyncTransport(None), Population(1), Recorder("A-1/x", "A-1", "")
    )
    with asyncio.Runner() as runner:
        yield Adversary(people, Size.QUICK, seed_of(1, "a"), runner)


class _Sum(RuleBasedStateMachine):
    """Adds numbers, which are never to come to a hundred together."""

    def __init__(self, judge: Judge[Numbers], tried: list[Numbers], most: int, error: type[Exception]) -> None:
        super().__init__()
        self.judge, self.all, self.most, self.error = judge, tried, most, error
        self.numbers: list[int] = []

    @rule(number=st.integers(0, 60))
    def add(self, number: int) -> None:
        self.numbers.append(number)

    @invariant()
    def stays_small(self) -> None:
        self.judge.hold(tuple(self.numbers), self._look)

    def _look(self) -> None:
        if sum(self.numbers) >= self.most:
            raise self.error(f"{sum(self.numbers)} is\ntoo much")

    def teardown(self) -> None:
        self.all.append(tuple(self.numbers))


def _play(
    adversary: Adversary, most: int = 1_000, known: tuple[Numbers, ...] = (), error: type[Exception] = AssertionError
) -> list[Numbers]:
    tried: list[Numbers] = []

    async def perform(numbers: Numbers) -> None:
        tried.append(numbers)
        assert sum(numbers) < most, "too much"

    adversary.play(lambda judge: _Sum(judge, tried, most, error), perform, examples=20, steps=8, known=known)
    return tried


def test_a_seed_plays_the_same_acts_again_and_another_others(adversary: Adversary) -> None:
    def played(seed: int) -> list[Numbers]:
        adversary.seed = seed
        return _play(adversary)

    assert played(7) == played(7) != played(8)
    assert any(len(numbers) == 8 for numbers in played(7))


def test_what_a_machine_finds_is_small_and_told_in_a_line(adversary: Adversary) -> None:
    with pytest.raises(Found, match=r"^\(40, 60\): 100 is$"):
        _play(adversary, most=100)


def test_known_scripts_are_played_before_the_machine_runs(adversary: Adversary) -> None:
    with pytest.raises(Found, match=r"^\(99, 1\): too much$"):
        _play(adversary, most=100, known=((1, 2), (99, 1)))


def test_what_is_no_finding_ends_the_machine_as_it_is(adversary: Adversary) -> None:
    with pytest.raises(Unreachable):
        _play(adversary, most=100, error=Unreachable)


def test_making_smaller_ends_when_its_time_is_over(adversary: Adversary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Size, "shrinking", property(lambda _size: 0.0))
    with pytest.raises(Found, match=r"^\(\d+(, \d+)*\): \d+ is$"):
        _play(adversary, most=100)


@given(
    st.lists(
        st.builds(
            Act,
            st.sampled_from(sorted(TELLINGS)),
            st.sampled_from((*EVERYBODY, OUTSIDER)),
            st.integers(0, 20),
            st.sampled_from(AGENTS),
            st.sampled_from(KINDS),
        ),
        min_size=1,
    )
)
def test_what_is_told_can_be_played_again(acts: list[Act]) -> None:
    line = told(acts)
    assert told(script(line)) == line
    assert [(act.does, act.who) for act in script(line)] == [(act.does, act.who) for act in acts]


def test_nobody_tells_so() -> None:
    with pytest.raises(ValueError, match="no act: 'Ada flies to room 0'"):
        script("Ada joins room 0; Ada flies to room 0")
