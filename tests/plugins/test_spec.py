"""What a spec can tell and check."""

from __future__ import annotations

import sys

import pytest

from wsrouter import Duration, Handler, OptionError
from wsrouter.api.options import OptionSet
from wsrouter.plugins.build import build_spec
from wsrouter.plugins.choice import as_candidate
from wsrouter.plugins.spec import HandlerSpec, error_text


class Both(Handler):
    """Takes one of two.

    More about it.
    """

    a: str | None = None
    b: list[str] = []
    every: Duration = "1s"  # type: ignore[assignment]

    def check(self) -> None:
        assert self.every == 1.0
        if self.a == "raise":
            raise KeyError("oh")
        if self.a == "exit":
            sys.exit("no")
        if self.a and self.b:
            raise OptionError("only one of a and b", "b")


async def hello(websocket: object, *, greeting: str) -> None: ...


def spec_of(target: object) -> HandlerSpec:
    candidate = as_candidate("x", target)
    assert candidate is not None
    return build_spec(candidate, "x")


def test_a_spec_is_what_config_asks_for() -> None:
    options: OptionSet = spec_of(Both)
    assert ("x", ["a", "b", "every"]) == (options.name, [field.name for field in options.fields])


def test_the_summary_is_the_first_line_of_the_docstring() -> None:
    assert ("Takes one of two.", "Takes one of two.\n\nMore about it.") == (spec_of(Both).summary, spec_of(Both).doc)
    assert "" == spec_of(hello).summary


def test_check_asks_the_handler_with_the_defaults_as_they_are_at_run_time() -> None:
    spec_of(Both).check({})


def test_what_the_handler_refuses_comes_through_with_its_option() -> None:
    with pytest.raises(OptionError, match="only one of a and b") as caught:
        spec_of(Both).check({"a": "x", "b": ["y"]})
    assert "b" == caught.value.option


def test_an_option_that_is_missing_or_unknown_is_an_option_error() -> None:
    with pytest.raises(OptionError, match="Both has no option 'c'"):
        spec_of(Both).check({"c": 1})


@pytest.mark.parametrize(("a", "text"), [("raise", "KeyError: 'oh'"), ("exit", "SystemExit: no")])
def test_whatever_else_a_check_raises_is_an_option_error(a: str, text: str) -> None:
    with pytest.raises(OptionError, match=f"checking the options of 'x' raised {text}"):
        spec_of(Both).check({"a": a})


def test_a_coroutine_is_not_called_to_check_it() -> None:
    spec_of(hello).check({"greeting": "hi"})


def test_defaults_are_copied() -> None:
    spec = spec_of(Both)
    spec.with_defaults({})["b"].append("x")  # type: ignore[attr-defined]
    assert {"a": "y", "b": [], "every": 1.0} == spec.with_defaults({"a": "y"})


def test_an_error_is_told_in_one_short_line_even_if_its_text_raises() -> None:
    class Bad(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert ["ValueError: a b", "Bad", "KeyboardInterrupt"] == [error_text(ValueError("a\n  b")), error_text(Bad()), error_text(KeyboardInterrupt())]
    assert 256 == len(error_text(ValueError("x" * 1000)))
