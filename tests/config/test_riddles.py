"""What each riddle is answered with stands in bad_sites/riddle_*.txt; here is what they share."""

from __future__ import annotations

import pytest

from wsrouter.config.document import parse_document
from wsrouter.config.nodes import plain_value
from wsrouter.config.problems import Problems
from wsrouter.config.riddles import quoted


@pytest.mark.parametrize("text", ["[::1]:8765", "*/5 * * * *", "@hourly", "room/{room}", "{now}", "a: b", 'say "x"', "it's", "\\d", "%", "- a", "# b", "'\"\\"])
def test_what_is_advised_reads_as_the_text_that_was_meant(text):
    node = parse_document(f"a: {quoted(text)}", "s", Problems())

    assert node is not None
    assert plain_value(node) == {"a": text}


@pytest.mark.parametrize(
    "line, advice",
    [
        ("a: [*]", '"*"'),
        ("a: {b: *, c: d}", '"*"'),
        ("a: @x # comment", '"@x"'),
        ("a: {b: @x}", '"@x"'),
        ("a: {b: x{y}, c: d}", '"x{y}"'),
        ("a: [x{y}, z]", '"x{y}"'),
        ("a: {b: tick {n} {m}}", '"tick {n} {m}"'),
        ("a: {n}{m}", '"{n}{m}"'),
        ("a: [x]y", '"[x]y"'),
        ('a: ["1:2", [::1]:80]', '"[::1]:80"'),
        ("a: b: c", '"b: c"'),
        ("- a: b: c", '"b: c"'),
        ("a: `x`", '"`x`"'),
    ],
)
def test_the_advice_is_the_whole_value_and_nothing_else(line, advice):
    problems = Problems()
    parse_document(line, "s", problems)

    assert [problem.message.rpartition(" write ")[2] for problem in problems] == [advice]
