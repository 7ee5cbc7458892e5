"""The arithmetic of the bench: costs, ratios, the table and the file of recorded ratios."""

from __future__ import annotations

import pytest

from loadtest.figures import (
    Pair,
    Recorded,
    Result,
    changed_versions,
    complaint,
    cost,
    improvements,
    is_over,
    load_recorded,
    save_recorded,
    table,
)

RECORDED = Recorded({"echo-1": 0.5}, "2026-11-22", {"python": "3.11.7", "websockets": "17.4"})


def result(*ratios: float, name: str = "echo-1") -> Result:
    return Result(name, "us", tuple(Pair(10 * ratio, 10.0) for ratio in ratios))


def test_a_cost_is_microseconds_per_message_or_kib_per_connection():
    assert pytest.approx(5.0) == cost(1.0, 1.5, 100_000, "us")
    assert pytest.approx(3.0) == cost(4096, 4096 + 3 * 1024 * 500, 500, "KiB")


def test_a_run_in_which_no_message_came_through_has_no_cost():
    with pytest.raises(ValueError, match="no message"):
        cost(1.0, 1.5, 0, "us")


def test_a_ratio_is_that_of_the_lower_quartiles_whichever_pairs_they_are_of():
    found = Result("echo-1", "us", (Pair(5, 14), Pair(4, 12), Pair(3, 10), Pair(7, 18), Pair(6, 16)))

    assert (found.wsrouter, found.websockets) == (4, 12)
    assert found.ratio == 4 / 12


def test_pairs_that_were_disturbed_change_nothing_while_a_few_were_not():
    quiet = Result("fan-16", "us", (Pair(5, 10),) * 8)
    busy = Result("fan-16", "us", (Pair(9, 11), Pair(5, 10), Pair(8, 12), Pair(5, 15), Pair(9, 10), Pair(5, 10), Pair(7, 12), Pair(8, 19)))

    assert quiet.ratio == busy.ratio == 0.5


def test_one_cost_that_is_too_good_to_be_true_changes_nothing():
    assert Result("echo-1", "us", (Pair(5, 1), *(Pair(5, 10),) * 7)).ratio == 0.5


def test_the_spread_is_the_middle_half():
    assert result(1.0, 2.0, 3.0, 4.0, 5.0).spread == (2.0, 4.0)
    assert result(0.7).spread == (0.7, 0.7)


@pytest.mark.parametrize("ratio, over", [(0.3, False), (0.5, False), (0.599, False), (0.601, True), (2.0, True)])
def test_a_ratio_is_over_above_a_fifth_more_than_recorded(ratio, over):
    assert over is is_over(result(ratio), RECORDED)


def test_a_workload_that_was_never_recorded_does_not_pass():
    assert is_over(result(0.01, name="new"), RECORDED)
    assert complaint(result(0.01, name="new"), RECORDED) == "new: no ratio is recorded; measure with ./dev bench --record"


def test_a_complaint_names_the_workload_and_both_ratios():
    assert complaint(result(0.65), RECORDED) == "echo-1: 0.650 x websockets is 30% over the recorded 0.500; at most 20% is allowed"


def test_a_gain_that_could_be_lost_unseen_is_pointed_out():
    assert improvements([result(0.45), result(0.3, name="new")], RECORDED) == []
    assert improvements([result(0.4)], RECORDED) == ["echo-1: 0.400 is 20% below the recorded 0.500; keep it with ./dev bench --record"]


def test_versions_other_than_the_recorded_ones_are_named():
    assert changed_versions(RECORDED, {"python": "3.11.7", "websockets": "18.0", "uvloop": "1"}) == ["websockets is 18.0, recorded with 17.4"]


def test_the_table_has_a_line_a_workload_with_its_recorded_ratio():
    header, first, second = table([result(0.5, 0.6, 0.7), result(0.1, name="new")], RECORDED).splitlines()

    assert header.split() == ["wsrouter", "websockets", "ratio", "middle", "half", "pairs", "recorded"]
    assert first.split() == ["echo-1", "5.50", "10.00", "us", "0.550", "0.550", "-", "0.650", "3", "0.500"]
    assert second.split() == ["new", "1.00", "10.00", "us", "0.100", "0.100", "-", "0.100", "1", "-"]


def test_what_is_recorded_can_be_read_again(tmp_path):
    path = tmp_path / "recorded.json"
    save_recorded(path, Recorded({"echo-1": 0.33349, "fan-16": 0.0483721}, "2026-11-22", {"python": "3.11.7"}))

    assert load_recorded(path) == Recorded({"echo-1": 0.333, "fan-16": 0.0484}, "2026-11-22", {"python": "3.11.7"})


def test_without_a_file_nothing_is_recorded(tmp_path):
    assert load_recorded(tmp_path / "recorded.json").ratios == {}
