"""`wsrouter bench` and Locust on the same load: what is compared, and once for real."""

from __future__ import annotations

import pytest

from loadtest.agreement import Figures, compare, main, table

SAME = Figures(500.0, 20.3, 20.5, 21.0)


def test_what_is_more_than_ten_percent_apart_is_named_and_what_is_only_told_is_not_judged():
    rows = [*compare("/later", [SAME] * 3, [Figures(499.0, 22.5, 20.5, 21.0)] * 3), *compare("/echo", [SAME] * 3, [Figures(440.0, 99.0, 99.0, 99.0)] * 3)]

    assert [("/later", "p50"), ("/echo", "messages_s")] == [(row.path, row.name) for row in rows if not row.agrees]
    lines = table(rows).splitlines()
    assert "/later  p50 ms            20.3      22.5   +10.8%  APART" in lines
    assert "/echo   p50 ms            20.3        99  +387.7%  told only" in lines


def test_the_median_of_the_rounds_counts():
    rows = compare("/later", [SAME, SAME, Figures(1.0, 900.0, 900.0, 900.0)], [SAME] * 3)

    assert all(row.agrees for row in rows)


@pytest.mark.slow
def test_both_measure_both_paths(capsys):
    """Whether they agree is asked by .ci/run, where nothing else has the machine."""
    status = main(["--rounds", "1", "--time", "6"])

    lines = capsys.readouterr().out.splitlines()[1:]
    assert ["/later"] * 4 + ["/echo"] * 4 == [line.split()[0] for line in lines]
    assert all(float(value) > 0 for line in lines for value in line[20:40].split())
    assert all(float(line[20:30]) > 20 for line in lines[:4])  # what the route takes, in milliseconds
    assert status == any(line.endswith("APART") for line in lines)
