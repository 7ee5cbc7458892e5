"""What is like what: the subset of JSON, and how differences are told."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.scenario.expectation import Closed, Exactly, LikeJson, Matching, Refused, find_json_difference, show_message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def is_like(expected, actual):
    """The rule, written a second time and differently: over the flat list of leaves."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(key in actual and is_like(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and all(map(is_like, expected, actual))
    return json.dumps(expected) == json.dumps(actual) or (
        not isinstance(expected, bool)
        and not isinstance(actual, bool)
        and isinstance(expected, int | float)
        and isinstance(actual, int | float)
        and expected == actual
    )


@given(JSON)
def test_everything_is_like_itself(value):
    assert find_json_difference(value, json.loads(json.dumps(value))) is None


@given(JSON, JSON)
def test_the_difference_is_none_exactly_where_the_one_is_part_of_the_other(expected, actual):
    assert (find_json_difference(expected, actual) is None) == is_like(expected, actual)


@given(st.dictionaries(st.text(), JSON, min_size=1, max_size=4), st.dictionaries(st.text(), JSON, max_size=4))
def test_keys_that_are_not_expected_do_not_matter_and_expected_ones_must_be_there(expected, more):
    assert find_json_difference(expected, {**more, **expected}) is None
    key = next(iter(expected))
    assert find_json_difference(expected, {name: value for name, value in expected.items() if name != key}) is not None


@pytest.mark.parametrize(
    ("expected", "actual", "difference"),
    [
        ({"a": 1}, {"a": 2}, "a is 2, not 1"),
        ({"a": {"b": [1, {"c": "x"}]}}, {"a": {"b": [1, {"c": "y"}]}}, 'a.b[1].c is "y", not "x"'),
        ({"a": 1}, {}, "a is missing"),
        ({"a": {"b": 1}}, {"a": {}}, "a.b is missing"),
        ({"a": 1}, [], "it is [], not a mapping"),
        ([], {}, "it is {}, not a list"),
        ([1, 2], [1], "it has 1 item, not 2"),
        ([], [1, 2], "it has 2 items, not 0"),
        ([{"a": 1}], [{"a": 1, "b": 2}], None),
        ([1], [1, 1], "it has 2 items, not 1"),
        (True, 1, "it is 1, not true"),
        (1, True, "it is true, not 1"),
        (0, False, "it is false, not 0"),
        (1, 1.0, None),
        (1.5, 1, "it is 1, not 1.5"),
        (None, False, "it is false, not null"),
        ("1", 1, 'it is 1, not "1"'),
        ({}, {"a": 1}, None),
    ],
)
def test_a_difference_names_where_it_is(expected, actual, difference):
    assert find_json_difference(expected, actual) == difference


@pytest.mark.parametrize(
    ("wanted", "message", "difference"),
    [
        (Exactly("hi"), "hi", None),
        (Exactly("hi"), "ho", ""),
        (Exactly("hi"), b"hi", "text is expected, binary came"),
        (Exactly(b"hi"), "hi", "binary is expected, text came"),
        (Exactly(b"\x00"), b"\x00", None),
        (Exactly("a" * 500 + "b"), "a" * 500 + "c", "they differ from character 501 on"),
        (Exactly("a" * 500), "a" * 499, "they differ from character 500 on"),
        (LikeJson({"a": 1}), '{"a": 1, "b": 2}', None),
        (LikeJson({"a": 1}), "hello", "it is not JSON"),
        (LikeJson({"a": 1}), b'{"a": 1}', "it is binary, not JSON text"),
        (LikeJson([]), "[" * 100_000, "it is not JSON"),
        (Matching(re.compile("b+")), "abbc", None),
        (Matching(re.compile("^b")), "ab", ""),
        (Matching(re.compile("a")), b"a", "it is binary, not text"),
    ],
)
def test_a_message_is_held_against_what_is_wanted(wanted, message, difference):
    assert wanted.find_difference(message) == difference


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("hi", '"hi"'),
        ('{"a":1}', "'{\"a\":1}'"),
        ("a\nb\x1b[2J", r'"a\nb\x1b[2J"'),
        ("x" * 300, '"' + "x" * 199 + '…"'),
        (b"", "0 bytes of binary"),
        (b"\x00\xff", "2 bytes of binary 00 ff"),
        (b"\x00" * 40, "40 bytes of binary " + " ".join(["00"] * 32) + "…"),
    ],
)
def test_a_message_is_shown_on_one_printable_line(message, shown):
    assert show_message(message) == shown


def test_a_close_and_a_refusal_are_held_against_what_is_given_of_them():
    assert Closed().admits(1011, "whatever")
    assert Closed(1000).admits(1000, "bye")
    assert not Closed(1000).admits(1001, "")
    assert not Closed(1000, "bye").admits(1000, "")
    assert Refused(403).admits(403, "origin")
    assert not Refused(403, "address").admits(403, "origin")
    assert not Refused(404).admits(403, "origin")
