"""The figures as text: what is said, and when a warning is."""

from __future__ import annotations

import pytest

from wsrouter.bench.figures import Figures
from wsrouter.bench.plan import Plan, Target
from wsrouter.bench.report import format_live, format_ns, format_report, warnings

TARGET = Target("ws://localhost:8765/echo", "localhost", 8765, "/echo")


def figures(**values):
    return Figures("round_trip", **values)


@pytest.mark.parametrize(
    ("value_ns", "expected"),
    [(0, "0 ns"), (999, "999 ns"), (1000, "1.00 µs"), (95_340, "95.3 µs"), (999_600, "1.00 ms"), (2_012_000_000, "2.01 s"), (123_456_000_000, "123 s")],
)
def test_a_time_has_three_digits(value_ns, expected):
    assert expected == format_ns(value_ns)


WARNINGS = {
    "none": ({"cpu": 0.95, "late": 1, "sent": 1001}, []),
    "a generator that was the bottleneck": (
        {"cpu": 0.96},
        ["warning: the generator took 96% of a core: it was the bottleneck, the server may be faster than this"],
    ),
    "a generator behind its schedule": (
        {"late": 2, "latest_s": 0.0125, "sent": 2000},
        [
            (
                "warning: the generator fell behind its schedule: it came to 2 of 2,000 messages over 1 ms late, 12.5 ms at the worst; "
                "latency counts from when they were due"
            )
        ],
    ),
    "messages that could not be sent": (
        {"unsent": 3, "sent": 7},
        ["warning: 3 messages were due and never sent: their connections had ended, or took no more"],
    ),
    "Ctrl-C": ({"is_interrupted": True, "time_s": 2.5}, ["interrupted after 2.5 s of 10 s"]),
}


@pytest.mark.parametrize(("values", "expected"), WARNINGS.values(), ids=WARNINGS.keys())
def test_what_the_figures_do_not_say_by_themselves_is_a_warning(values, expected):
    assert expected == warnings(Plan(TARGET), figures(**values))


def test_the_report_has_a_table_the_problems_and_a_picture():
    measured = figures(sent=4, received=3, lost=1, time_s=2.0, per_s=1.5, cpu=0.25)
    measured.errors["lost: the connection ended without a close frame"] = 2
    measured.connect.record(1_000_000)
    for value_ns in (1_000_000, 1_000_000, 8_000_000):
        measured.latency.record(value_ns)

    assert format_report(Plan(TARGET, connections=1), measured) == PAGE


PAGE = """\
ws://localhost:8765/echo: 1 connection, 64 bytes
closed loop, 1 in flight: each connection sends again when it is answered; latency counts from sending

            count     mean      p50      p90      p99    p99.9      max
connect         1  1.00 ms  1.00 ms  1.00 ms  1.00 ms  1.00 ms  1.00 ms
round trip      3  3.33 ms  1.00 ms  8.00 ms  8.00 ms  8.00 ms  8.00 ms

messages  sent 4, received 3: 2 messages/s for 2.00 s
problems  errors 2, lost 1, duplicated 0, out of order 0, unexpected 0, unsent 0
generator 25% of a core

errors
        2  lost: the connection ended without a close frame

round trip
 1.00 ms -  1.19 ms            2  ########################################
 1.19 ms -  1.41 ms            0
 1.41 ms -  1.68 ms            0
 1.68 ms -  2.00 ms            0
 2.00 ms -  2.38 ms            0
 2.38 ms -  2.83 ms            0
 2.83 ms -  3.36 ms            0
 3.36 ms -  4.00 ms            0
 4.00 ms -  4.76 ms            0
 4.76 ms -  5.66 ms            0
 5.66 ms -  6.73 ms            0
 6.73 ms -  8.00 ms            1  ####################"""


def test_the_live_line_is_one_line_before_and_during_the_run():
    measured = figures()
    plan = Plan(TARGET, time_s=30.0)

    assert format_live(plan, measured, 3, 0.0, 0.0) == "opening: 3 of 10 connections, 0 errors"
    measured.latency.record(2_000_000)
    assert format_live(plan, measured, 10, 4.4, 1234.0) == "4 s of 30 s: 10 open, 1,234 messages/s, p50 2.00 ms, p99 2.00 ms, max 2.00 ms, 0 errors"
