import re
from collections import UserDict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.api.causes import Cause
from wsrouter.observe.text import MULTILINE, clean, clean_facts, clean_lines, clean_value, to_json_line, to_pretty_lines, with_prefix

HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, with é and 😀", "plain text, with é and 😀"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\r\nX: b", "a\\x0d\\x0aX: b"),
        ("\x00\t\x7f", "\\x00\\x09\\x7f"),
        ("\x85\x9b", "\\x85\\x9b"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("\ud800\udfff", "\\ud800\\udfff"),
        ("gpj\u202e.exe", "gpj\\u202e.exe"),
        ("", ""),
        ("x" * 256, "x" * 256),
        ("x" * 257, "x" * 255 + "…"),
        ("x" * 1_000_000, "x" * 255 + "…"),
        ("x" * 253 + "\x1b" * 9, "x" * 253 + "…"),
        ("\x1b" * 64, "\\x1b" * 64),
        ("\x1b" * 65, "\\x1b" * 63 + "…"),
    ],
)
def test_client_text_is_escaped_and_cut(text, expected):
    assert clean(text) == expected


@given(st.text(st.characters(codec=None), max_size=600), st.integers(8, 300))
def test_cleaned_text_is_harmless_and_short(text, limit):
    cleaned = clean(text, limit)
    assert not HARMFUL.search(cleaned)
    assert len(cleaned) <= limit
    assert cleaned.encode().decode() == cleaned


def test_lines_stay_lines_but_nothing_else_gets_through():
    assert clean_lines("a\n\tb\x1b[0m\r\n") == "a\n\tb\\x1b[0m\\x0d\n"


def test_of_an_overlong_traceback_the_end_is_kept():
    cleaned = clean_lines("x\n" * 100_000 + "ValueError: this", limit=1000)
    assert cleaned.startswith("…")
    assert cleaned.endswith("ValueError: this")
    assert len(cleaned) == 1001


class Hostile:
    def __str__(self):
        raise RuntimeError("no text of mine")


class HostileMapping(UserDict):
    def items(self):
        raise RuntimeError("no items of mine")


def deep(levels):
    return [deep(levels - 1)] if levels else "\x1b"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (2**63 - 1, 2**63 - 1),
        (2**70, str(2**70)),
        ("\n", "\\x0a"),
        (b"\n", "b'\\n'"),
        (Path("/tmp/\x1b"), "/tmp/\\x1b"),
        (Cause.IDLE, "idle"),
        (ValueError("a\nb"), "a\\x0ab"),
        ({"k\n": ["\x1b", 1]}, {"k\\x0a": ["\\x1b", 1]}),
        ({1: ("a",)}, {"1": ["a"]}),
        (list(range(100)), list(range(32))),
        (deep(6), [[[["[['\\x1b']]"]]]]),
        (Hostile(), "<Hostile>"),
        (HostileMapping(a=1), "<HostileMapping>"),
        ([Hostile()], ["<Hostile>"]),
    ],
)
def test_any_value_becomes_one_that_json_can_hold(value, expected):
    cleaned = clean_value(value)
    assert cleaned == expected
    assert to_json_line({"ts": "", "level": "", "event": "", "value": cleaned})


def test_a_number_too_long_to_be_written_is_named():
    assert clean_value(10**5000) == "<int>"


def test_names_of_facts_are_cleaned_too():
    facts = {"a\nb": 1, "fine": "\x1b", "traceback": "one\ntwo\x1b"}
    clean_facts(facts)
    assert facts == {"a\\x0ab": 1, "fine": "\\x1b", "traceback": "one\ntwo\\x1b"}


def test_a_line_of_json_begins_with_time_level_and_event():
    line = to_json_line({"route": "/echo", "event": "connection.opened", "level": "info", "ts": "2024-01-01T12:00:00.000Z", "n": float("nan")})
    assert line == b'{"ts":"2024-01-01T12:00:00.000Z","level":"info","event":"connection.opened","route":"/echo","n":null}'


def record(**facts):
    return {"ts": "2024-01-01T12:00:00.250Z", "level": "info", "event": "connection.opened", **facts}


def test_a_pretty_line_has_time_level_event_and_facts():
    line = to_pretty_lines(record(route="/echo", n=3, names=["a", "b"], text="two words", fix='origins: ["null"]', empty="", on=True), colours=False).decode()
    assert re.fullmatch(r"\d\d:\d\d:00\.250 info    connection\.opened  .*", line)
    assert line.endswith("""route=/echo n=3 names=["a","b"] text="two words" fix='origins: ["null"]' empty="" on=true""")


def test_a_pretty_line_without_facts_ends_with_its_event():
    assert to_pretty_lines(record(), colours=False).endswith(b"connection.opened")


def test_a_request_id_that_is_the_connections_own_is_not_said_twice_to_people():
    assert b"request_id" not in to_pretty_lines(record(connection_id="ab", request_id="ab"), colours=False)
    assert b"request_id=cd" in to_pretty_lines(record(connection_id="ab", request_id="cd"), colours=False)


def test_a_pretty_line_leaves_out_a_path_that_is_its_route_and_a_reason_that_is_its_cause():
    line = to_pretty_lines(record(cause="idle", reason="idle", route="/echo", path="/echo"), colours=False)

    assert line.endswith(b"cause=idle route=/echo")
    assert b"reason=full route=/r/{x} path=/r/1" in to_pretty_lines(record(cause="idle", reason="full", route="/r/{x}", path="/r/1"), colours=False)


def test_a_traceback_stands_indented_below_its_line():
    lines = to_pretty_lines(record(traceback="Traceback:\n  here\nError: it\n", n=1), colours=False).decode().split("\n")
    assert lines[0].endswith("n=1")
    assert lines[1:] == ["    Traceback:", "      here", "    Error: it"]


def test_colours_are_there_only_where_they_are_asked_for():
    plain = to_pretty_lines(record(a=1, traceback="t"), colours=False).decode()
    coloured = to_pretty_lines(record(a=1, traceback="t"), colours=True).decode()
    assert "\x1b" not in plain
    assert "\x1b[32minfo" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


def test_each_line_gets_the_journals_mark():
    assert with_prefix(b"a\nb", "error") == b"<3>a\n<3>b"
    assert [with_prefix(b"", level) for level in ("debug", "info", "warning", "error", "critical", "other")] == [b"<7>", b"<6>", b"<4>", b"<3>", b"<3>", b"<6>"]


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)) | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)) | st.integers(), inner) | st.tuples(inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(st.characters(codec=None), max_size=10).filter(lambda name: name not in MULTILINE), JSONISH, max_size=5))
def test_whatever_is_logged_becomes_one_line(facts):
    for make in (to_json_line, lambda cleaned: to_pretty_lines(cleaned, colours=False)):
        cleaned = {**facts, "event": "e", "level": "info", "ts": "2024-01-01T12:00:00.000Z"}
        clean_facts(cleaned)
        assert not HARMFUL.search(make(cleaned).decode())
