from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any, Self

import pytest

from support.server import open_client, serve_wsrouter
from support.waiting import until_async
from support.wire import Notes
from wsrouter import Cause
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.source import BURST, FIRST_PAUSE_S, LONGEST_PAUSE_S, SourceHandler
from wsrouter.testing import ManualClock, MemoryContext

pytestmark = pytest.mark.anyio


class Source:
    """A source on a manual clock. `notes.failures` is what its fence told."""

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        self.notes = Notes()
        self.clock = ManualClock()
        self.context = MemoryContext("/prices", clock=self.clock)
        self.handler = SourceHandler("prices", function, options, fence=Fence("/prices", self.notes))
        self.handler.start(self.context)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.context.__aexit__(None, None, None)

    async def open(self) -> Any:
        connection = self.context.connection()
        self.handler.on_open(connection)
        await self.clock.settle()
        return connection

    async def leave(self, connection: Any) -> None:
        self.context.topics.leave_all(connection)
        self.handler.on_close(connection, Cause.CLIENT_CLOSE)
        await self.clock.settle()


class Counting:
    """A generator function that counts its runs and whether they were cleaned up."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0

    async def __call__(self, context: Any, *, every: float = 1.0) -> AsyncIterator[dict[str, int]]:
        self.begun += 1
        number = 0
        try:
            while True:
                yield {"n": number}
                number += 1
                await context.clock.sleep(every)
        finally:
            self.ended += 1


async def test_one_production_serves_all_listeners():
    counting = Counting()
    async with Source(counting) as source:
        first = await source.open()
        await source.clock.advance(1)
        second = await source.open()
        await source.clock.advance(1)
        assert ['{"n":0}', '{"n":1}', '{"n":2}'] == first.sent
        assert ['{"n":2}'] == second.sent
        assert 1 == counting.begun


async def test_it_starts_with_the_first_listener_and_stops_with_the_last():
    counting = Counting()
    async with Source(counting) as source:
        await source.clock.advance(10)
        assert (0, 0) == (counting.begun, counting.ended)
        first, second = await source.open(), await source.open()
        await source.leave(first)
        assert (1, 0) == (counting.begun, counting.ended)
        await source.leave(second)
        assert (1, 1) == (counting.begun, counting.ended)
        assert [] == source.context.tasks
        third = await source.open()
        assert (2, ['{"n":0}']) == (counting.begun, third.sent)


async def test_options_reach_the_generator_by_name():
    async with Source(Counting(), every=0.5) as source:
        listener = await source.open()
        await source.clock.advance(1)
        assert 3 == len(listener.sent)


async def test_a_failing_source_is_restarted_with_a_pause_that_doubles_to_half_a_minute():
    starts: list[float] = []

    async def failing(context: Any) -> AsyncIterator[str]:
        starts.append(context.clock.monotonic())
        raise LookupError
        yield ""

    async with Source(failing) as source:
        listener = await source.open()
        await source.clock.advance(125)
        pauses = [later - earlier for earlier, later in pairwise(starts)]
        assert [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30] == pauses
        assert listener.closed is None
        assert len(starts) == len(source.notes.failures)
        assert {("prices", "source", LookupError, None)} == {
            (failure.handler, failure.hook, type(failure.error), failure.connection_id) for failure in source.notes.failures
        }


async def test_after_a_long_good_run_the_pause_is_short_again():
    starts: list[float] = []

    async def failing(context: Any) -> AsyncIterator[str]:
        starts.append(context.clock.monotonic())
        if len(starts) == 4:
            await context.clock.sleep(LONGEST_PAUSE_S + 1)
        raise LookupError
        yield ""

    async with Source(failing) as source:
        await source.open()
        await source.clock.advance(40)
        assert FIRST_PAUSE_S == starts[4] - (starts[3] + LONGEST_PAUSE_S + 1)


async def test_listeners_stay_and_hear_the_next_run():
    runs = 0

    async def failing_once(context: Any) -> AsyncIterator[str]:
        nonlocal runs
        runs += 1
        yield f"run {runs}"
        if runs == 1:
            raise LookupError
        await context.clock.sleep(1000)

    async with Source(failing_once) as source:
        listener = await source.open()
        assert ["run 1"] == listener.sent
        await source.clock.advance(FIRST_PAUSE_S)
        assert ["run 1", "run 2"] == listener.sent


async def test_nothing_is_restarted_when_the_last_listener_leaves_during_a_pause():
    starts = 0

    async def failing(context: Any) -> AsyncIterator[str]:
        nonlocal starts
        starts += 1
        raise LookupError
        yield ""

    async with Source(failing) as source:
        await source.leave(await source.open())
        await source.clock.advance(100)
        assert 1 == starts


async def test_sys_exit_and_what_cannot_be_sent_are_failures_like_any_other():
    async def leaving(context: Any) -> AsyncIterator[str]:
        sys.exit(3)
        yield ""

    async def nonsense(context: Any) -> AsyncIterator[Any]:
        yield {1, 2}

    for function, error in ((leaving, SystemExit), (nonsense, TypeError)):
        async with Source(function) as source:
            listener = await source.open()
            assert [error] == [type(failure.error) for failure in source.notes.failures]
            assert listener.closed is None


async def test_a_source_that_ends_closes_its_listeners_with_1000():
    async def short(context: Any) -> AsyncIterator[str]:
        yield "only"
        await context.clock.sleep(1)

    async with Source(short) as source:
        first, second = await source.open(), await source.open()
        await source.clock.advance(1)
        assert (["only"], (1000, "the source has ended")) == (first.sent, first.closed)
        assert ([], (1000, "the source has ended")) == (second.sent, second.closed)
        assert [] == source.notes.failures


async def test_who_comes_after_the_end_begins_it_anew():
    runs = 0

    async def short(context: Any) -> AsyncIterator[str]:
        nonlocal runs
        runs += 1
        yield f"run {runs}"
        await context.clock.sleep(1)

    async with Source(short) as source:
        await source.open()
        await source.clock.advance(1)
        late = await source.open()  # the first one's on_close has not come yet
        assert (["run 2"], None) == (late.sent, late.closed)


async def swallowing(context: Any) -> AsyncIterator[str]:
    try:
        while True:
            yield "tick"
            await context.clock.sleep(1)
    except asyncio.CancelledError:
        pass


async def stubborn(context: Any) -> AsyncIterator[str]:
    while True:
        try:
            yield "tick"
            await context.clock.sleep(1)
        except asyncio.CancelledError:
            yield "not yet"


@pytest.mark.parametrize("function", [swallowing, stubborn])
async def test_a_generator_that_will_not_be_cancelled_disturbs_no_later_listener(function):
    async with Source(function) as source:
        first = await source.open()
        source.context.topics.leave_all(first)
        source.handler.on_close(first, Cause.CLIENT_CLOSE)
        second = await source.open()  # before the first production has ended
        await source.clock.advance(3)
        assert (["tick"] * 4, None) == (second.sent, second.closed)
        assert 1 == len(source.context.tasks)
        await source.leave(second)
        assert [] == source.context.tasks


async def test_a_generator_that_never_waits_lets_others_have_their_turn():
    turns = 0

    async def busy(context: Any) -> AsyncIterator[str]:
        while turns < 3:
            yield "x"

    async with Source(busy) as source:
        listener = source.context.connection()
        source.handler.on_open(listener)
        while listener.closed is None:
            turns += 1
            await asyncio.sleep(0)
        assert len(listener.sent) >= BURST


async def test_what_a_listener_sends_is_dropped():
    async with Source(Counting()) as source:
        listener = await source.open()
        assert source.handler.on_message(listener, "hello?") is None
        assert ['{"n":0}'] == listener.sent


async def test_over_the_wire_each_listener_gets_what_is_yielded_while_it_listens_and_the_close():
    go_on = asyncio.Event()

    async def source(context: Any) -> AsyncIterator[Any]:
        yield {"n": 1}
        yield b"\x00"
        await go_on.wait()
        yield "both"

    async with serve_wsrouter(source) as server, open_client(server.url) as first:
        assert ['{"n":1}', b"\x00"] == [await first.recv(), await first.recv()]
        async with open_client(server.url) as second:
            await second.send("dropped")
            await until_async(lambda: len(server.connections) == 2)
            go_on.set()
            assert ["both", "both"] == [await first.recv(), await second.recv()]
            await asyncio.gather(first.wait_closed(), second.wait_closed())
            assert [(1000, "the source has ended")] * 2 == [(each.close_code, each.close_reason) for each in (first, second)]
        await server.wait_idle()
        assert [Cause.HANDLER_CLOSE] * 2 == [ending.cause for ending in server.notes.endings]
        assert [] == server.notes.failures
