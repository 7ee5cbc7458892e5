from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, Literal, TypedDict

import pytest
from msgspec import Struct

from wsrouter.api.options import Duration, Option, OptionError, Size
from wsrouter.api.template import Template
from wsrouter.config.check import INVALID, check
from wsrouter.config.document import parse_document
from wsrouter.config.problems import Problems
from wsrouter.config.settings import Limits, Listen, Plugins, Rate, RouteSettings, Server, ServerLimits


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Window(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    age: Annotated[Duration, Option(gt=0)] = 1.0
    size: Size
    as_: str = "x"


@dataclass(frozen=True)
class Point:
    x: int
    y: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.x == 13:
            raise OptionError("13 brings bad luck; write 12", "x")
        if self.x == 14:
            raise KeyError("odd")


class Shape(TypedDict):
    sides: int


def value(annotation: object, text: str, **more: Any) -> tuple[object, list[str]]:
    problems = Problems()
    node = parse_document(text, "s", problems)
    assert node is not None
    return check(annotation, node, problems, name="it", **more), [str(problem).removeprefix("s:") for problem in problems]


@pytest.mark.parametrize(
    "annotation, text, expected",
    [
        (int, "5", 5),
        (float, "5", 5.0),
        (float, "1.5", 1.5),
        (str, "on", "on"),
        (str, "12:30", "12:30"),
        (str, "012", "012"),
        (str, '"5"', "5"),
        (bool, "true", True),
        (str | None, "null", None),
        (int | None, "~", None),
        (object, "{a: [1, x]}", {"a": [1, "x"]}),
        (Any, "[1]", [1]),
        (Literal["a", "b"], "b", "b"),
        (Literal["1.2", "1.3"], '"1.2"', "1.2"),
        (Literal["auto"] | Annotated[int, Option(ge=1)], "auto", "auto"),
        (Literal["auto"] | Annotated[int, Option(ge=1)], "5", 5),
        (Colour, "red", Colour.RED),
        (Duration, "1m30s", 90.0),
        (Annotated[Duration | None, Option(ge=1)], "5s", 5.0),
        (Size, "64k", 65536),
        (list[int], "[1, 2]", [1, 2]),
        (list[str] | str, "x", "x"),
        (tuple[int, ...], "[1, 2]", (1, 2)),
        (set[str], "[a, a]", {"a"}),
        (Sequence[Duration], "[1s, 2s]", [1.0, 2.0]),
        (tuple[int, str], "[1, x]", (1, "x")),
        (dict[str, Duration], "{a: 1s, 5: 2s}", {"a": 1.0, "5": 2.0}),
        (dict[int, str], "{5: a}", {5: "a"}),
        (Window, "{size: 1k, as: y}", Window(size=1024, as_="y")),
        (int | Window | None, "{size: 1k}", Window(size=1024)),
        (Point, "{x: 1, y: [2]}", Point(1, [2])),
        (Shape, "{sides: 3}", {"sides": 3}),
        (Template, "[1, {a: '{now}'}]", Template([1, {"a": "{now}"}])),
        (list[Template] | Template, "[a, b]", [Template("a"), Template("b")]),
        (list[Template] | Template, "{a: b}", Template({"a": "b"})),
        (Template | None, "null", None),
    ],
)
def test_a_node_becomes_a_value_of_its_type(annotation, text, expected):
    found, problems = value(annotation, text)

    assert problems == []
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "annotation, text, problem",
    [
        (int, "x", '1:1: it must be a whole number, not the text "x"'),
        (int, "1.5", "1:1: it must be a whole number, not the number 1.5"),
        (int, '"5"', '1:1: it must be a whole number, not the text "5"; write 5 without quotes'),
        (int, "012", '1:1: it must be a whole number, not the text "012"; write 12'),
        (int, "true", "1:1: it must be a whole number, not true"),
        (float, "[1]", "1:1: it must be a number, not a list"),
        (str, "5", '1:1: it must be text, not the number 5; write "5"'),
        (str, "true", '1:1: it must be text, not true; write "true"'),
        (str, "{now}", '1:1: it is a mapping to YAML here, not text: write "{now}"'),
        (str, "{a: b}", "1:1: it must be text, not a mapping"),
        (bool, "on", '1:1: it must be true or false, not the text "on"; write true'),
        (bool, "'false'", '1:1: it must be true or false, not the text "false"; write false without quotes'),
        (bool, "1", "1:1: it must be true or false, not the number 1"),
        (Annotated[int, Option(ge=1, le=5)], "6", "1:1: it must be a whole number, at least 1 and at most 5, not the number 6"),
        (Annotated[str, Option(min_length=1)], "''", '1:1: it must be text that is not empty, not the text ""'),
        (Annotated[str, Option(pattern="^a$")], "b", '1:1: it must be text that matches ^a$, not the text "b"'),
        (Literal["one", "two"], "twoo", '1:1: it must be one or two, not the text "twoo"; did you mean two?'),
        (Literal["1.2", "1.3"], "1.2", '1:1: it must be 1.2 or 1.3, not the number 1.2; write "1.2"'),
        (Colour, "RED", '1:1: it must be red or blue, not the text "RED"; did you mean red?'),
        (Duration, "5", "1:1: it: a time needs a unit: write 5s"),
        (Duration, "[5s]", "1:1: it must be a time like 5s, not a list"),
        (Annotated[Duration, Option(gt=0, le=60)], "0s", "1:1: it must be a time like 5s, above 0s and at most 1m, not 0s"),
        (Annotated[Size, Option(ge=1024)], "5B", "1:1: it must be a size like 64KiB, at least 1KiB, not 5B"),
        (list[int], "5", "1:1: it must be a list, not the number 5; write [5]"),
        (list[str], "'a, b'", '1:1: it must be a list of text, not the text "a, b"; write ["a, b"]'),
        (list[int], "[1, x, 2, y]", '1:5: it must be a whole number, not the text "x"'),
        (Annotated[list[int], Option(min_length=2)], "[1]", "1:1: it must have at least 2 items, not 1"),
        (dict[str, int], "{a: x}", '1:5: a must be a whole number, not the text "x"'),
        (dict[str, int], "5", "1:1: it must be a mapping, not the number 5"),
        (tuple[int, int], "[1, x]", "1:5: it: expected int, got str"),
        (Shape, "{sides: x}", "1:9: it: expected int, got str"),
        (Window, "{}", "1:1: it lacks size: a size like 64KiB"),
        (Window, "{siz: 5B}", '1:2: unknown key "siz" in it: did you mean size? known are age, as, size'),
        (Window, "{size: 1k, as_: x}", '1:12: unknown key "as_" in it: did you mean as? known are age, as, size'),
        (Point, "{x: 13}", "1:5: 13 brings bad luck; write 12"),
        (Point, "{x: 14}", "1:1: it: 'odd'"),
        (int | Window, "{size: 5}", "1:8: size: a size needs a unit: write 5B"),
        (int | Window, "true", "1:1: it must be a whole number or a mapping, not true; its keys are age, size, as, as {age: …}"),
        (Template, "{a: [{now}]}", '1:6: {now} is a mapping to YAML here, not text: write "{now}"'),
        (complex, "5", "1:1: it must be a complex, not the number 5"),
    ],
)
def test_a_misfit_is_told_in_plain_words_with_the_cure(annotation, text, problem):
    found, problems = value(annotation, text)

    assert found is INVALID
    assert problem in problems


