from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.config.units import format_duration, format_rate, format_size, parse_duration, parse_rate, parse_size


@pytest.mark.parametrize("text, seconds", [("500ms", 0.5), ("2s", 2), ("1m30s", 90), ("1.5h", 5400), ("1d", 86400), ("0s", 0), ("1h1m1s1ms", 3661.001)])
def test_a_duration_is_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text, size", [("512B", 512), ("64KiB", 65536), ("64k", 65536), ("64kB", 64000), ("1.5MiB", 1572864), ("1G", 1 << 30), ("0B", 0)])
def test_a_size_is_bytes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text, per_second", [("100/s", 100), ("6000/m", 100), ("36/h", 0.01), ("0", 0), ("0.5/s", 0.5)])
def test_a_rate_is_how_many_a_second(text, per_second):
    assert parse_rate(text) == pytest.approx(per_second)


@pytest.mark.parametrize(
    "parse, text, message",
    [
        (parse_duration, "5", "write 5s"),
        (parse_duration, "5 s", '"5 s" is not a time: write 500ms'),
        (parse_duration, "", "is not a time"),
        (parse_duration, "-5s", "is not a time"),
        (parse_duration, "\u0665s", "is not a time"),  # an Arabic five
        (parse_duration, "9999d", "over ten years"),
        (parse_duration, "9" * 5000, "…"),
        (parse_size, "65536", "write 65536B or 64KiB"),
        (parse_size, "1.5", "write 1.5MiB"),
        (parse_size, "64kib", "write 64KiB"),
        (parse_size, "64 KiB", "is not a size"),
        (parse_size, "5x", "write 5KiB; units are"),
        (parse_rate, "100", "write 100/s"),
        (parse_rate, "64KiB/s", "write 65536/s"),
        (parse_rate, "5/d", "write 100/s"),
        (parse_rate, "fast", "write 100/s, 6000/m or 10/h"),
    ],
)
def test_what_is_none_is_answered_with_what_to_write(parse, text, message):
    with pytest.raises(ValueError) as caught:
        parse(text)

    assert message in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.integers(0, 10**10))
def test_a_duration_reads_back_as_it_was_written(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


@given(st.integers(0, 10**15 - 1))
def test_a_size_reads_back_as_it_was_written(size):
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 10**6), st.sampled_from([1, 60, 3600]))
def test_a_rate_reads_back_as_it_was_written(number, seconds):
    assert parse_rate(format_rate(number / seconds)) == pytest.approx(number / seconds)


@pytest.mark.parametrize("seconds, text", [(0, "0s"), (0.5, "500ms"), (90, "1m30s"), (86400, "1d"), (1.5, "1.5s"), (0.0005, "0.5ms"), (3600, "1h")])
def test_a_duration_is_written_in_the_units_that_it_needs(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize("size, text", [(0, "0B"), (65536, "64KiB"), (64000, "64kB"), (1 << 20, "1MiB"), (1001, "1001B")])
def test_a_size_is_written_in_the_largest_unit_that_divides_it(size, text):
    assert format_size(size) == text


@pytest.mark.parametrize("rate, text", [(0, "0"), (100, "100/s"), (0.5, "30/m"), (1 / 3600, "1/h")])
def test_a_rate_is_written_as_a_whole_number(rate, text):
    assert format_rate(rate) == text
