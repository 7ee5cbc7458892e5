from __future__ import annotations

from pathlib import Path

import pytest

from wsrouter.config.document import parse_document
from wsrouter.config.nodes import plain_value
from wsrouter.config.problems import Problems
from wsrouter.config.variables import MAX_FILE_BYTES, fill_variables

ENVIRON = {"A": "5", "T": "x: [y]", "EMPTY": "", "BAD": "\udcff", "DOLLAR": "${A}", "CREDENTIALS_DIRECTORY": "creds"}


def fill(text: str, folder: Path = Path(), environ: dict[str, str] | None = None) -> tuple[object, list[str]]:
    problems = Problems()
    node = parse_document(text, "s", problems)
    assert node is not None
    filled = fill_variables(node, ENVIRON if environ is None else environ, problems, folder)
    return plain_value(filled), [str(problem) for problem in problems]


@pytest.mark.parametrize(
    "text, value",
    [
        ("${A}", 5),
        ('"${A}"', "5"),
        ("'${A}'", "5"),
        ("${T}", "x: [y]"),
        ("a${A}b${A}", "a5b5"),
        ("${NONE:-true}", True),
        ("${EMPTY:-7}", 7),
        ("${A:-7}", 5),
        ("${NONE:-}", None),
        ("${EMPTY}", None),
        ('"${EMPTY}"', ""),
        ("${A:?needed}", 5),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("US$ 5 $x", "US$ 5 $x"),
        ("^a$", "^a$"),
        ("${DOLLAR}", "${A}"),
        ('"${NONE:-a b: c}"', "a b: c"),
    ],
)
def test_a_reference_is_filled_and_a_plain_scalar_typed_again(text, value):
    assert fill(text) == (value, [])


def test_references_are_filled_everywhere_and_change_no_structure():
    assert fill("a:\n- ${A}\n- {b: '${T}'}\n${A}: ${T}") == ({"a": [5, {"b": "x: [y]"}], "5": "x: [y]"}, [])


def test_keys_that_become_equal_are_a_problem():
    assert fill("'${A}': 1\n5: 2")[1] == ['s:2:1: the key "5" stands here a second time, first in line 1: delete one']


@pytest.mark.parametrize(
    "text, message",
    [
        ("${NONE}", "the variable NONE is not set: set it, or write ${NONE:-default}"),
        ("${NONE:?set it\n  to the key}", "the variable NONE is not set: set it to the key"),
        ("${EMPTY:?}", "the variable EMPTY is not set: it is required"),
        ("${A", "${ has no } after it: close it, or write $${ for the text itself"),
        ("${}", "${} is no variable: write ${NAME} or ${NAME:-default}, or $${ for the text itself"),
        ("${A-x}", "${A-x} is no variable: write ${NAME} or ${NAME:-default}, or $${ for the text itself"),
        ("${BAD}", "${BAD} is not UTF-8 text"),
        ("${credential:../x}", '"../x" is no name of a credential: write ${credential:name}'),
        ("${credential:none}", "${credential:none} cannot be read: No such file or directory"),
        ("${file:none}", "${file:none} cannot be read: No such file or directory"),
        ("${file:.}", "${file:.} cannot be read: Is a directory"),
    ],
)
def test_a_reference_that_stands_for_nothing_is_a_located_problem(text, message):
    assert fill(f'a: "{text}"')[1] == [f"s:1:4: {message}"]


def test_a_file_and_a_credential_are_read_less_their_last_line_break(tmp_path):
    (tmp_path / "secret").write_text("s3cret\n\n")
    (tmp_path / "port").write_text("8765\r\n")

    assert fill("'${file:secret}'", tmp_path) == ("s3cret\n", [])
    assert fill("${credential:port}", environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}) == (8765, [])


@pytest.mark.parametrize("data, message", [(b"x" * (MAX_FILE_BYTES + 1), "is over 64 KiB"), (b"\xff", "is not UTF-8 text"), (b"a\0", "is not UTF-8 text")])
def test_a_file_that_is_no_text_is_a_problem(tmp_path, data, message):
    (tmp_path / "f").write_bytes(data)

    assert fill("${file:f}", tmp_path)[1] == [f"s:1:1: ${{file:f}} {message}"]


def test_without_systemd_there_are_no_credentials():
    assert "needs LoadCredential=key:/path" in fill("${credential:key}", environ={})[1][0]


@pytest.mark.parametrize(
    "text",
    [
        "server: {limits: {handshake: '${S}'}}",
        "server: {listen: '${S}'}",
        "log: {level: '${S}'}",
        "admin: '${S}'",
        "server: {hosts: '${S}'}",
        "plugins: '${S}'",
        "include: '${S}'",
        "routes: '${S}'",
    ],
)
def test_what_a_variable_stands_for_is_in_no_message(load, text):
    loaded = load(f"{text}\n" + ("" if "routes" in text else "routes: {}\n"), environ={"S": "hunter2 / https://x"})

    assert loaded.lines
    assert "hunter2" not in "".join(loaded.lines)
    assert "${S}" in "".join(loaded.lines)
