from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.config.document import MAX_DEPTH, MAX_FILE_BYTES, load_document, parse_document
from wsrouter.config.nodes import MappingNode, Node, ScalarNode, SequenceNode, plain_value, walk_scalars
from wsrouter.config.problems import Place, Problems


def parse(text: str) -> tuple[Node | None, list[str]]:
    problems = Problems()
    return parse_document(text, "s", problems), [str(problem) for problem in problems]


def read(path: Path) -> tuple[Node | None, list[str]]:
    problems = Problems()
    return load_document(path, problems), [str(problem).rpartition("/")[2] for problem in problems]


def test_nodes_know_where_they_stand():
    node, _ = parse('a: 1\n# comment\nb:\n  - x\n  - {c: "é", d: 2}\n')

    assert [(scalar.text, scalar.place.line, scalar.place.column) for scalar in walk_scalars(node)] == [
        ("a", 1, 1),
        ("1", 1, 4),
        ("b", 3, 1),
        ("x", 4, 5),
        ("c", 5, 6),
        ("é", 5, 9),
        ("d", 5, 14),
        ("2", 5, 17),
    ]


def test_columns_count_code_points():
    node, _ = parse('{"é🎉": [x]}')

    assert isinstance(node, MappingNode)
    assert node.pairs[0][1].place == Place("s", 1, 8)


def test_a_quoted_scalar_stays_text():
    assert plain_value(parse("- 1\n- \"1\"\n- 'true'\n- true\n- |\n  5\n")[0]) == [1, "1", "true", True, "5\n"]


def test_a_merged_mapping_gives_what_is_not_there():
    node, problems = parse("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 0}\nd:\n  <<: *a\n  w: 5\n")

    assert problems == []
    assert plain_value(node) == {"a": {"x": 1, "y": 2}, "b": {"y": 3, "z": 4}, "c": {"x": 0, "y": 2, "z": 4}, "d": {"w": 5, "x": 1, "y": 2}}


def test_an_anchor_holds_any_node_and_may_be_set_anew():
    assert plain_value(parse("[&a 1, *a, &a [2], *a]")[0]) == [1, 1, [2], [2]]


def test_an_alias_within_its_own_anchor_is_a_problem():
    assert parse("&a [*a]")[1] == ['s:1:5: no anchor &a stands before this: for the text itself write "*a"']


@pytest.mark.parametrize("opened, closed", [("[", "]"), ("{a: ", "}")])
def test_nesting_ends_at_its_bound(opened, closed):
    assert parse(opened * MAX_DEPTH + "x" + closed * MAX_DEPTH)[1] == []
    assert len(problems := parse(opened * 50_000)[1]) == 1
    assert problems[0].endswith("this is nested deeper than 64 levels")


def test_block_nesting_ends_at_its_bound():
    assert "nested deeper" in parse("".join(" " * depth + "a:\n" for depth in range(200)))[1][0]


def test_aliases_count_as_what_they_stand_for():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12))

    node, problems = parse(bomb)

    assert node is None
    assert "more than 200000 values" in problems[0]


def test_aliases_nest_no_deeper_than_what_is_written_out():
    text = "".join(f"a{n}: &a{n} {'[' * 30}{f'*a{n - 1}' if n else 'x'}{']' * 30}\n" for n in range(5))

    assert "nested deeper" in parse(text)[1][0]


def test_repeated_merges_are_bounded():
    pairs = ", ".join(f"k{n}: 1" for n in range(1000))
    text = f"a: &a {{{pairs}}}\n" + "".join(f"b{n}: {{<<: *a}}\n" for n in range(300))

    assert "more than 200000 values" in parse(text)[1][0]


@pytest.mark.parametrize(
    "data, problem",
    [
        (b"a: \xff\xfe", "f.yaml:1:4: the byte 0xff is not UTF-8: save the file as UTF-8"),
        ("a: é\nb: ".encode() + b"\x80", "f.yaml:2:4: the byte 0x80 is not UTF-8: save the file as UTF-8"),
        ("a: b".encode("utf-16"), "f.yaml:1:1: the file is UTF-16: save it as UTF-8"),
        ("\ufeffa: b".encode(), "f.yaml:1:1: the file begins with a byte order mark: save it as UTF-8 without one"),
        (b"a: b\nc: \x00", "f.yaml:2:4: a NUL byte cannot stand in a site: delete it"),
        (b"a: \x1b[0m", "f.yaml:1:4: the control character \\x1b cannot stand in a site: delete it"),
        (b"", "f.yaml:1:1: the file is empty: it needs at least routes:"),
        (b"  \n# only a comment\n", "f.yaml:1:1: the file is empty: it needs at least routes:"),
        (b"#" * (MAX_FILE_BYTES + 1), "f.yaml:1:1: the file is over 1 MiB: split it with include:"),
    ],
    ids=range(9),
)
def test_bytes_that_are_no_text_are_a_located_problem(tmp_path, data, problem):
    (tmp_path / "f.yaml").write_bytes(data)

    assert read(tmp_path / "f.yaml") == (None, [problem])


def test_what_is_no_file_is_a_located_problem(tmp_path):
    (tmp_path / "ring").symlink_to(tmp_path / "ring")

    assert read(tmp_path)[1][0].endswith(":1:1: this is a directory: name the site's file in it")
    assert read(tmp_path / "none.yaml")[1] == ["none.yaml:1:1: there is no such file; wsrouter init makes one"]
    assert "the file cannot be read" in read(tmp_path / "ring")[1][0]
    assert "the file cannot be read" in read(tmp_path / ("x" * 300))[1][0]


def test_a_file_that_may_not_be_read_is_a_located_problem(tmp_path, monkeypatch):
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the superuser, as whom tests may run, is refused nothing

    assert read(tmp_path / "f.yaml")[1] == ["f.yaml:1:1: the file may not be read by this user: change its permissions"]


@pytest.mark.parametrize("text", ["a: 1\n---\nb: 2\n", "a: 1\n...\n---\nb: 2\n"])
def test_several_documents_are_a_problem(text):
    assert "a second document begins here" in parse(text)[1][0]


def test_document_marks_and_line_ends_of_windows_are_read():
    assert plain_value(parse("---\r\na: 1\r\nb: [2,\r\n 3]\r\n...\r\n")[0]) == {"a": 1, "b": [2, 3]}


def test_tags_are_refused_and_the_rest_is_read():
    node, problems = parse("a: !!str 5\nb: !x [1]\nc: ! y\n")

    assert [problem.split(":")[1] for problem in problems] == ["1", "2", "3"]
    assert isinstance(node, MappingNode)
    assert isinstance(node.find("b"), SequenceNode)


def test_every_duplicate_key_is_told_with_the_first():
    node, problems = parse("a: 1\nb: 2\na: 3\n'a': 4\n")

    assert plain_value(node) == {"a": 1, "b": 2}
    assert problems == [f's:{line}:1: the key "a" stands here a second time, first in line 1: delete one' for line in (3, 4)]


@given(st.text("ab:-[]{}&*!|>'\"%@`#,? \n\t0<~.\\é", max_size=60))
def test_any_text_gives_nodes_or_problems_on_one_line(text):
    node, problems = parse(text)

    assert node is not None or problems
    assert all("\n" not in problem for problem in problems)
    if node is not None:
        assert all(isinstance(scalar, ScalarNode) for scalar in walk_scalars(node))


@given(st.binary(max_size=60))
def test_any_bytes_give_nodes_or_problems(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)

    node, problems = read(path)

    assert node is not None or problems
