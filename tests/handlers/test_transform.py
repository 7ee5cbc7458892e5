from __future__ import annotations

import contextlib
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter import OptionError, Template
from wsrouter.handlers.transform import Transform
from wsrouter.testing import MemoryContext

BIG = "123456789012345678901234567890"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=10,
)


def started(**options):
    handler = Transform(**options)
    handler.check()
    handler.start(MemoryContext())
    return handler


def transformed(message, *, user=None, params=None, **options):
    """What the next step gets; the client must hear of nothing."""
    connection = MemoryContext("/t").connection(user=user, params=params)
    result = started(**options).on_message(connection, message)
    assert (connection.sent, connection.closed) == ([], None)
    return result


def refused(message, **options):
    """What the client hears of a message that does not fit; the next step gets nothing."""
    connection = MemoryContext("/t").connection()
    handler = started(**options)
    assert handler.on_message(connection, message) is None
    assert handler.failed == 1
    return connection


# jmespath


@pytest.mark.parametrize(
    "expression, message, result",
    [
        ("text", '{"text": "hi"}', "hi"),
        ("text", b'{"text": "hi"}', "hi"),
        ("n", '{"n": 5}', "5"),
        ("a.b[0]", '{"a": {"b": [true]}}', "true"),
        ("{x: a, y: `1`}", '{"a": "b"}', '{"x":"b","y":1}'),
        ("@", "[1,2]", "[1,2]"),
        ("join('-', @)", '["a","b"]', "a-b"),
        ("missing", "{}", None),
        ("@", "null", None),
    ],
)
def test_jmespath_picks_from_json(expression, message, result):
    assert transformed(message, jmespath=expression) == result


def test_a_list_is_one_message_and_not_several():
    assert isinstance(transformed('{"a": ["x", "y"]}', jmespath="a"), str)


@pytest.mark.parametrize(
    "expression, offset, text",
    [
        ("a..b", 2, "got: dot"),
        ("foo[", 4, "ends too early"),
        ("", 0, "cannot be empty"),
        ("a | 'x", 4, "unclosed ' delimiter"),
        ("a b", 2, "unexpected token: b"),
        ("a.nosuch(@)", 2, "there is no function nosuch; there are abs"),
        ("a[?length(b, c) > `1`]", 3, "length() takes 1 argument, not 2"),
        ("merge()", 0, "merge() takes at least 1 argument, not 0"),
        ("abc[::0]", 5, "step"),
    ],
)
def test_a_bad_expression_is_refused_at_its_place(expression, offset, text):
    with pytest.raises(OptionError, match="no JMESPath expression") as caught:
        Transform(jmespath=expression).check()

    assert (caught.value.option, caught.value.offset) == ("jmespath", offset)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("expression", ["not_null(a, b, c)", "sort_by(@, &a)", "merge(a, b)", "{a: max(@)}", "[1:3:-1]"])
def test_calls_that_can_work_are_left_alone(expression):
    Transform(jmespath=expression).check()


@given(st.text(max_size=30))
def test_any_expression_is_either_compiled_or_refused(expression):
    with contextlib.suppress(OptionError):
        Transform(jmespath=expression).check()


@pytest.mark.parametrize(
    "expression, message",
    [("length(n)", '{"n": 5}'), ("ceil(to_number(@))", '"inf"'), ("@", "[" * 400 + "]" * 400), ("sum(@)", '["a"]')],
)
def test_a_value_that_the_expression_cannot_take_is_told_to_the_sender(expression, message):
    connection = refused(message, jmespath=expression)

    assert json.loads(connection.sent[0])["error"] == "transform_failed"


# json


def test_json_builds_a_structure_and_keeps_types():
    source = {"from": "{user}", "room": "{room}", "n": "{message.n}", "say": "<{message.text}>", "at": "{now}", "gone": "{message.x.y}"}

    result = transformed('{"n": 5, "text": "a\\"b"}', json=Template(source), user="ann", params={"room": "r"})

    assert json.loads(result) == {"from": "ann", "room": "r", "n": 5, "say": '<a"b>', "at": "2024-01-01T12:00:00.000Z", "gone": None}


def test_json_needs_no_json_where_it_does_not_look_at_the_message():
    assert transformed(b"\xff", json=Template({"type": "ping"})) == '{"type":"ping"}'


@pytest.mark.parametrize(
    "source, message, result",
    [
        ("{message.text}", '{"text": "hi"}', "hi"),
        ("{message.text}", '{"text": null}', None),
        ("{message}", "null", None),
        ("{message}", '"hi"', "hi"),
        ("{message}", "true", "true"),
        (["{message.a}", 1], '{"a": []}', "[[],1]"),
        ("is {message}", "5", "is 5"),
    ],
)
def test_json_may_be_any_value(source, message, result):
    assert transformed(message, json=Template(source)) == result


