"""Virtual time: it jumps when nothing is left to do, and waits for whatever is outside of it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from wsrouter.scenario import virtual_loop as loop_module
from wsrouter.scenario.virtual_clock import VirtualClock
from wsrouter.scenario.virtual_loop import VirtualLoop, close_loop, run_on


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    close_loop(loop)


def run(loop, coroutine):
    return run_on(loop, coroutine, pytest.fail)


def test_a_year_of_sleep_takes_no_time(loop):
    begun = time.perf_counter()

    run(loop, asyncio.sleep(365 * 86400))

    assert loop.time() == 365 * 86400
    assert time.perf_counter() - begun < 1


def test_sleepers_wake_in_the_order_of_their_times_at_exactly_their_times(loop):
    woken = []

    async def sleeper(delay_s):
        await asyncio.sleep(delay_s)
        woken.append((delay_s, loop.time()))

    async def main():
        await asyncio.gather(*(sleeper(delay_s) for delay_s in (3, 1.5, 86401.25, 0.1)))

    run(loop, main())

    assert woken == [(0.1, 0.1), (1.5, 1.5), (3, 3.0), (86401.25, 86401.25)]


def test_ten_tenths_of_a_second_are_one_second(loop):
    async def main():
        for _ in range(10):
            await asyncio.sleep(0.1)

    run(loop, main())

    assert loop.time() == 1.0


def test_a_timeout_is_virtual(loop):
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60):
                await loop.create_future()

    run(loop, main())

    assert loop.time() == 60


def test_rest_comes_when_everything_that_is_ready_has_run_and_takes_no_time(loop):
    steps = []

    async def chain():
        for number in range(100):
            await asyncio.sleep(0)
            steps.append(number)
        await asyncio.sleep(1)
        steps.append("late")

    async def main():
        task = loop.create_task(chain())
        await loop.rest()
        assert steps == list(range(100))
        assert loop.time() == 0
        await task

    run(loop, main())


def test_the_result_of_a_thread_takes_no_virtual_time(loop):
    release = threading.Event()

    async def main():
        threading.Timer(0.05, release.set).start()
        ticker = loop.create_task(asyncio.sleep(3600))
        assert await asyncio.to_thread(release.wait, 5)
        assert loop.time() == 0
        ticker.cancel()

    run(loop, main())


def test_rest_waits_for_a_thread(loop):
    release, done = threading.Event(), []

    async def work():
        await asyncio.to_thread(release.wait, 5)
        done.append(loop.time())

    async def main():
        task = loop.create_task(work())
        threading.Timer(0.05, release.set).start()
        await loop.rest()
        assert done == [0]
        await task

    run(loop, main())


def test_a_thread_that_never_ends_holds_time_up_once(loop, monkeypatch):
    monkeypatch.setattr(loop_module, "THREAD_WAIT_S", 0.02)
    release = threading.Event()

    async def main():
        endless = loop.run_in_executor(None, release.wait)
        begun = time.perf_counter()
        for _ in range(50):
            await asyncio.sleep(1)
        assert time.perf_counter() - begun < 0.5
        release.set()
        await endless

    run(loop, main())

    assert loop.time() == 50


def test_what_a_thread_of_ones_own_hands_over_comes_before_time_jumps(loop):
    heard = []

    def work():
        time.sleep(0.01)
        loop.call_soon_threadsafe(lambda: heard.append(loop.time()))

    async def main():
        threading.Thread(target=work).start()
        await asyncio.sleep(3600)

    run(loop, main())

    assert heard == [0]


def test_a_real_socket_works_and_is_listened_to_before_time_jumps(loop):
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    def answer():
        theirs.sendall(theirs.recv(100).upper())

    async def main():
        reader, writer = await asyncio.open_connection(sock=ours)
        thread = threading.Thread(target=answer)
        thread.start()
        writer.write(b"hello")
        async with asyncio.timeout(5):  # virtual: it would be over at once
            assert await reader.readexactly(5) == b"HELLO"
        thread.join()
        writer.close()

    run(loop, main())
    theirs.close()

    assert loop.time() == 0


def test_a_silent_socket_costs_the_time_that_it_is_given_and_no_more():
    loop = VirtualLoop(io_wait_s=0.01)
    ours, theirs = socket.socketpair()
    loop.add_reader(ours, pytest.fail)
    begun = time.perf_counter()

    run(loop, asyncio.sleep(3600))

    assert 0.01 <= time.perf_counter() - begun < 0.5
    loop.remove_reader(ours)
    close_loop(loop)
    ours.close()
    theirs.close()


def test_a_task_that_turns_round_and_round_does_not_stop_time(loop):
    async def main():
        deadline = loop.time() + 10
        turning = loop.create_task(turn_until(lambda: loop.time() >= deadline))
        await asyncio.sleep(10)
        await turning

    async def turn_until(condition):
        while not condition():  # noqa: ASYNC110 -- the turning is the test
            await asyncio.sleep(0)

    run(loop, main())

    assert loop.time() == 10


def test_an_exit_in_a_task_of_its_own_is_told_and_the_loop_goes_on(loop):
    told = []

    async def leave():
        raise SystemExit(3)

    async def main():
        task = loop.create_task(leave())
        await asyncio.sleep(1)
        assert isinstance(task.exception(), SystemExit)
        return "went on"

    assert run_on(loop, main(), told.append) == "went on"
    assert [error.code for error in told] == [3]


def test_closing_cancels_what_still_runs():
    loop, ended = VirtualLoop(), []

    async def stubborn():
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.5)
            ended.append(True)

    async def main():
        loop.create_task(stubborn())  # left behind, as plugins do
        await asyncio.sleep(0)

    run(loop, main())
    close_loop(loop)

    assert ended == [True]
    assert loop.is_closed()


def test_the_clock_follows_the_loop(loop):
    clock = VirtualClock(loop)

    run(loop, clock.sleep(90))

    assert clock.monotonic() == 90
    assert clock.now().isoformat() == "2024-01-01T12:01:30+00:00"
