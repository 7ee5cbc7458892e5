"""The histogram: what it tells is within one percent of what was recorded."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.bench.histogram import Histogram, bounds, bucket

VALUES = st.integers(0, 2**62) | st.integers(0, 2000)


def filled(values):
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(VALUES)
def test_a_value_lies_within_the_bounds_of_its_bucket_which_are_within_one_percent(value):
    low, high = bounds(bucket(value))

    assert low <= value < high
    assert high - low == 1 or (high - low) <= 0.01 * low


@given(st.integers(0, 56 * 128))
def test_buckets_follow_each_other_without_a_gap(index):
    assert bounds(index)[1] == bounds(index + 1)[0]


@given(st.lists(VALUES, min_size=1), st.floats(0.001, 100))
def test_a_percentile_is_within_one_percent_of_the_value_at_its_rank(values, percent):
    rank = max(1, ceil(round(len(values) * percent / 100, 6)))
    exact = sorted(values)[rank - 1]

    assert filled(values).percentile_ns(percent) == pytest.approx(exact, rel=0.01, abs=0.5)


@given(st.lists(VALUES, min_size=1))
def test_count_mean_least_and_greatest_are_exact(values):
    histogram = filled(values)

    assert (len(values), sum(values), min(values), max(values)) == (histogram.count, histogram.total_ns, histogram.min_ns, histogram.max_ns)
    assert histogram.mean_ns() == sum(values) / len(values)
    assert histogram.percentile_ns(100) <= max(values)


@given(st.lists(st.tuples(VALUES, st.integers(1, 50)), max_size=20))
def test_recording_a_value_several_times_at_once_is_the_same_as_one_by_one(pairs):
    at_once = Histogram()
    for value, count in pairs:
        at_once.record(value, count)

    one_by_one = filled([value for value, count in pairs for _ in range(count)])
    assert list(one_by_one.filled()) == list(at_once.filled())
    assert (one_by_one.count, one_by_one.total_ns) == (at_once.count, at_once.total_ns)


@given(st.lists(VALUES, min_size=1), st.integers(1, 20))
def test_the_rows_of_a_picture_hold_every_value(values, rows):
    parts = filled(values).parts(rows)

    assert len(parts) <= rows
    assert sum(count for _, _, count in parts) == len(values)


def test_without_values_everything_is_nothing():
    assert (0.0, 0.0, []) == (Histogram().mean_ns(), Histogram().percentile_ns(99), Histogram().parts(12))


def test_what_came_before_it_was_due_took_no_time():
    histogram = filled([-5])
    assert (1, 0, 0) == (histogram.count, histogram.max_ns, histogram.total_ns)
