"""Latencies are told to three digits, by HdrHistogram's own buckets, and merging loses nothing."""

import math
from random import Random

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from load.measuring.histogram import HIGHEST, Histogram

MICROSECONDS = st.lists(st.integers(1, HIGHEST), min_size=1, max_size=200)


def recorded(values: list[int]) -> Histogram:
    found = Histogram()
    for value in values:
        found.record((value + 0.5) / 1e6)
    return found


@given(MICROSECONDS)
def test_the_buckets_are_those_of_the_library(values: list[int]) -> None:
    reference = HdrHistogram(1, HIGHEST, 3)
    for value in values:
        reference.record_value(value)
    found = recorded(values)
    assert found.counts == {index: n for index, n in enumerate(reference.counts) if n}
    for percent in (1, 50, 90, 99, 99.9, 100):
        # The library rounds the rank, and can so give a value that too few stayed under.
        exact = sorted(values)[max(1, math.ceil(percent / 100 * len(values) - 1e-9)) - 1]
        assert found.percentile(percent) == pytest.approx(reference.get_highest_equivalent_value(exact) / 1e6)


@given(MICROSECONDS, MICROSECONDS)
def test_merging_two_is_recording_everything_in_one(left: list[int], right: list[int]) -> None:
    merged = recorded(left)
    merged.merge(recorded(right))
    assert merged.counts == recorded(left + right).counts


@given(MICROSECONDS)
def test_what_is_written_is_read_again_by_the_library_and_by_us(values: list[int]) -> None:
    found = recorded(values)
    assert Histogram.decoded(found.encoded()).counts == found.counts
    library = HdrHistogram.decode(found.encoded().encode())
    assert library.get_total_count() == len(values)
    assert library.get_max_value() / 1e6 == pytest.approx(found.maximum())
    assert Histogram.unpacked(found.packed()).counts == found.counts


def test_a_value_is_told_to_three_digits() -> None:
    random = Random(1)
    for _ in range(1000):
        value = random.uniform(0.000_01, 3000)
        assert recorded([int(value * 1e6)]).percentile(50) == pytest.approx(value, rel=0.001, abs=1.1e-6)


def test_nothing_recorded_is_no_figure_and_not_zero() -> None:
    empty = Histogram()
    assert empty.percentile(99) is None
    assert empty.mean() is None
    assert empty.maximum() is None
    assert Histogram.decoded(empty.encoded()).total == 0


def test_longer_than_an_hour_is_an_hour_and_below_zero_is_counted_apart() -> None:
    found = Histogram()
    found.record(7200)
    found.record(-0.5)
    assert found.percentile(100) == pytest.approx(3600, rel=0.001)
    assert found.negative == 1
    assert found.total == 2
