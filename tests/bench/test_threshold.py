"""The grammar of thresholds, and what is said of one that is missed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.bench.threshold import COUNTS, SUBJECTS, Threshold, find_missed, parse_thresholds

READ = {
    "p99 delivery < 50ms": Threshold("p99", "delivery", "<", 0.05),
    "p99.9<1s": Threshold("p99.9", "round_trip", "<", 1.0),
    "max connect <= 1m30s": Threshold("max", "connect", "<=", 90.0),
    "mean = 5ms": Threshold("mean", "round_trip", "=", 0.005),
    " lost = 0 ": Threshold("lost", None, "=", 0.0),
    "out_of_order == 0": Threshold("out_of_order", None, "==", 0.0),
    "messages/s >= 100000": Threshold("messages/s", None, ">=", 100000.0),
    "messages/s > 1.5/s": Threshold("messages/s", None, ">", 1.5),
}


@pytest.mark.parametrize(("text", "expected"), READ.items(), ids=READ.keys())
def test_a_threshold_is_read(text, expected):
    assert (expected,) == parse_thresholds(text)


def test_several_are_separated_by_commas():
    assert ["p99 delivery < 50ms", "lost = 0"] == [str(threshold) for threshold in parse_thresholds("p99<50ms, lost=0", subject="delivery")]


REFUSED = {
    "": "'' is not a threshold: write p99 < 50ms, max connect <= 1s or lost = 0",
    "p99 < 50ms,": "'' is not a threshold: write p99 < 50ms, max connect <= 1s or lost = 0",
    "p99": "'p99' is not a threshold: write p99 < 50ms, max connect <= 1s or lost = 0",
    "p99 < 50": "'p99 < 50': a time needs a unit: write 50s",
    "p99 < soon": "'p99 < soon': \"soon\" is not a time: write 500ms, 5s, 1m30s, 1h or 1d",
    "p100 < 1s": "'p100 < 1s': there is no p100; times are p50 to p99.999, max and mean, numbers are lost, duplicated, out_of_order, errors, messages/s",
    "p0 < 1s": "'p0 < 1s': there is no p0; times are p50 to p99.999, max and mean, numbers are lost, duplicated, out_of_order, errors, messages/s",
    "missing = 0": "'missing = 0': there is no missing; times are p50 to p99.999, max and mean, numbers are lost, duplicated, out_of_order, errors, messages/s",
    "p99 upgrade < 1s": "'p99 upgrade < 1s': there is no p99 of upgrade; there is p99 of connect, round_trip, delivery",
    "lost delivery = 0": "'lost delivery = 0': lost is a number, and of nothing: write lost = 0",
    "lost = none": "'lost = none': none is not a number: write 0 or 100000",
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=REFUSED.keys())
def test_what_is_no_threshold_is_refused_with_what_is_allowed(text, expected):
    with pytest.raises(ValueError) as caught:
        parse_thresholds(text)
    assert expected == str(caught.value)


def test_what_is_missed_is_told_with_the_limit_and_the_value():
    thresholds = parse_thresholds("p99 < 50ms, max delivery < 1s, lost = 0, messages/s > 1000, errors = 0")
    measured = {"p99": 0.0512341234, "max": None, "lost": 3.0, "messages/s": 1000.0, "errors": 0.0}
    assert [
        "missed: p99 round_trip < 50ms, but it was 51.2341ms",
        "missed: max delivery < 1s, but there was none to measure",
        "missed: lost = 0, but it was 3",
        "missed: messages/s > 1000, but it was 1000",
    ] == find_missed(thresholds, lambda threshold: measured[threshold.measure])


OPERATORS = st.sampled_from(["<", "<=", "=", ">=", ">"])
TIMES = st.builds(
    Threshold,
    st.sampled_from(["p50", "p90", "p99", "p99.9", "p99.999", "max", "mean"]),
    st.sampled_from(SUBJECTS),
    OPERATORS,
    st.integers(1, 3_600_000).map(lambda milliseconds: milliseconds / 1000),
)
NUMBERS = st.builds(Threshold, st.sampled_from(COUNTS), st.none(), OPERATORS, st.integers(0, 10**9).map(float))


@given(st.lists(TIMES | NUMBERS, min_size=1))
def test_a_threshold_reads_as_it_is_written(thresholds):
    written = ", ".join(map(str, thresholds))
    assert written == ", ".join(map(str, parse_thresholds(written)))
