"""docs/limits.md has every limit with its default, and the test that keeps it."""

from __future__ import annotations

import ast
import re

from support.daemon import ROOT
from wsrouter.access.bounds import (
    ACCEPTS_A_TURN,
    BOUNDS,
    CLOSE_TIMEOUT_S,
    CONTROL_BURST,
    CONTROL_RATE,
    FRAME_TIMEOUT_S,
    MAX_FRAGMENTS,
    MAX_HALF_OPEN,
    MESSAGES_A_TURN,
    MOST_SHEDDING,
    OVERLOAD_AFTER_S,
    OVERLOAD_LAG_S,
    STALLED_CLOSE_TIMEOUT_S,
)
from wsrouter.config.describe import flat_settings
from wsrouter.config.settings import RouteSettings, Server

NAMED = re.compile(r"`(test_\w+)`")
PAGE = (ROOT / "docs" / "limits.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| setting", "| what"))]


def all_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_the_page_of_limits_names_is_there() -> None:
    named = set(NAMED.findall(PAGE))
    assert len(named) > 30
    assert set() == named - all_tests()


def test_every_limit_names_a_test() -> None:
    assert len(ROWS) > 25
    assert [] == [row for row in ROWS if not NAMED.search(row)]


def test_every_setting_that_limits_a_client_is_there_with_its_default() -> None:
    wanted = [row for row in flat_settings(RouteSettings, RouteSettings()) if row[0].startswith(("limits.", "outbox.", "keepalive."))]
    wanted += [(f"server.{name}", default) for name, default in flat_settings(Server, Server()) if name.startswith("limits.")]
    assert len(wanted) > 15
    for name, default in wanted:
        rows = [row for row in ROWS if row.startswith(f"| `{name}")]
        assert rows, f"{name} is missing"
        written = {"0": "no limit", "0s": "for ever", "auto": "open-file limit"}.get(default, default)
        assert any(written in row for row in rows), (name, default)


def test_every_constant_that_explain_shows_is_there() -> None:
    assert [] == [bound.name for bound in BOUNDS if not any(row.startswith(f"| {bound.name} |") for row in ROWS)]


def test_the_constants_are_those_of_the_code() -> None:
    numbers = [
        f"{MAX_FRAGMENTS:,}",
        f"{CONTROL_RATE:g} a second, {CONTROL_BURST} at once",
        f"{FRAME_TIMEOUT_S:g} s, and",
        f"| {CLOSE_TIMEOUT_S:g} s; {STALLED_CLOSE_TIMEOUT_S:g} s for",
    ]
    numbers += [f"| {MAX_HALF_OPEN:,}, or less", f"| {ACCEPTS_A_TURN} a turn"]
    numbers.append(f"| {OVERLOAD_LAG_S:g} s at every answer for {OVERLOAD_AFTER_S:g} s |")
    for number in [*numbers, f"| {MESSAGES_A_TURN} |", f"{MOST_SHEDDING:,}"]:
        assert number in PAGE
