"""How adversaries look: what they find is small, the same again for a seed, told in a line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.adversaries.addresses import KNOWN_HOSTILE, Spelling, hostile, is_mailbox_of, unusual
from conformance.adversaries.driving import Adversary, Found, Size, seed_of
from conformance.cast import Cast
from conformance.recorder import Recorder
from conformance.transport import AsyncTransport
from fixtures.deployment import Deployment, Homeserver
from fixtures.population import Population
from scenarios.wire import Unreachable

NUMBERS = st.lists(st.integers(0, 1000), max_size=8)


@pytest.fixture
def adversary() -> Iterator[Adversary]:
    home = Homeserver(name="a", server_name="a.test", url="https://a.test", domains=("interieur.gouv.fr",))
    people = Cast(
        Deployment(name="none", homeservers=(home,)), AsyncTransport(None), Population(1), Recorder("A-1/x", "A-1", "")
    )
    with asyncio.Runner() as runner:
        yield Adversary(people, Size.QUICK, seed_of(1, "a"), runner)


def test_what_is_found_is_small_and_told_in_a_line(adversary: Adversary) -> None:
    async def attempt(numbers: list[int]) -> None:
        assert all(number < 500 for number in numbers), "too\nlarge"

    with pytest.raises(Found, match=r"^\[500\]: too$"):
        adversary.hunt(NUMBERS, attempt, examples=100)


def test_known_examples_are_tried_first(adversary: Adversary) -> None:
    tried = []

    async def attempt(numbers: list[int]) -> None:
        tried.append(numbers)
        assert numbers != [3, 2, 1], "found"

    with pytest.raises(Found):
        adversary.hunt(NUMBERS, attempt, examples=100, known=[[1], [3, 2, 1]])
    assert tried == [[1], [3, 2, 1]]


def test_a_brief_one_tries_what_is_known_and_the_simplest_and_makes_nothing_smaller(adversary: Adversary) -> None:
    """A proof asks whether a fault is noticed at all."""
    adversary.size, tried = Size.BRIEF, []

    async def attempt(numbers: list[int]) -> None:
        tried.append(numbers)

    adversary.hunt(NUMBERS, attempt, examples=100, known=[[1], [3, 2, 1]])
    assert tried == [[1], [3, 2, 1], []]

    async def refused(numbers: list[int]) -> None:
        tried.append(numbers)
        raise AssertionError("found")

    with pytest.raises(Found, match="found"):
        adversary.hunt(st.lists(st.integers(100, 200), min_size=3), refused, examples=100)
    assert tried[3:] == [[100, 100, 100]]


def test_a_seed_tries_the_same_again_and_another_something_else(adversary: Adversary) -> None:
    def tried(seed: int) -> list[list[int]]:
        adversary.seed, seen = seed, []

        async def attempt(numbers: list[int]) -> None:
            seen.append(numbers)

        adversary.hunt(NUMBERS, attempt, examples=20)
        return seen

    assert tried(7) == tried(7) != tried(8)


def test_what_is_no_finding_ends_the_hunt_as_it_is(adversary: Adversary) -> None:
    tried = []

    async def attempt(numbers: list[int]) -> None:
        tried.append(numbers)
        if len(tried) > 3:
            raise Unreachable("the server went away")

    with pytest.raises(Unreachable):
        adversary.hunt(NUMBERS, attempt, examples=100)
    assert len(tried) == 4


def test_what_happens_only_once_is_found_and_told_as_unsteady(adversary: Adversary) -> None:
    tried = []

    async def attempt(numbers: list[int]) -> None:
        tried.append(numbers)
        assert len(tried) != 5, "now and then"

    with pytest.raises(Found, match="now and then; it did not happen at every try"):
        adversary.hunt(NUMBERS, attempt, examples=20)


def test_progress_is_told_where_it_takes_long(adversary: Adversary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.adversaries.driving._TELL_EVERY", 0.0)
    adversary.progress, adversary.name = tmp_path / "adversaries.log", "REG-8/x"

    async def attempt(_numbers: list[int]) -> None:
        pass

    adversary.hunt(NUMBERS, attempt, examples=5)
    assert "REG-8/x: 5 tried, nothing found" in adversary.progress.read_text()


@given(bad=hostile(), good=unusual())
def test_hostile_spellings_are_no_agents_and_unusual_ones_are(bad: Spelling, good: Spelling) -> None:
    agencies = ["interieur.gouv.fr"]
    assert not is_mailbox_of(str(bad), agencies)
    assert is_mailbox_of(str(good), agencies)


@settings(max_examples=2000)
@given(good=unusual())
def test_no_unusual_spelling_is_too_long_for_a_mailbox(good: Spelling) -> None:
    """A local part has 64 characters at most (RFC 5321), with as long a word in it as a check puts there."""
    assert is_mailbox_of(good.of("z" + Population("1", "story").word(), "interieur.gouv.fr"), ["interieur.gouv.fr"])


def test_known_tricks_reach_no_agent() -> None:
    assert not [str(each) for each in KNOWN_HOSTILE if is_mailbox_of(str(each), ["interieur.gouv.fr"])]
