from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.api.errors import TemplateError
from wsrouter.api.template import MISSING, Placeholder, Template, Values, unknown_placeholders

NOON = datetime(2024, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)


@dataclass
class FixedClock:
    moment: datetime = NOON

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, delay_s: float) -> None:
        raise AssertionError("a template waits for nothing")


@dataclass
class FakeConnection:
    params: dict[str, str | int] = field(default_factory=lambda: {"room": "blue", "id": 7})
    path: str = "/rooms/blue"
    query: dict[str, str] = field(default_factory=lambda: {"x": "1"})
    user: str | None = "ada"
    claims: dict[str, object] = field(default_factory=lambda: {"org": {"name": "acme"}})


def values(**more: object) -> Values:
    return Values(FakeConnection(), clock=FixedClock(), **more)


@pytest.mark.parametrize(
    "text, names",
    [
        ("room/{room}", ["room"]),
        ("{query.x-y}{message.a.0.b}", ["query.x-y", "message.a.0.b"]),
        ("{now:unix_ms}", ["now:unix_ms"]),
        ('{"json": 1}', []),
        ('{"n":{n}}', ["n"]),
        ("{}{ x }{1}{a b}{a.}{.a}{a:}{", []),
        ("{{room}}", []),
        ("{{{room}}}", []),
        ("{{room}", ["room"]),
        ("${room}", ["room"]),
    ],
)
def test_only_an_identifier_in_braces_is_a_placeholder(text, names):
    assert names == [placeholder.name for placeholder in Template(text).placeholders]


def test_doubled_braces_stand_for_themselves():
    assert Template("{{room}} is {room}").fill({"room": "blue"}) == "{room} is blue"
    assert Template("{{room}}").constant


def test_a_placeholder_knows_where_its_brace_stands():
    assert Template("ab{c}{d}").placeholders == (Placeholder("c", 2), Placeholder("d", 5))


def test_placeholders_of_a_structure_are_listed_in_reading_order_keys_included():
    template = Template({"{a}": ["{b}", 1, None, True, {"c": "-{d}"}]})

    assert [placeholder.name for placeholder in template.placeholders] == ["a", "b", "d"]
    assert template.fill({"a": 1, "b": [2], "d": "x"}) == {"1": [[2], 1, None, True, {"c": "-x"}]}


def test_a_scalar_that_is_one_placeholder_keeps_its_type():
    assert Template({"n": "{n}", "t": "{n}."}).fill({"n": 5}) == {"n": 5, "t": "5."}
    assert Template("{n}").fill({"n": 5}) == 5
    assert Template("{n}").text({"n": 5}) == "5"


@pytest.mark.parametrize("value, text", [(None, ""), (True, "true"), (1.5, "1.5"), ("ü", "ü"), ({"a": [1]}, '{"a":[1]}'), (1 << 80, str(1 << 80))])
def test_values_stand_in_text_as_people_write_them(value, text):
    assert Template("<{v}>").text({"v": value}) == f"<{text}>"


@given(st.text())
def test_no_value_breaks_out_of_a_structure(value):
    template = Template({"say": "{v}", "also": ["<{v}>"]})

    assert json.loads(template.text({"v": value})) == {"say": value, "also": [f"<{value}>"]}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | st.text("{}ab.:", max_size=8),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    )
)
def test_a_constant_structure_is_what_was_written(source):
    template = Template(source)

    if template.constant and "{{" not in repr(source):
        assert template.fill({}) == source


def test_a_missing_value_is_an_error_that_names_it():
    with pytest.raises(TemplateError, match=r"\{room\} stands for nothing here"):
        Template("{room}").fill({})


@pytest.mark.parametrize("source", [b"bytes", {1: "a"}, [object()], {"a": {1, 2}}])
def test_what_json_cannot_carry_is_refused(source):
    with pytest.raises(TemplateError):
        Template(source)


def test_a_structure_without_end_is_refused():
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(TemplateError, match="deeper than 64"):
        Template(endless)


