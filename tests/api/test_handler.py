"""Handler classes: options as fields, the type of message, hooks that do nothing by default."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

import pytest

from wsrouter import Connection, Handler, HandlerError, Message
from wsrouter.api.handler import option_names


class Greeter(Handler[str]):
    kind: ClassVar[str] = "greeter"
    word: str
    names: list[str] = []
    _seen: int = 0


class LoudGreeter(Greeter):
    suffix: str = "!"
    word: str = "HELLO"


def test_options_given_are_set_and_others_get_their_defaults() -> None:
    handler = Greeter(word="hi")
    assert ("hi", []) == (handler.word, handler.names)


def test_each_instance_has_its_own_copy_of_a_default() -> None:
    first, second = Greeter(word="a"), Greeter(word="b")
    first.names.append("x")
    assert ([], []) == (second.names, Greeter.names)


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(HandlerError, match=r"^Greeter has no option 'wrod'; it has: word, names$"):
        Greeter(wrod="hi")  # type: ignore[call-arg]


def test_a_missing_option_is_named() -> None:
    with pytest.raises(HandlerError, match=r"^Greeter needs the option 'word'$"):
        Greeter()  # type: ignore[call-arg]


def test_options_are_public_annotated_fields_that_are_no_class_variables_base_classes_first() -> None:
    assert ["word", "names"] == list(option_names(Greeter))
    assert ["word", "names", "suffix"] == list(option_names(LoudGreeter))


def test_a_subclass_may_give_a_default_to_an_option_of_its_base() -> None:
    assert "HELLO" == LoudGreeter().word


def test_a_handler_without_options_takes_none() -> None:
    class Plain(Handler):
        pass

    assert {} == option_names(Plain)
    with pytest.raises(HandlerError, match="it has: none"):
        Plain(x=1)


@pytest.mark.parametrize(("argument", "accepts"), [(str, str), (bytes, bytes), (Message, None)])
def test_the_argument_of_handler_says_what_it_accepts(argument: type, accepts: type | None) -> None:
    class Some(Handler[argument]):  # type: ignore[valid-type]
        pass

    assert Some.accepts is accepts


def test_a_bare_handler_accepts_text_and_binary() -> None:
    class Both(Handler):
        pass

    assert Both.accepts is None


def test_a_subclass_accepts_what_its_base_does() -> None:
    assert LoudGreeter.accepts is str


def test_a_generic_base_of_the_authors_own_passes_the_type_on() -> None:
    kind = TypeVar("kind", str, bytes)

    class Base(Handler[kind], Generic[kind]):
        pass

    class Text(Base[str]):
        pass

    assert (None, str) == (Base.accepts, Text.accepts)


def test_by_default_a_message_passes_through_and_nothing_else_happens(connection: Connection) -> None:
    handler = Handler[Message]()
    assert "hi" == handler.on_message(connection, "hi")
    assert {} == handler.topics()
    assert [None, None, None] == [handler.check(), handler.on_open(connection), handler.stop()]  # type: ignore[func-returns-value]


@pytest.fixture
def connection() -> Connection:
    """The hooks under test do not look at it."""
    return None  # type: ignore[return-value]