@pytest.mark.parametrize("message", [BIG, f'{{"id": {BIG}}}', f"[{BIG}, 1.0]".encode()])
def test_a_whole_message_is_embedded_as_it_came_with_large_integers(message):
    text = message if isinstance(message, str) else message.decode()

    assert transformed(message, json=Template({"body": "{message}", "user": "{user}"})) == f'{{"body":{text},"user":null}}'
    assert transformed(message, json=Template("{message}")) == text


@given(json_values)
def test_what_is_embedded_is_the_same_value(value):
    result = transformed(json.dumps(value), json=Template({"body": "{message}", "list": ["{message}"]}))

    assert json.loads(result) == {"body": value, "list": [value]}


@given(json_values)
def test_a_field_cannot_break_out_of_its_place(value):
    result = transformed(orjson.dumps({"x": value}), json=Template({"a": "{message.x}", "b": 1}))

    assert json.loads(result) == {"a": value, "b": 1}


# template


@pytest.mark.parametrize(
    "source, message, result",
    [
        ("{user}: {message}", "hi", "ann: hi"),
        ("{user}: {message}", b"hi", "ann: hi"),
        ("{user}: {message.text}", '{"text": "hi"}', "ann: hi"),
        ("{message.n} of {message}", f'{{"n": 1, "id": {BIG}}}', f'1 of {{"n": 1, "id": {BIG}}}'),
        ("<{message.x}>", "{}", "<>"),
        ("ping", b"\xff", "ping"),
        ("{message}", "5", "5"),
    ],
)
def test_template_fills_a_text(source, message, result):
    assert transformed(message, template=Template(source), user="ann") == result


def test_binary_that_is_no_text_does_not_fit_a_template():
    connection = refused(b"\xff", template=Template("{message}"))

    assert json.loads(connection.sent[0])["error"] == "not_text"


# text


@pytest.mark.parametrize("rule, message, result", [("upper", "aß", "ASS"), ("lower", "AÉ", "aé"), ("upper", f'{{"a":{BIG}}}', f'{{"A":{BIG}}}')])
def test_text_changes_the_case(rule, message, result):
    assert transformed(message, text=rule) == result


def test_text_takes_no_binary():
    assert refused(b"abc", text="upper", on_error="close").closed == (1003, "not_text")


# as


@pytest.mark.parametrize(
    "options, message, result",
    [
        ({"jmespath": "a"}, '{"a": "x\\"y"}', '"x\\"y"'),
        ({"template": Template("{message}")}, "hi", '"hi"'),
        ({"text": "upper"}, "hi", '"HI"'),
        ({"json": Template("{message.a}")}, '{"a": "x"}', '"x"'),
        ({"json": Template({"a": "b"})}, "-", '{"a":"b"}'),
        ({"json": Template("{message}")}, BIG, BIG),
        ({"jmespath": "a"}, "{}", None),
    ],
)
def test_as_json_puts_a_string_in_quotes_and_leaves_the_rest(options, message, result):
    assert transformed(message, as_="json", **options) == result


# on_error


def test_on_error_reply_tells_the_sender():
    connection = refused("hello", jmespath="a")

    reply = json.loads(connection.sent[0])
    assert set(reply) == {"error", "message"}
    assert reply["error"] == "not_json"
    assert reply["message"].startswith("expected JSON: ")
    assert connection.closed is None


def test_on_error_drop_is_silent():
    connection = refused("hello", json=Template("{message.x}"), on_error="drop")

    assert (connection.sent, connection.closed) == ([], None)


@pytest.mark.parametrize("message", ["hello", b"\xff", "", "NaN", '{"a":'])
def test_on_error_close_says_1007(message):
    connection = refused(message, template=Template("{message.x}"), on_error="close")

    assert (connection.sent, connection.closed) == ([], (1007, "not_json"))


def test_a_reply_quotes_only_so_much_of_the_message():
    connection = refused(json.dumps("x" * 5000), jmespath="sum(@)")

    assert len(connection.sent[0]) < 300


# check


@pytest.mark.parametrize(
    "options, option, text",
    [
        ({}, None, "one of jmespath, json, template, text"),
        ({"text": "upper", "jmespath": "a"}, "text", "jmespath and text exclude each other"),
        ({"template": Template({"a": 1})}, "template", "write a structure under json"),
    ],
)
def test_exactly_one_rule_is_needed(options, option, text):
    with pytest.raises(OptionError, match=text) as caught:
        Transform(**options).check()

    assert caught.value.option == option


def test_jmespath_is_not_imported_for_other_rules():
    import subprocess
    import sys

    code = "import sys; from wsrouter.handlers.transform import Transform; Transform(text='upper').check(); sys.exit('jmespath' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
