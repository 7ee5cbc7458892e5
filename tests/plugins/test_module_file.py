"""Reading a plugin file before it runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from wsrouter.config.finder import HandlerProblem
from wsrouter.plugins.module_file import imported_names, line_of, place_of_option, read_module_file


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def problem_of(source: bytes) -> str:
    """`file:line:col: message` of reading a file with this content."""
    path = Path("hello.py")
    path.write_bytes(source)
    with pytest.raises(HandlerProblem) as caught:
        read_module_file(path.absolute())
    return f"{caught.value.place}: {caught.value.message}"


def test_a_syntax_error_is_located() -> None:
    assert "hello.py:2:6: syntax error: '(' was never closed" == problem_of(b"x = 1\nprint(\n")


def test_a_half_written_file_is_a_syntax_error() -> None:
    assert problem_of(b"async def hello(websocket):\n    await webso\n  x").startswith("hello.py:3:")


@pytest.mark.parametrize("source", [b"x = '\xff'", b"x = 1\x00", b"# coding: nonsense\n", b"(" * 5000, b"-" * 100_000 + b"1"])
def test_odd_bytes_are_a_problem_and_no_traceback(source: bytes) -> None:
    assert problem_of(source).startswith("hello.py:")


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(HandlerProblem) as caught:
        read_module_file(tmp_path / "gone.py")
    assert ("cannot be read: No such file or directory", "gone.py:1:1") == (caught.value.message, str(caught.value.place))


def test_a_file_that_starts_a_server_is_a_problem_at_its_first_such_line() -> None:
    expected = 'hello.py:3:1: starts its own server; delete line 3 or put it under if __name__ == "__main__":'
    assert expected == problem_of(b"import asyncio\n\nasyncio.run(main())\n")


@pytest.mark.parametrize("source", [b"", b"\xef\xbb\xbfx = 1\r\n", b"# -*- coding: latin-1 -*-\nx = '\xe9'\n"])
def test_empty_files_byte_order_marks_line_ends_and_declared_encodings_are_fine(source: bytes) -> None:
    path = Path("fine.py")
    path.write_bytes(source)
    assert path == read_module_file(path).path


def test_imports_are_found_anywhere_in_the_file_with_their_level() -> None:
    source = "import a.b, c as d\nfrom e.f import g\ndef h():\n    from . import i\n    from ..j import k\n"
    assert {("a", 0), ("c", 0), ("e", 0), ("i", 1), ("j", 2)} == imported_names(ast.parse(source))


def test_the_line_of_a_definition_is_found() -> None:
    tree = ast.parse("x = 1\n\nclass A:\n    pass\n\nasync def b(): ...\n")
    assert (3, 6, 1) == (line_of(tree, "A"), line_of(tree, "b"), line_of(tree, "x"))


def test_the_place_of_an_option_is_found_in_classes_and_functions() -> None:
    tree = ast.parse("class A:\n    x: int = 1\n\nasync def b(c, *, d=1): ...\n")
    assert [(2, 5), (4, 19), (1, 1)] == [place_of_option(tree, "A", "x"), place_of_option(tree, "b", "d"), place_of_option(tree, "A", "gone")]
