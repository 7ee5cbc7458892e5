from __future__ import annotations

import pytest

from wsrouter.config.nodes import MappingNode, Node, ScalarNode, hide, is_nothing, plain_value, show, show_text
from wsrouter.config.problems import Place

HERE = Place("s")


def scalar(text: str, value: object = None, written: str | None = None) -> ScalarNode:
    return ScalarNode(HERE, text, text if value is None else value, plain=True, written=written)


@pytest.mark.parametrize(
    "node, words",
    [
        (scalar("on"), 'the text "on"'),
        (scalar("5", 5), "the number 5"),
        (scalar("true", True), "true"),
        (ScalarNode(HERE, "", None, plain=True), "nothing"),
        (MappingNode(HERE, ()), "a mapping"),
    ],
)
def test_a_node_is_shown_in_words(node, words):
    assert show(node) == words


def test_what_was_filled_in_is_shown_as_it_was_written():
    assert show(scalar("s3cret", written="${KEY}")) == 'what "${KEY}" stands for'
    assert hide(scalar("s3cret", written="${KEY}"), "no s3cret,\n twice s3cret") == "no ${KEY}, twice ${KEY}"


def test_hiding_twice_changes_nothing_more():
    node = scalar("KEYS", written="${KEYS}")

    assert hide(node, hide(node, "bad KEYS")) == "bad ${KEYS}"


def test_text_is_shown_on_one_line_and_cut():
    assert show_text("a\nb\x1b\u2028") == '"a\\nb\\x1b\\u2028"'
    assert len(show_text("x" * 1000)) == 62


def test_a_mapping_is_looked_up_by_key():
    node = MappingNode(HERE, ((scalar("a"), scalar("1", 1)), (scalar("b"), scalar("2", 2))))

    assert plain_value(node) == {"a": 1, "b": 2}
    assert plain_value(node.without("a")) == {"b": 2}
    assert (node.find("b"), node.find("c"), node.find_key("a")) == (scalar("2", 2), None, scalar("a"))


@pytest.mark.parametrize(
    "node, expected", [(None, True), (ScalarNode(HERE, "~", None, plain=True), True), (scalar("x"), False), (MappingNode(HERE, ()), False)]
)
def test_nothing_is_no_node_or_null(node: Node | None, expected: bool):
    assert is_nothing(node) is expected
