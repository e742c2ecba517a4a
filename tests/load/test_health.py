"""How busy the generator was: a share of a core over a time, whatever the number of looks in it."""

import pytest

from load.measuring.health import HealthProbe


def looks(*each: tuple[str, float, float]) -> HealthProbe:
    """A probe that has absorbed looks at its workers: whose, when, and the share of a core since the one before."""
    probe = HealthProbe("master")
    probe.absorb({"lag": HealthProbe().drain()["lag"], "series": [(worker, at, share, 0.0) for worker, at, share in each]})
    return probe


def test_a_worker_that_was_stuck_for_half_a_minute_was_busy_for_half_a_minute() -> None:
    """While it was stuck nobody looked: one look stands for thirty seconds, the next thirty for one each."""
    quiet = [("1", 101.0 + second, 0.2) for second in range(30)]
    probe = looks(("1", 70.0, 0.2), ("1", 100.0, 1.0), *quiet)
    assert probe.share_of("1", 70.0, 130.0) == pytest.approx(0.6)
    assert probe.busiest(70.0, 130.0) == pytest.approx(0.6)


def test_a_look_counts_for_the_part_of_it_that_lies_between_the_two_moments() -> None:
    probe = looks(("1", 0.0, 0.1), ("1", 20.0, 0.9), ("1", 30.0, 0.3), ("1", 50.0, 0.7))
    assert probe.share_of("1", 10.0, 40.0) == pytest.approx((0.9 + 0.3 + 0.7) / 3)


def test_the_first_look_reaches_back_to_where_the_watch_began() -> None:
    """Every worker is watched from before second 0 on: what its first look tells of lasted since then."""
    assert looks(("1", 30.0, 1.0), ("1", 60.0, 0.2)).share_of("1", 0.0, 60.0) == pytest.approx(0.6)
    assert looks(("1", 30.0, 1.0)).share_of("1", 0.0, 60.0) == 1.0


def test_workers_are_told_apart_and_without_a_look_there_is_no_figure() -> None:
    probe = looks(("1", 10.0, 0.2), ("2", 10.0, 0.8), ("1", 20.0, 0.4), ("2", 11.0, 0.8), ("2", 20.0, 0.6))
    assert probe.share_of("1", 0.0, 20.0) == pytest.approx(0.3)
    assert probe.busiest(0.0, 20.0) == pytest.approx((0.8 * 11 + 0.6 * 9) / 20)
    assert probe.share_of("3", 0.0, 20.0) is None
    assert probe.share_of("1", 30.0, 40.0) is None
    assert looks().busiest(0.0, 20.0) is None
