"""Tables on a terminal."""

from __future__ import annotations

from wsrouter.cli.table import format_table


def test_columns_are_as_wide_as_their_widest_cell_and_lines_have_no_space_at_their_end():
    assert format_table(("A", "LONG"), [("wide cell", "x"), ("y", "")]) == "A          LONG\nwide cell  x\ny"
