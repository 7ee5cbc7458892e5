"""The table of events is what the code logs: none is missing, none is there that nobody logs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from wsrouter.observe.events import EVENTS

PACKAGE = Path(__file__).parent.parent.parent / "wsrouter"
ALONE = {"listening", "stopping", "stopped"}
LOGGING = {"debug", "info", "warning", "error", "record", "write", "noticed"}


def logged_names() -> dict[str, str]:
    """Each event that is logged, with the file where: the first argument of a call like `log.info`, or the keyword `event`."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name in {"testing", "cli", "scenario"}:  # what they write is not the daemon's log
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            for value in (*event_argument(node), *(keyword.value for keyword in node.keywords if keyword.arg == "event")):
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and (re.fullmatch(r"[a-z]+\.[a-z_]+", value.value) or value.value in ALONE):
                    found[value.value] = str(path.relative_to(PACKAGE))
    return found


def event_argument(call: ast.Call) -> list[ast.expr]:
    function = call.func
    # `(log.error if … else log.warning)("reload.problem", …)` has no name: its first text counts, too.
    is_logging = isinstance(function, ast.IfExp) or (isinstance(function, ast.Attribute) and function.attr in LOGGING)
    is_logging = is_logging or (isinstance(function, ast.Name) and function.id in LOGGING)
    return call.args[:1] if is_logging else []


def test_every_event_that_is_logged_is_in_the_table_and_the_other_way_round():
    logged, told = logged_names(), {event.name for event in EVENTS}

    assert {name: file for name, file in logged.items() if name not in told} == {}, "add it to EVENTS in wsrouter/observe/events.py, and run ./dev generate"
    assert told - set(logged) == set()
    assert len(told) == len(EVENTS) > 30


def test_every_event_has_a_level_a_sentence_and_facts_by_their_names():
    for event in EVENTS:
        assert event.level in {"debug", "info", "warning", "error"}
        assert event.help.endswith((".", "!"))
        assert all(re.fullmatch(r"[a-z_]+", fact) for fact in event.facts)
        assert len(set(event.facts)) == len(event.facts)
