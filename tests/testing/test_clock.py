from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from wsrouter.testing import ManualClock


def test_sleepers_wake_in_the_order_of_their_times_and_see_exactly_these():
    woken = []

    async def sleeper(clock, delay_s):
        await clock.sleep(delay_s)
        woken.append((delay_s, clock.monotonic()))

    async def scenario():
        clock = ManualClock()
        async with asyncio.TaskGroup() as group:
            for delay_s in (3, 1, 2, 2.5):
                group.create_task(sleeper(clock, delay_s))
            await clock.advance(2.2)
            assert woken == [(1, 1), (2, 2)]
            await clock.advance(10)

    asyncio.run(scenario())
    assert woken == [(1, 1), (2, 2), (2.5, 2.5), (3, 3)]


def test_who_sleeps_again_wakes_again_within_one_advance():
    async def scenario():
        clock, ticks = ManualClock(), []

        async def tick():
            while True:
                await clock.sleep(1)
                ticks.append(clock.monotonic())

        task = asyncio.create_task(tick())
        await clock.advance(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return ticks, clock.sleeping

    assert asyncio.run(scenario()) == ([1, 2, 3], 0)


def test_after_a_jump_all_who_were_due_wake_late():
    async def scenario():
        clock, woken = ManualClock(), []

        async def sleeper(delay_s):
            await clock.sleep(delay_s)
            woken.append(clock.monotonic())

        async with asyncio.TaskGroup() as group:
            group.create_task(sleeper(1))
            group.create_task(sleeper(2))
            await clock.jump(5)
        return woken

    assert asyncio.run(scenario()) == [5, 5]


def test_a_cancelled_sleeper_is_passed_over():
    async def scenario():
        clock = ManualClock()
        task = asyncio.create_task(clock.sleep(1))
        await clock.settle()
        assert clock.sleeping == 1
        task.cancel()
        await clock.advance(2)
        return task.cancelled(), clock.sleeping

    assert asyncio.run(scenario()) == (True, 0)


def test_zero_or_less_gives_way_and_takes_no_time():
    async def scenario():
        clock = ManualClock()
        await clock.sleep(0)
        await clock.sleep(-1)
        return clock.monotonic()

    assert asyncio.run(scenario()) == 0


def test_the_wall_clock_passes_with_the_other_and_may_be_set():
    async def scenario():
        clock = ManualClock(datetime(2024, 5, 1, tzinfo=UTC))
        await clock.advance(60)
        assert clock.now() == datetime(2024, 5, 1, 0, 1, tzinfo=UTC)
        clock.set_wall(datetime(2020, 1, 1, tzinfo=UTC))
        await clock.advance(1)
        return clock.now(), clock.monotonic()

    assert asyncio.run(scenario()) == (datetime(2020, 1, 1, 0, 0, 1, tzinfo=UTC), 61)


@given(st.lists(st.floats(0, 1e6), max_size=10))
def test_time_only_grows_and_adds_up(steps):
    async def scenario():
        clock = ManualClock()
        for step in steps:
            before = clock.monotonic()
            await clock.advance(step)
            assert clock.monotonic() >= before
        assert clock.now() - ManualClock().now() == timedelta(seconds=clock.monotonic())
        return clock.monotonic()

    assert abs(asyncio.run(scenario()) - sum(steps)) < 1e-3
