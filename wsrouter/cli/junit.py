"""The outcomes of scenarios as JUnit's XML, which CI systems read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsrouter.config.problems import Problem
    from wsrouter.scenario.runner import Outcome

# What XML 1.0 cannot hold, not even escaped (section 2.2).
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(outcomes: Sequence[Outcome], problems: Sequence[Problem] = ()) -> str:
    """One suite; a test case for each scenario, and one with an error for each problem that kept them from being played."""
    failed = sum(not outcome.passed for outcome in outcomes)
    total_s = sum(outcome.duration_s for outcome in outcomes)
    counts = f'tests="{len(outcomes) + len(problems)}" failures="{failed}" errors="{len(problems)}" skipped="0" time="{total_s:.3f}"'
    cases = [_case(outcome) for outcome in outcomes] + [_error(problem) for problem in problems]
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="wsrouter test" {counts}>\n<testsuite name="wsrouter" {counts}>\n'
    return f"{head}{''.join(cases)}</testsuite>\n</testsuites>\n"


def _case(outcome: Outcome) -> str:
    place = outcome.scenario.place
    inner = ""
    if not outcome.passed:
        inner += f"<failure message={_attribute(outcome.message)}>{_text(str(outcome))}</failure>"
    if outcome.handler_failures or outcome.records:
        inner += f"<system-err>{_text(chr(10).join([*outcome.handler_failures, outcome.records]))}</system-err>"
    if outcome.output:
        inner += f"<system-out>{_text(outcome.output)}</system-out>"
    return (
        f"<testcase classname={_attribute(place.file)} name={_attribute(outcome.scenario.name)} file={_attribute(place.file)} "
        f'line="{place.line}" time="{outcome.duration_s:.3f}">{inner}</testcase>\n'
    )


def _error(problem: Problem) -> str:
    place = problem.place
    return (
        f"<testcase classname={_attribute(place.file)} name={_attribute(f'line {place.line}')} file={_attribute(place.file)} "
        f'line="{place.line}" time="0.000"><error message={_attribute(problem.message)}>{_text(str(problem))}</error></testcase>\n'
    )


def _attribute(text: str) -> str:
    return quoteattr(_NO_XML.sub("\ufffd", text), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _text(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text))
