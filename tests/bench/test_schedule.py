"""When messages are due: a question of arithmetic, and of an alarm that rings in time."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from time import monotonic_ns

import pytest

from support.waiting import until_async
from wsrouter.bench.alarm import Alarm
from wsrouter.bench.schedule import Schedule


class Taker:
    """A sender that only counts."""

    def __init__(self):
        self.owed = 0

    def refill(self):
        pass


@pytest.mark.anyio
async def test_senders_take_turns_and_each_message_is_due_at_its_place():
    schedule = Schedule(asyncio.get_running_loop(), 1000.0)
    takers = [Taker() for _ in range(3)]
    places = [schedule.add(taker) for taker in takers]
    schedule.stop()

    together = sorted(due for place in places for due in schedule.dues(place, 0, 5))
    assert [number * 1_000_000 for number in range(15)] == together
    assert [4_000_000, 7_000_000] == schedule.dues(1, 1, 2)


@pytest.mark.anyio
async def test_above_4000_a_second_they_are_due_in_groups_and_as_many():
    schedule = Schedule(asyncio.get_running_loop(), 20_000.0)
    taker = Taker()
    place = schedule.add(taker)
    dues = schedule.dues(place, 0, 12)
    schedule.start(0.01)
    await until_async(lambda: schedule.owed >= 200)
    await asyncio.sleep(0.001)
    schedule.stop()

    assert [0] * 5 + [250_000] * 5 + [500_000] * 2 == dues
    assert taker.owed == 200


@pytest.mark.anyio
async def test_what_is_due_before_the_end_is_handed_out_and_no_more_even_by_a_late_loop():
    schedule = Schedule(asyncio.get_running_loop(), 1000.0)
    takers = [Taker() for _ in range(3)]
    for taker in takers:
        schedule.add(taker)
    schedule.start(0.02)
    before = monotonic_ns()
    while monotonic_ns() - before < 30_000_000:
        pass  # the loop is blocked past the end
    await asyncio.sleep(0.001)
    schedule.stop()

    assert [7, 7, 6] == [taker.owed for taker in takers]
    assert schedule.late >= 18
    assert schedule.latest_ns > 20_000_000


@pytest.mark.anyio
async def test_an_alarm_rings_at_its_time_and_not_before_and_never_once_it_is_closed():
    rung = asyncio.Event()
    at = []

    def ring():
        at.append(monotonic_ns())
        rung.set()

    alarm = Alarm(asyncio.get_running_loop(), ring)
    planned = []
    for _ in range(3):
        planned.append(monotonic_ns() + 1_500_000)
        alarm.set(planned[-1])
        await rung.wait()
        rung.clear()
    alarm.set(monotonic_ns() - 1)  # over already
    await rung.wait()
    alarm.close()
    alarm.set(0)
    await asyncio.sleep(0.002)

    assert len(at) == 4
    assert all(when >= plan for when, plan in zip(at[:3], planned, strict=True))
    assert all(later > earlier for earlier, later in pairwise(at))
