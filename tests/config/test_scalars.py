from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.config.scalars import parse_scalar


@pytest.mark.parametrize(
    "text, value",
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("0", 0),
        ("-12", -12),
        ("+5", 5),
        ("0o17", 15),
        ("0xff", 255),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-0", 0),
    ],
)
def test_a_plain_scalar_is_typed_by_the_core_rules(text, value):
    parsed = parse_scalar(text)

    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "on",
        "off",
        "yes",
        "no",
        "y",
        "12:30",
        "1_000",
        "2024-05-01",
        "012",
        "0660",
        "-012",
        "00.5",
        ".inf",
        "-.inf",
        ".nan",
        "1e999",
        "9" * 5000,
        str(1 << 64),
        "0x" + "f" * 17,
        "nULL",
        "١٢",
        "=",
        "<<",
        "-",
        ".",
        "+",
    ],
)
def test_what_looks_like_something_to_older_rules_is_text(text):
    assert parse_scalar(text) == text


@given(st.text("0123456789+-.eExo_ab:", max_size=30))
def test_a_scalar_never_raises_and_is_what_json_can_carry(text):
    value = parse_scalar(text)

    assert value is None or isinstance(value, str | int | float)
    assert value != float("inf")