def test_templates_are_equal_when_they_are_written_the_same():
    assert Template({"a": "{b}"}) == Template({"a": "{b}"})
    assert hash(Template({"a": "{b}"})) == hash(Template({"a": "{b}"}))
    assert Template("1") != Template(1)
    assert repr(Template("{b}")) == "Template('{b}')"


KNOWN = ["room", "user", "now", "query.*", "message.*", "n"]


@pytest.mark.parametrize("name", ["room", "user", "now", "now:unix", "now:unix_ms", "query.x", "message", "message.a.b", "n"])
def test_known_placeholders_are_known(name):
    assert unknown_placeholders(Template(f"{{{name}}}"), KNOWN) == []


@pytest.mark.parametrize(
    "name, message",
    [
        ("roam", "did you mean {room}? known are {room}, {user}, {now}, {query.NAME}, {message.NAME}, {n}; for the text itself write {{roam}}"),
        ("room:int", "only now has formats; write {room}"),
        ("room.x", "room has no fields; write {room}"),
        ("query", "write {query.NAME}"),
        ("query.x:int", "only now has formats; write {query.x}"),
        ("now:iso", "write {now}, {now:unix} or {now:unix_ms}"),
        ("now.x", "write {now}, {now:unix} or {now:unix_ms}"),
        ("message:x", "only now has formats; write {message}"),
        ("zzz", "known are {room}, {user}, {now}, {query.NAME}, {message.NAME}, {n}; for the text itself write {{zzz}}"),
    ],
)
def test_an_unknown_placeholder_is_answered_with_what_to_write(name, message):
    assert unknown_placeholders(Template(f"a {{{name}}}"), KNOWN) == [(Placeholder(name, 2), f"{{{name}}} stands for nothing here: {message}")]


@pytest.mark.parametrize(
    "name, value",
    [
        ("room", "blue"),
        ("id", 7),
        ("path", "/rooms/blue"),
        ("query.x", "1"),
        ("query.y", None),
        ("user", "ada"),
        ("claims.org.name", "acme"),
        ("claims.org.none", None),
        ("now", "2024-05-01T12:00:00.250Z"),
        ("now:unix_ms", 1714564800250),
        ("now:unix", 1714564800),
        ("n", 3),
        ("connections", 12),
        ("message", {"a": [{"b": None}, 5]}),
        ("message.a.1", 5),
        ("message.a.0.b", None),
        ("message.a.9", None),
        ("message.a.b", None),
        ("message.z", None),
    ],
)
def test_each_placeholder_stands_for_its_value(name, value):
    assert values(n=3, message={"a": [{"b": None}, 5]}, connections=lambda: 12)[name] == value


def test_a_path_parameter_wins_over_any_other_name():
    assert Values(FakeConnection(params={"user": "bob", "n": "x"}), clock=FixedClock(), n=1)["user"] == "bob"


@pytest.mark.parametrize("name", ["n", "message", "message.x", "connections", "nothing", "now:iso", "room.x"])
def test_what_there_is_nothing_to_ask_for_is_missing(name):
    with pytest.raises(KeyError):
        values()[name]


@pytest.mark.parametrize("name", ["path", "user", "query.x", "claims.x", "room"])
def test_without_a_connection_there_is_none_to_ask(name):
    with pytest.raises(KeyError):
        Values(clock=FixedClock())[name]


def test_now_is_told_in_utc_wherever_the_clock_is():
    clock = FixedClock(NOON.astimezone(timezone(timedelta(hours=2))))

    assert Values(clock=clock)["now"] == "2024-05-01T12:00:00.250Z"


def test_values_list_what_they_hold():
    assert set(values(n=1, message=None)) == {"now", "now:unix", "now:unix_ms", "room", "id", "path", "user", "query.x", "claims.org", "n", "message"}
    assert len(Values(clock=FixedClock())) == 3
    assert repr(MISSING) == "MISSING"
