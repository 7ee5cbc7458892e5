"""The verdict of loadtest/reload.py on when members of a room were closed."""

from __future__ import annotations

import pytest

from loadtest.reload import LATE_S, MEMBERS, Bench, check_endings

# Three reloads, done at 10, 20 and 30 s, each after 0.1 s; what was made by the n-th is generation n.
DONE_AT, TOOK_S = [10.0, 20.0, 30.0], [0.1, 0.1, 0.1]


def missed(on_change: str, ended: list[tuple[int, int, float]], there: list[int]) -> list[str]:
    bench = Bench()
    check_endings(bench, on_change, ended, there, DONE_AT, TOOK_S)
    return bench.missed


@pytest.mark.parametrize(
    ("on_change", "ended", "there"),
    [
        ("close", [(0, 1012, 9.95), (1, 1012, 20.0), (2, 1012, 30.0 + LATE_S)], [3] * MEMBERS),
        ("{drain: 0.5s}", [(0, 1012, 10.0), (1, 1012, 20.5), (2, 1012, 30.4)], [3] * MEMBERS),
        ("keep", [(0, 1012, 20.5), (1, 1012, 31.0)], [2] * (MEMBERS - 1) + [3]),
    ],
)
def test_who_is_closed_when_on_change_says_so_is_no_fault(on_change: str, ended: list[tuple[int, int, float]], there: list[int]) -> None:
    assert [] == missed(on_change, ended, there)


@pytest.mark.parametrize(
    ("on_change", "ended", "there", "fault"),
    [
        ("close", [(0, 1006, 10.0)], [3] * MEMBERS, "room: 1 closes, 1 of them without 1012"),
        ("close", [(0, 1012, 9.0)], [3] * MEMBERS, "room: 1 closed too early, 0 too late, 0 not at all"),
        ("close", [(0, 1012, 11.0)], [3] * MEMBERS, "room: 0 closed too early, 1 too late, 0 not at all"),
        ("close", [(3, 1012, 31.0)], [3] * MEMBERS, "room: 1 closed too early, 0 too late, 0 not at all"),
        ("{drain: 0.5s}", [(0, 1012, 11.0)], [3] * MEMBERS, "room: 0 closed too early, 1 too late, 0 not at all"),
        ("keep", [(1, 1012, 20.5)], [3] * MEMBERS, "room: 1 closed too early, 0 too late, 0 not at all"),
        ("keep", [], [1] + [3] * (MEMBERS - 1), "room: 0 closed too early, 0 too late, 1 not at all"),
        ("keep", [], [3] * (MEMBERS - 1), f"room: all {MEMBERS} are there at the end"),
    ],
)
def test_any_other_close_is_a_fault(on_change: str, ended: list[tuple[int, int, float]], there: list[int], fault: str) -> None:
    assert [fault] == missed(on_change, ended, there)
