"""Options from annotated fields and keyword-only parameters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal

import pytest

from wsrouter import Connection, Duration, Handler, Option, Size, Template
from wsrouter.api.options import REQUIRED
from wsrouter.plugins.options import DeclarationError, fields_of_class, fields_of_function


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Ticker(Handler):
    every: Annotated[Duration, Option(gt=0, description="The time between two.")] = 1.0
    symbols: list[str]
    kind: ClassVar[str] = "ticker"
    _private: threading.Lock


class Faster(Ticker):
    every: Duration = 0.5
    size: Size = 10


def test_annotated_fields_are_options_with_default_and_description_in_the_order_of_declaration() -> None:
    every, symbols = fields_of_class(Ticker)
    assert ("every", Annotated[Duration, Option(gt=0, description="The time between two.")], 1.0, "The time between two.") == (
        every.name,
        every.annotation,
        every.default,
        every.description,
    )
    assert ("symbols", list[str], REQUIRED, "") == (symbols.name, symbols.annotation, symbols.default, symbols.description)


def test_options_of_base_classes_come_first_and_may_be_declared_again() -> None:
    assert [("every", Duration, 0.5), ("symbols", list[str], REQUIRED), ("size", Size, 10)] == [
        (field.name, field.annotation, field.default) for field in fields_of_class(Faster)
    ]


def test_keyword_only_parameters_are_options() -> None:
    async def hello(websocket: object, path: object = None, *, greeting: str = "hi", times: Annotated[int, Option(ge=1, description="How often.")]) -> None: ...

    found = [(field.name, field.annotation, field.default, field.description) for field in fields_of_function(hello)]
    assert [("greeting", str, "hi", ""), ("times", Annotated[int, Option(ge=1, description="How often.")], REQUIRED, "How often.")] == found


def test_a_parameter_without_annotation_has_the_type_of_its_default_or_takes_anything() -> None:
    async def hello(websocket, *, a="x", b=1, c=True, d=None, e, f=[]): ...  # type: ignore[no-untyped-def]  # noqa: B006

    assert [("a", str), ("b", int), ("c", bool), ("d", object), ("e", object), ("f", list)] == [
        (field.name, field.annotation) for field in fields_of_function(hello)
    ]


def test_a_decorated_function_has_the_options_of_what_it_wraps() -> None:
    import functools

    async def hello(websocket: object, *, greeting: str = "hi") -> None: ...

    @functools.wraps(hello)
    async def wrapper(*args: object, **options: object) -> None: ...

    assert ["greeting"] == [field.name for field in fields_of_function(wrapper)]


def test_defaults_may_be_written_as_in_yaml() -> None:
    class Written(Handler):
        a: Duration = "1m30s"  # type: ignore[assignment]
        b: Annotated[Size, Option(ge=1)] = "64KiB"  # type: ignore[assignment]
        c: Template = "hello {user}"  # type: ignore[assignment]
        d: Template | None = {"n": "{n}"}  # type: ignore[assignment]
        e: Template | None = None
        f: Duration | None = "5s"  # type: ignore[assignment]
        g: str = "5s"

    expected = [90.0, 65536, Template("hello {user}"), Template({"n": "{n}"}), None, 5.0, "5s"]
    assert expected == [field.default for field in fields_of_class(Written)]


@pytest.mark.parametrize(("annotation", "default", "complaint"), [(Duration, "5", "write 5s"), (Size, "64Ki", "64Ki"), (Template, {1: "x"}, "not text")])
def test_a_default_that_does_not_fit_is_refused(annotation: object, default: object, complaint: str) -> None:
    handler = type("Wrong", (Handler,), {"__annotations__": {"every": annotation}, "every": default, "__module__": __name__})
    with pytest.raises(DeclarationError, match=f"the default .* of option 'every' does not fit: .*{complaint}"):
        fields_of_class(handler)


def test_an_annotation_that_cannot_be_evaluated_is_refused_with_its_text() -> None:
    handler = type("Wrong", (Handler,), {"__annotations__": {"every": "Duratoin"}, "__module__": __name__})
    with pytest.raises(
        DeclarationError, match="the annotation 'Duratoin' of option 'every' cannot be evaluated: NameError: name 'Duratoin' is not defined"
    ) as caught:
        fields_of_class(handler)
    assert (handler, "every") == (caught.value.owner, caught.value.option)


@pytest.mark.parametrize("annotation", [Connection, dict[str, set[Connection]], threading.Event, list[threading.Thread] | None, Callable[[], None], type])
def test_a_field_that_no_yaml_value_can_become_is_refused_with_the_cure(annotation: object) -> None:
    handler = type("Wrong", (Handler,), {"__annotations__": {"rooms": annotation}, "__module__": __name__})
    with pytest.raises(DeclarationError, match=r"the annotated field 'rooms' is an option, but \w+ cannot be written in YAML; .* \(_rooms\)"):
        fields_of_class(handler)


@pytest.mark.parametrize(
    "annotation",
    [
        str,
        int | None,
        list[str],
        dict[str, list[int]],
        tuple[int, ...],
        Literal["a", 1],
        Colour,
        Point,
        list[Point],
        Mapping[str, object],
        Sequence[str],
        Any,
        object,
        Template | str,
    ],
)
def test_what_yaml_can_say_is_admitted(annotation: object) -> None:
    handler = type("Right", (Handler,), {"__annotations__": {"x": annotation}, "__module__": __name__})
    assert [annotation] == [field.annotation for field in fields_of_class(handler)]
