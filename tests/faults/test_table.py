"""The table in README.md names tests that exist, for every row that it must have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LINES = [line.strip("|").split("|") for line in (Path(__file__).parent / "README.md").read_text("utf-8").splitlines() if re.match(r"\| \d", line)]
ROWS = {cells[0].strip(): (re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", cells[2]), cells[3].strip()) for cells in LINES}
NEEDED = {*map(str, (10, 11, *range(14, 28), 33, *range(37, 62), *range(65, 72), 73, 74, 78, 88, 89)), "71b"}


def test_every_row_stands_in_the_table_once():
    assert NEEDED == set(ROWS)
    assert len(LINES) == len(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_tests_that_exist_or_says_why_it_has_none(row):
    tests, gap = ROWS[row]
    assert tests or gap
    missing = [name for path, name in tests if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)]
    assert [] == missing


def test_every_test_of_a_row_is_in_its_line():
    names = {
        name
        for path in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_row_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert names == {name for row, (tests, _) in ROWS.items() for _, name in tests if name.startswith(f"test_row_{row}_")}
