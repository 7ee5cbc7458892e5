"""Which object of a module is its handler."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from wsrouter.plugins.choice import ChoiceError, candidates, choose, pick

NAMES: list[str] = []


@pytest.fixture(autouse=True)
def forget_modules() -> Iterator[None]:
    yield
    while NAMES:
        del sys.modules[NAMES.pop()]


def module_of(source: str, name: str = "choice_example") -> ModuleType:
    """A module with this source, wsrouter's names imported."""
    module = sys.modules[name] = ModuleType(name)
    NAMES.append(name)
    exec("from wsrouter import Handler, Connection\n" + source, module.__dict__)
    return module


def chosen(source: str, name: str = "hello") -> str:
    return choose(module_of(source), name).name


def refused(source: str, name: str = "hello") -> str:
    with pytest.raises(ChoiceError) as caught:
        choose(module_of(source), name)
    return str(caught.value)


def test_the_one_named_as_the_file_is_chosen() -> None:
    assert "hello" == chosen("async def other(websocket): ...\nasync def hello(websocket): ...\nasync def handler(websocket): ...")


@pytest.mark.parametrize(("name", "cls"), [("hello", "Hello"), ("price_feed", "PriceFeed"), ("price-feed", "PriceFeed")])
def test_a_class_is_named_as_the_file_without_regard_to_case_and_joints(name: str, cls: str) -> None:
    assert cls == chosen(f"class Base(Handler): ...\nclass {cls}(Base): ...", name)


def test_an_exact_name_beats_an_alike_one() -> None:
    assert "hello" == chosen("class Hello(Handler): ...\nasync def hello(websocket): ...")


def test_else_the_one_called_handler_is_chosen() -> None:
    assert "handler" == chosen("async def a(websocket): ...\nasync def handler(websocket): ...")


def test_else_the_only_one_is_chosen() -> None:
    assert "Shout" == chosen("class Shout(Handler): ...\nclass Colour: ...\ndef helper(x): ...\nasync def main(): ...\nX = 1", "loud")


def test_several_without_one_that_stands_out_are_listed() -> None:
    assert "has 3 handlers; write which one is meant: hello:A, hello:b, hello:c" == refused(
        "class A(Handler): ...\nasync def b(websocket): ...\nasync def c(context):\n    yield 1"
    )


def test_two_names_of_one_handler_are_one() -> None:
    assert "a" == chosen("async def a(websocket): ...\nb = a")


def test_private_and_imported_ones_do_not_count() -> None:
    assert "mine" == chosen(
        "from wsrouter.handlers.echo import Echo\nclass _Base(Handler): ...\nasync def _other(websocket): ...\nasync def mine(websocket): ..."
    )


def test_an_abstract_base_does_not_count() -> None:
    assert "Real" == chosen(
        "import abc\nclass Base(Handler, abc.ABC):\n    @abc.abstractmethod\n    def word(self): ...\nclass Real(Base):\n    def word(self): ..."
    )


def test_a_package_offers_what_its_own_modules_define() -> None:
    package = module_of("", "choice_package")
    package.__path__ = []
    inner = module_of("async def talk(websocket): ...", "choice_package.inner")
    package.__dict__["talk"] = inner.talk
    assert "talk" == choose(package, "chat").name


@pytest.mark.parametrize(
    ("source", "kind", "takes_path"),
    [
        ("class hello(Handler): ...", "class", False),
        ("async def hello(websocket): ...", "coroutine", False),
        ("async def hello(websocket, *, greeting='x', n): ...", "coroutine", False),
        ("async def hello(websocket, path): ...", "coroutine", True),
        ("async def hello(websocket, path=None): ...", "coroutine", True),
        ("async def hello(websocket, _): ...", "coroutine", True),
        ("async def hello(websocket, uri, *, greeting='x'): ...", "coroutine", True),
        ("async def hello(context, *, every=1.0):\n    yield 1", "source", False),
    ],
)
def test_the_kind_is_told_from_the_definition(source: str, kind: str, takes_path: bool) -> None:
    found = choose(module_of(source), "hello")
    assert (kind, takes_path) == (found.kind, found.takes_path)


def test_a_decorated_coroutine_is_one() -> None:
    assert "hello" == chosen(
        "import functools\ndef logged(f):\n    @functools.wraps(f)\n    async def inner(*a, **k):\n        return await f(*a, **k)\n    return inner\n@logged\nasync def hello(websocket): ..."
    )


@pytest.mark.parametrize(
    ("source", "cure"),
    [
        ("def hello(websocket): ...", "hello is a plain function: write async def hello(…):"),
        ("class Hello:\n    def on_message(self, connection, message): ...", "Hello has on_message, but is no Handler: write class Hello(Handler):"),
        ("async def hello(websocket, greeting='x'): ...", "put a * before what are options, as in async def hello(websocket, *, greeting=…):"),
        ("async def hello(websocket, path, greeting): ...", "hello takes 'greeting' by position"),
        ("async def hello(context, every):\n    yield 1", "put a * before what are options, as in async def hello(context, *, every=…):"),
        ("async def hello(websocket, **options): ...", "hello takes * or ** parameters: name its options"),
        ("", "write async def hello(websocket): … or class Hello(Handler): …"),
        ("async def main(): ...", "write async def hello(websocket): … or class Hello(Handler): …"),
    ],
)
def test_without_a_handler_the_problem_says_what_one_looks_like(source: str, cure: str) -> None:
    message = refused(source)
    assert message.startswith("has no handler: ")
    assert cure in message


def test_what_is_no_handler_is_no_candidate() -> None:
    assert {} == candidates(module_of("x = 1\ndef f(): ...\nclass C: ...\nasync def main(): ...\ng = [].append\nh = object()"))


def test_a_handler_may_be_picked_by_name_even_if_it_is_private_or_imported() -> None:
    values = vars(module_of("from wsrouter.handlers.echo import Echo\nasync def _mine(websocket): ..."))
    assert ["Echo", "_mine"] == [getattr(pick(values, name), "name", None) for name in ("Echo", "_mine")]


def test_a_name_that_is_no_handler_is_told_so() -> None:
    values = vars(module_of("x = 1\ndef f(websocket): ..."))
    assert "there is no 'gone' in it" == pick(values, "gone")
    assert "x is no handler: it is neither a Handler class nor an async function of one parameter" == pick(values, "x")
    assert "f is a plain function: write async def f(…):" == pick(values, "f")
