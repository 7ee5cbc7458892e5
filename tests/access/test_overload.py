from __future__ import annotations

import pytest

from wsrouter.access.bounds import OVERLOAD_AFTER_S, OVERLOAD_LAG_S, OVERLOAD_MEMORY
from wsrouter.access.overload import WELL_LAG_S, Overload

LATE, WELL, BETWEEN = OVERLOAD_LAG_S, WELL_LAG_S, (OVERLOAD_LAG_S + WELL_LAG_S) / 2
STEP_S = OVERLOAD_AFTER_S / 4


def play(overload: Overload, *lags: float, at: float = 0.0) -> list[tuple[float, str]]:
    """What changed, and at which time, where an answer of each lag came every quarter of the bound."""
    changes = [(at + number * STEP_S, overload.answered(at + number * STEP_S, lag)) for number, lag in enumerate(lags)]
    return [(when, change) for when, change in changes if change is not None]


def test_it_begins_when_every_answer_was_late_for_so_long_and_ends_when_every_one_was_good_as_long():
    overload = Overload()
    assert [(OVERLOAD_AFTER_S, "began")] == play(overload, *[LATE] * 8)
    assert overload.is_on
    assert [(100 + OVERLOAD_AFTER_S, "ended")] == play(overload, *[WELL] * 8, at=100)
    assert not overload.is_on
    assert 100.0 == overload.lasted_s(100 + OVERLOAD_AFTER_S)


@pytest.mark.parametrize(
    "lags",
    [[LATE, LATE, LATE, LATE, BETWEEN] * 5, [60.0, 0.0] * 20, [BETWEEN] * 50, [0.0] * 50],
    ids=["a good one between", "long stalls, each over at once", "a little late", "none"],
)
def test_what_is_over_in_between_is_no_overload(lags):
    assert [] == play(Overload(), *lags)


def test_it_does_not_flap_around_its_bound():
    overload = Overload()
    assert [(OVERLOAD_AFTER_S, "began")] == play(overload, *[LATE] * 5, *[BETWEEN, WELL, WELL, WELL] * 10, *[BETWEEN] * 20)
    assert overload.is_on


def test_who_was_refused_is_counted_anew_each_time():
    overload = Overload()
    play(overload, *[LATE] * 5)
    overload.refused = 7
    play(overload, *[WELL] * 5, at=100)
    assert 7 == overload.refused
    play(overload, *[LATE] * 5, at=200)
    assert 0 == overload.refused


def test_memory_that_is_nearly_full_counts_at_once_and_until_it_was_not_for_so_long():
    overload = Overload()
    assert overload.answered(0, WELL, OVERLOAD_MEMORY - 0.01) is None
    assert "began" == overload.answered(1, WELL, OVERLOAD_MEMORY)
    assert (True, "85% of the memory that it may have is in use") == (overload.is_memory_short, overload.why)
    assert [None, None, None] == [overload.answered(at, WELL, share) for at, share in [(2, 0.5), (4, 0.9), (5, 0.5)]]
    assert overload.answered(5 + OVERLOAD_AFTER_S - 0.1, WELL, 0.5) is None
    assert "ended" == overload.answered(5 + OVERLOAD_AFTER_S, WELL, 0.5)


def test_it_ends_when_neither_is_too_much():
    overload = Overload()
    assert [(OVERLOAD_AFTER_S, "began")] == play(overload, *[LATE] * 5)
    assert [None] * 5 == [overload.answered(10 + number * STEP_S, WELL, 0.9) for number in range(5)]
    assert "ended" == [overload.answered(20 + number * STEP_S, WELL, 0.1) for number in range(5)][-1]
