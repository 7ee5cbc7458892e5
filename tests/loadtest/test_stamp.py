"""The stamp of a message: it comes back as it was, in the size that was asked for, and is worth nothing on another machine."""

from __future__ import annotations

import json
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.stamp import HOST, Stamp, latency_s, read_stamp, wrap, write_stamp


@given(st.integers(0, 2**40), st.floats(0, 1e9), st.integers(0, 5000))
def test_a_stamp_comes_back_as_it_was(number: int, due_s: float, size_bytes: int) -> None:
    message = write_stamp("4711-3", number, due_s, size_bytes)
    stamp = read_stamp(message)
    assert stamp is not None
    assert (HOST, "4711-3", number) == stamp[:3]
    assert stamp.due_s == pytest.approx(due_s, abs=1e-6)
    assert len(message) == max(size_bytes, len(write_stamp("4711-3", number, due_s)))


@pytest.mark.parametrize("message", ["", "hello", "{}", "[]", '{"lab":[1,2]}', '{"lab":["a","b","c",1]}', '{"lab":["a","b",1,"c"]}', "3", b"\xff"])
def test_what_has_no_stamp_is_no_fault_of_the_reader(message: str | bytes) -> None:
    assert read_stamp(message) is None


def test_a_wrapped_message_is_json_that_holds_it() -> None:
    message = write_stamp("a", 1, 2.0)
    assert json.loads(message) == json.loads(wrap(message))["body"]


def test_latency_is_told_on_one_machine_only() -> None:
    now = monotonic()
    assert latency_s(Stamp(HOST, "a", 0, now)) == pytest.approx(0, abs=1)
    assert latency_s(Stamp("another", "a", 0, now)) is None