def test_all_problems_are_told_at_once():
    assert len(value(Limits, "{message_size: 5, idle: x, age: [], nope: 1, byte_rate: {rate: 1, burst: -1}}")[1]) == 6


def test_unknown_placeholders_are_told_each_at_its_place():
    annotation = Annotated[Template, Option(extra={"placeholders": ["n"]})]

    found, problems = value(annotation, 'a: "x{n}{one}"\nb:\n  - y{two}\n  - {"{three}": "{now}"}\n')

    assert found is INVALID
    assert [problem.partition(" stands")[0] for problem in problems] == ["1:9: {one}", "3:6: {two}", "4:7: {three}"]


def test_placeholders_are_those_that_the_caller_knows():
    assert value(Template, "{a: '{room}'}", known=("room",)) == (Template({"a": "{room}"}), [])


@pytest.mark.parametrize(
    "annotation, text, expected",
    [
        (Rate, "100/s", Rate(rate=100.0)),
        (Rate, "0", Rate()),
        (Rate, "{rate: 100/s, burst: 200}", Rate(rate=100.0, burst=200)),
        (Listen, "8765", Listen(address="8765")),
        (Plugins, "a", Plugins(folders=["a"])),
        (Plugins, "[a, b]", Plugins(folders=["a", "b"])),
        (Plugins, "{folders: [a], watch: true}", Plugins(folders=["a"], watch=True)),
        (Server, "{listen: ':8765'}", Server(listen=[Listen(address=":8765")])),
        (Server, "{listen: [8765, {address: ':1'}]}", Server(listen=[Listen(address="8765"), Listen(address=":1")])),
        (Server, "{listen: {address: unix:/a, mode: 0660}}", Server(listen=[Listen(address="unix:/a", mode="0660")])),
        (Server, "{limits: }", Server(limits=ServerLimits())),
        (RouteSettings, "{origins: same-host}", RouteSettings()),
        (RouteSettings, "{origins: 'https://a'}", RouteSettings(origins="https://a")),
        (RouteSettings, "{origins: ['*', 'null']}", RouteSettings(origins=["*", "null"])),
    ],
)
def test_short_forms_stand_for_the_long_ones(annotation, text, expected):
    assert value(annotation, text) == (expected, [])


def test_a_scalar_that_could_not_be_read_is_told_once():
    assert value(list[int], "[*nowhere, x]")[1] == [
        '1:2: no anchor &nowhere stands before this: for the text itself write "*nowhere"',
        '1:12: it must be a whole number, not the text "x"',
    ]
