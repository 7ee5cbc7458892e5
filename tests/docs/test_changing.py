"""docs/changing.md names the test that keeps each of its promises; all of these are there."""

from __future__ import annotations

import ast
import re

from support.daemon import ROOT

NAMED = re.compile(r"`(test_\w+)`")
PAGE = (ROOT / "docs" / "changing.md").read_text("utf-8")


def all_tests() -> set[str]:
    """The names of all test functions."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, functions) and node.name.startswith("test_")
    }


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(NAMED.findall(PAGE))
    assert len(named) > 40
    assert set() == named - all_tests()


def test_every_promise_of_the_page_names_a_test() -> None:
    lines = PAGE.partition("Each sentence from here on")[2].partition("## What it costs")[0].splitlines()
    assert [] == [line for line in lines if line.startswith("- ") and not NAMED.search(line)]
