"""The page and the summary of a run, and the curves in it."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from loadtest.charts import Panel, Series, draw, log_ticks, nice_ticks, split_at_gaps, time_ticks
from loadtest.recorder import Record
from loadtest.report import render_page, render_summary
from loadtest.run import Run, panels
from loadtest.sampler import Sample
from loadtest.verdict import Check

BEGUN = 1_000_000.0


def run_of(record: Record, checks: list[Check] | None = None) -> Run:
    samples = [Sample(BEGUN + second + 0.2, 12.5, 40 << 20, 30, 0.0004, 20.0) for second in range(4)]
    return Run(
        "echo",
        "what is <sent> comes back",
        [("command", "./dev load echo")],
        BEGUN,
        4.0,
        record,
        samples,
        checks or [],
        log_closes=Counter({"client_close 1000": 2}),
    )


def record_with_a_stall() -> Record:
    record = Record()
    for second in range(4):
        for _ in range(100):
            record.add_time("round_trip", 2.0 if second == 2 else 0.001, int(BEGUN) + second)
        record.add_count("sent", int(BEGUN) + second, 100)
        record.add_count("received", int(BEGUN) + second, 100)
    record.add_count("opened", int(BEGUN), 2)
    record.closes["client 1000"] = 2
    return record


def values(run: Run, title: str, name: str) -> list[float | None]:
    (panel,) = (panel for panel in panels(run) if panel.title.startswith(title))
    return next(list(series.values) for series in panel.series if series.name == name)


def test_a_stall_is_seen_in_the_second_in_which_it_began() -> None:
    run = run_of(record_with_a_stall())
    assert [1, 1, 2000, 1] == [round(value) for value in values(run, "Round trip", "p99")[:4] if value is not None]
    assert [2.0, 2.0, 2.0, 2.0] == values(run, "Connections", "open")[:4]
    assert [40.0] * 4 == values(run, "Memory", "resident")


def test_the_page_says_what_was_missed_and_needs_nothing_from_elsewhere() -> None:
    checks = [Check("p99 round_trip < 50ms", "2000 ms", False), Check("lost = 0", "0", True)]
    page = render_page(run_of(record_with_a_stall(), checks))
    assert "Missed</b> p99 round_trip &lt; 50ms: 2000 ms" in page
    assert "what is &lt;sent&gt; comes back" in page
    assert not re.search(r"""https?://|(src|href)=|@import|url\(""", page)


def test_the_summary_has_the_verdict_the_latencies_and_how_connections_ended() -> None:
    text = render_summary(run_of(record_with_a_stall(), [Check("lost = 0", "0", True)]), "echo.html")
    assert text.startswith("# echo: good\n")
    assert "| lost = 0 | 0 | ok |" in text
    row = next(line for line in text.splitlines() if line.startswith("| round trip |")).strip("| ").split(" | ")
    assert ["400", "2000", "501"] == [row[1], row[6], row[7]]
    assert "| by the daemon's log: client_close 1000 | 2 |" in text


def test_a_run_in_which_nothing_happened_has_a_page_as_well() -> None:
    run = run_of(Record())
    run.samples = []
    assert "Connections open" in render_page(run)
    assert "| lost | 0 |" in render_summary(run, "x.html")


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 997), (0, 0.3), (37.2, 38.1), (0, 50000)])
def test_the_ticks_of_an_axis_hold_all_its_values(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low < high <= ticks[-1] + 1e-9
    assert 3 <= len(ticks) <= 8


def test_the_ticks_of_a_logarithmic_axis_are_powers_of_ten_around_its_values() -> None:
    assert [0.1, 1, 10, 100, 1000, 10000] == pytest.approx(log_ticks(0.27, 2010))
    assert [1, 10] == pytest.approx(log_ticks(1, 1))


@pytest.mark.parametrize("time_s", [1, 4, 30, 61, 600, 1800, 86400])
def test_the_time_axis_has_ticks_within_it(time_s: float) -> None:
    ticks = time_ticks(time_s)
    assert 2 <= len(ticks) <= 13
    assert 0 == ticks[0] <= ticks[-1] <= time_s


def test_what_is_not_known_is_a_gap_and_not_a_zero() -> None:
    assert [[(0, 1.0), (1, 2.0)], [(3, 4.0)]] == list(split_at_gaps([0, 1, 2, 3], [1.0, 2.0, None, 4.0]))
    picture = draw(Panel("CPU", "%", [0, 1, 2, 3], [Series("server", "1", [1.0, 2.0, None, 4.0])]), 4.0, [(2.0, "killed")])
    assert 1 == picture.count("<polyline")
    assert 1 == picture.count("<circle")
    assert 1 == picture.count('class="mark"')
