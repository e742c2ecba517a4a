"""The statistics of comparing few runs: right by tables, and honest by simulation."""

import math
from random import Random

import pytest

from reports.statistics import difference, holm, student_tail


@pytest.mark.parametrize(
    ("freedom", "tail", "t"),
    [
        (1, 0.05, 6.313752),
        (2, 0.025, 4.302653),
        (4, 0.05, 2.131847),
        (5, 0.01, 3.364930),
        (10, 0.005, 3.169273),
        (30, 0.05, 1.697261),
        (200, 0.025, 1.971896),
    ],
)
def test_the_tail_of_student_s_t_is_that_of_the_tables(freedom: float, tail: float, t: float) -> None:
    assert student_tail(t, freedom) == pytest.approx(tail, rel=1e-4)
    assert student_tail(-t, freedom) == pytest.approx(1 - tail, rel=1e-4)
    assert student_tail(0, freedom) == pytest.approx(0.5)


def test_welch_s_test_is_that_of_a_worked_example() -> None:
    """A: mean 20.6, variance 8.28, of 6; B: mean 22.1, variance 0.88, of 4: t is 1.19 at 6.4 degrees."""
    a, b = [17.1, 18.9, 20.3, 20.6, 21.0, 25.7], [21.1, 21.7, 22.3, 23.3]
    mean = sum(a) / 6, sum(b) / 4
    squares = sum((x - mean[0]) ** 2 for x in a) / 5 / 6, sum((x - mean[1]) ** 2 for x in b) / 3 / 4
    t = (mean[1] - mean[0]) / sum(squares) ** 0.5
    freedom = sum(squares) ** 2 / (squares[0] ** 2 / 5 + squares[1] ** 2 / 3)
    found = difference(a, b, 0.0)
    assert found is not None
    assert found.above == pytest.approx(student_tail(t, freedom))
    assert t == pytest.approx(1.19, abs=0.01)
    assert freedom == pytest.approx(6.4, abs=0.1)


def test_one_run_has_no_spread() -> None:
    assert difference([1.0], [2.0, 2.1], 0.1) is None


def test_equal_runs_leave_nothing_to_chance() -> None:
    same, worse = difference([1.0, 1.0], [1.0, 1.0], 0.1), difference([1.0, 1.0], [1.5, 1.5], 0.1)
    assert same is not None
    assert worse is not None
    assert (same.above, same.outside) == (1.0, 0.0)
    assert (worse.above, worse.outside) == (0.0, 1.0)


def test_holm_corrects_in_order() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})


@pytest.mark.parametrize("noise", [0.03, 0.1, 0.3])
def test_equal_sides_are_called_worse_no_more_often_than_promised(noise: float) -> None:
    """A dozen figures, four runs a side, many times: some figure called worse in at most 5 of 100."""
    random, margin, alarms = Random(1), math.log(1.1), 0
    for _ in range(120):
        p = {}
        for figure in range(12):
            a, b = ([random.gauss(0, noise) for _ in range(4)] for _ in range(2))
            found = difference(a, b, margin)
            assert found is not None
            p[str(figure)] = found.above
        alarms += min(holm(p).values()) <= 0.05
    assert alarms / 120 <= 0.05


def test_a_third_slower_is_found_with_five_runs_a_side() -> None:
    random, margin, found = Random(2), math.log(1.1), 0
    for _ in range(40):
        p = {}
        for figure in range(12):
            a = [random.gauss(0, 0.05) for _ in range(5)]
            b = [random.gauss(math.log(1.33) if figure == 0 else 0, 0.05) for _ in range(5)]
            test = difference(a, b, margin)
            assert test is not None
            p[str(figure)] = test.above
        found += holm(p)["0"] <= 0.05
    assert found >= 32
