from __future__ import annotations

import asyncio

import pytest

from support.pipeline import MemoryClient
from wsrouter import Cause
from wsrouter.pipeline.queue import HIGH, LOW, HookQueue

pytestmark = pytest.mark.anyio


async def test_messages_come_in_their_order_and_the_end_after_them():
    client = MemoryClient()
    queue = HookQueue(client)
    queue.put(["1", "2"])
    queue.put([b"3"])
    client.leave_as_client()
    queue.close(Cause.CLIENT_CLOSE)
    assert ["1", "2", b"3", None, None] == [await queue.get() for _ in range(5)]
    assert Cause.CLIENT_CLOSE is queue.cause


async def test_who_waits_is_woken_by_a_message_and_by_the_end():
    queue = HookQueue(MemoryClient())
    getting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put(["1"])
    assert "1" == await getting
    getting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.close(Cause.CLIENT_ABORT)
    assert await getting is None


async def test_reading_pauses_above_sixteen_and_goes_on_at_four():
    client = MemoryClient()
    queue = HookQueue(client)
    queue.put(["x"] * HIGH)
    assert [] == client.calls
    queue.put(["x"])
    queue.put(["x"])
    assert ["pause"] == client.calls
    for _ in range(HIGH + 2 - LOW - 1):
        await queue.get()
    assert ["pause"] == client.calls
    await queue.get()
    assert ["pause", "resume"] == client.calls


async def test_what_waits_is_dropped_once_this_side_has_begun_to_close():
    client = MemoryClient()
    queue = HookQueue(client)
    queue.put(["1"])
    client.end(Cause.MAX_AGE)
    getting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not getting.done()  # not closed yet: the end comes with the cause
    queue.close(Cause.MAX_AGE)
    assert await getting is None


async def test_after_a_failure_nothing_is_kept_and_nothing_taken():
    client = MemoryClient()
    queue = HookQueue(client)
    queue.put(["x"] * (HIGH + 1))
    queue.drop()
    assert ["pause", "resume"] == client.calls
    queue.put(["y"])
    queue.close(Cause.HANDLER_ERROR)
    assert await queue.get() is None


async def test_without_an_end_the_cause_is_the_shutdown_of_the_handler():
    assert Cause.SHUTDOWN is HookQueue(MemoryClient()).cause
