"""The health of a daemon: the loop's lag is measured, readiness is reported."""

from __future__ import annotations

import pytest

from support.reloading import run_site
from wsrouter.daemon.health import BEAT_S, LAG_S, WINDOW_S, Health, NotReady


class ManualLoop:
    """A loop whose time a test sets; one timer is enough."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timer = None

    def time(self):
        return self.now

    def call_at(self, when, function):
        self.timer = (when, function)
        return self

    def cancel(self):
        self.timer = None

    def beat(self, late_s=0.0):
        when, function = self.timer
        self.now = when + late_s
        function()


def test_it_is_starting_until_that_is_over_and_ready_while_there_is_no_reason():
    health, told = Health(ManualLoop()), []
    health.on_change.append(lambda: told.append(tuple(health.reasons)))
    assert (health.is_ready, list(health.reasons)) == (False, ["starting"])

    health.ready_again(NotReady.STARTING)
    assert (health.is_ready, health.reasons) == (True, {})
    health.not_ready(NotReady.OVERLOAD, "memory: 95 %")
    health.not_ready(NotReady.OVERLOAD, "memory: 95 %")
    health.not_ready(NotReady.DRAINING, "it was told to stop")
    health.ready_again(NotReady.OVERLOAD)
    health.ready_again(NotReady.OVERLOAD)

    assert (health.is_ready, health.reasons) == (False, {"draining": "it was told to stop"})
    assert told == [(), ("overload",), ("draining", "overload"), ("draining",)]


def test_a_late_beat_counts_for_the_window_and_each_lag_is_counted():
    loop = ManualLoop()
    health = Health(loop)
    health.start()
    loop.beat()
    assert (health.is_well, health.lag_s) == (True, 0.0)

    loop.beat(LAG_S + 0.5)
    assert (health.is_well, round(health.lag_s, 6)) == (False, LAG_S + 0.5)
    for _ in range(round(WINDOW_S / BEAT_S) - 1):
        loop.beat(0.003)
        assert not health.is_well
    loop.beat(0.003)

    assert (health.is_well, round(health.lag_s, 6)) == (True, 0.003)
    assert {bound: count for bound, count in zip((*health.lags.bounds, "above"), health.lags.counts, strict=True) if count} == {
        0.001: 1,
        0.005: 20,
        2.5: 1,
    }


def test_a_beat_that_is_overdue_counts_before_it_comes():
    loop = ManualLoop()
    health = Health(loop)
    health.start()
    loop.now += BEAT_S + LAG_S - 0.01
    assert health.is_well
    loop.now += 0.02
    assert not health.is_well


def test_nothing_is_measured_before_the_start_and_after_the_stop():
    loop = ManualLoop()
    health = Health(loop)
    loop.now += 1000
    assert health.is_well
    health.start()
    health.stop()
    loop.now += 1000

    assert (health.is_well, loop.timer) == (True, None)


@pytest.mark.anyio
async def test_an_overload_is_a_reason_until_it_ends(tmp_path):
    async with run_site(tmp_path, "routes: {/echo: echo}\n", {}) as site:
        hub, health = site.running.hub, site.running.health
        health.ready_again(NotReady.STARTING)
        assert health.is_ready
        hub.on_overload(True)  # the hub's own test is in tests/wire/test_handshake.py
        assert list(health.reasons) == ["overload"]
        hub.on_overload(False)
        assert health.is_ready
