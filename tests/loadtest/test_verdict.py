"""Whether a run was good."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.recorder import Record
from loadtest.verdict import judge, judge_memory, read_thresholds

MIB = 2**20


def record() -> Record:
    found = Record()
    for number in range(1, 101):
        found.add_time("round_trip", number / 1000, 0)
    found.add_count("lost", 0, 2)
    found.add_count("sent", 0, 300)
    found.add_count("received", 0, 100)
    return found


@pytest.mark.parametrize(
    ("text", "is_met"),
    [
        ("p99 round_trip < 100ms", True),
        ("p99 < 98ms", False),
        ("max < 100ms", False),
        ("max <= 100ms", True),
        ("mean < 51ms", True),
        ("mean < 50ms", False),
        ("lost = 0", False),
        ("lost <= 2", True),
        ("duplicated = 0", True),
        ("messages/s >= 200", True),
        ("messages/s > 200", False),
        ("p99 delivery < 1h", False),  # there was none: what was not measured was not kept
    ],
)
def test_a_threshold_is_met_or_missed(text: str, is_met: bool) -> None:
    assert [is_met] == [check.is_met for check in judge(record(), read_thresholds([text]), 2.0)]


def test_thresholds_come_from_the_command_line_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "limits"
    file.write_text("# ours\np99 delivery < 50ms, lost = 0,\n\nerrors = 0  # none\n", "utf-8")
    assert ["lost = 0", "p99 delivery < 50ms", "errors = 0"] == [str(one) for one in read_thresholds(["lost = 0"], str(file))]


def test_a_mistake_in_a_file_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "limits"
    file.write_text("lost = 0\np99 < soon\n", "utf-8")
    with pytest.raises(ValueError, match=r"limits:2: 'p99 < soon'"):
        read_thresholds([], str(file))


def memory(minutes: int, mib_in_ten: float) -> tuple[list[float], list[float]]:
    """A sample a second: twice as much from the third minute on, then a slope; the allocator takes it in steps."""
    moments = [float(second) for second in range(minutes * 60)]
    return moments, [(30 if moment < 180 else 60) * MIB + (mib_in_ten * MIB * moment / 600) // 65536 * 65536 for moment in moments]


@pytest.mark.parametrize(("mib_in_ten", "is_met"), [(0.0, True), (0.9, True), (1.1, False), (20.0, False), (-5.0, True)])
def test_memory_may_grow_by_less_than_a_mebibyte_in_ten_minutes_after_the_fifth(mib_in_ten: float, is_met: bool) -> None:
    assert is_met is judge_memory(*memory(30, mib_in_ten)).is_met


def test_memory_of_a_short_run_is_not_judged() -> None:
    check = judge_memory(*memory(2, 100.0))
    assert check.is_met is None
    assert "not judged" in check.value
