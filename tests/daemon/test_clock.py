"""The machine's clock, as plugins see it."""

from __future__ import annotations

from time import monotonic

import uvloop

from wsrouter.daemon.clock import SystemClock


def test_a_short_sleep_is_one_on_a_loop_whose_timers_have_whole_milliseconds():
    async def sleep_often() -> float:
        begin = monotonic()
        for _ in range(20):
            await SystemClock().sleep(0.0004)
        return monotonic() - begin

    assert uvloop.run(sleep_often()) >= 20 * 0.0004
