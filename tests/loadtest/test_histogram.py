"""Latencies in buckets: exact enough, and the same whether they are counted in one place or in many."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.histogram import Histogram, bucket_of, load_histogram, middle_of

LATENCIES = st.lists(st.integers(0, 10**9), min_size=1, max_size=200)


def histogram_of(values_us: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values_us:
        histogram.add(value / 1e6)
    return histogram


@given(st.integers(0, 10**10))
def test_a_bucket_is_never_further_from_its_values_than_one_percent(value_us: int) -> None:
    assert abs(middle_of(bucket_of(value_us)) - value_us) <= value_us / 100


@given(st.integers(0, 10**10))
def test_larger_values_are_never_in_lower_buckets(value_us: int) -> None:
    assert bucket_of(value_us) <= bucket_of(value_us + 1) <= bucket_of(value_us) + 1


@given(LATENCIES, st.sampled_from([1, 50, 90, 99, 99.9]))
def test_a_percentile_is_the_value_that_so_many_do_not_pass(values_us: list[int], percent: float) -> None:
    ordered = sorted(values_us)
    true_us = ordered[max(0, -(-len(ordered) * percent // 100).__int__() - 1)]
    found_ms = histogram_of(values_us).percentile_ms(percent)
    assert found_ms is not None
    assert found_ms * 1000 == pytest.approx(true_us, rel=0.01, abs=0.5)


@given(LATENCIES)
def test_the_maximum_is_exact(values_us: list[int]) -> None:
    assert histogram_of(values_us).percentile_ms(100) == max(values_us) / 1000


@given(LATENCIES, LATENCIES)
def test_two_added_up_are_as_one_that_counted_all(first: list[int], second: list[int]) -> None:
    merged = load_histogram(json.loads(json.dumps(histogram_of(first).dump())))
    merged.merge(histogram_of(second))
    assert merged.dump()[:3] == histogram_of(first + second).dump()[:3]
    assert merged.buckets == histogram_of(first + second).buckets


def test_there_is_no_percentile_of_nothing() -> None:
    assert Histogram().percentile_ms(50) is None
    assert Histogram().mean_ms() is None
