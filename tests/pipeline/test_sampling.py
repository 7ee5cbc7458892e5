"""Sampled times of hooks: one call of each is timed, and what clients get is as ever."""

from __future__ import annotations

import asyncio
from time import sleep
from typing import Any

import pytest

from support.pipeline import MemoryClient
from support.waiting import until_async
from support.wire import Notes
from wsrouter import Connection, Handler, Message, Reply
from wsrouter.config.settings import RouteSettings
from wsrouter.pipeline.endpoint import Endpoint
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.sampling import sample_next
from wsrouter.pipeline.source import SourceHandler
from wsrouter.pipeline.step import Step
from wsrouter.pipeline.tasks import Tasks


class Sleepy(Handler):
    """Takes its time, plainly."""

    took_s: float = 0.004

    def on_message(self, connection: Connection, message: Message) -> Reply:
        sleep(self.took_s)
        return f"{message}!"


class Waiting(Handler):
    """Takes its time, asleep."""

    async def on_message(self, connection: Connection, message: Message) -> Reply:
        await asyncio.sleep(0.01)
        return f"{message}?"


def make_endpoint(*handlers: Handler[Any]) -> Endpoint:
    fence = Fence("/route", Notes())
    return Endpoint("/route", RouteSettings(), [Step(type(each).__name__, each) for each in handlers], fence, Tasks("/route", lambda name, error: None))


def test_a_read_of_one_plain_step_is_timed_once_for_each_time_that_is_asked_for():
    endpoint, told, client = make_endpoint(Sleepy()), [], MemoryClient()
    before = endpoint.on_messages
    for _ in range(2):  # asked twice, before anything came
        sample_next([endpoint], lambda *sample: told.append(sample))
    for messages in (["a", "b"], ["c"], ["d"]):
        endpoint.on_messages(client, messages)

    assert client.sent == ["a!", "b!", "c!", "d!"]
    ((route, handler, seconds),) = told
    assert (route, handler) == ("/route", "Sleepy")
    assert 0.004 <= seconds < 0.008  # the mean of two messages, not their sum
    assert endpoint.on_messages == before


def test_each_step_of_a_chain_is_timed_by_itself():
    endpoint, told, client = make_endpoint(Sleepy(took_s=0.01), Sleepy(took_s=0.0)), [], MemoryClient()
    sample_next([endpoint], lambda route, handler, seconds: told.append(seconds))
    endpoint.on_messages(client, ["a", "b"])

    assert client.sent == ["a!!", "b!!"]
    inner, outer = sorted(told)  # the hook of the first step does not hold that of the second
    assert (inner < 0.005, outer >= 0.01, len(told)) == (True, True, 2)


@pytest.mark.anyio
async def test_an_async_hook_is_timed_with_what_it_awaits():
    endpoint, told, client = make_endpoint(Waiting()), [], MemoryClient()
    endpoint.on_open(client)
    sample_next([endpoint], lambda *sample: told.append(sample))
    endpoint.on_messages(client, ["a", "b"])
    await until_async(lambda: len(client.sent) == 2)
    client.leave_as_client()
    endpoint.on_close(client, client.ending.cause)
    await asyncio.sleep(0)

    assert client.sent == ["a?", "b?"]
    ((route, handler, seconds),) = told
    assert (route, handler, seconds >= 0.009) == ("/route", "Waiting", True)


def test_a_hook_that_fails_is_not_timed_and_the_next_one_is_as_ever():
    class Failing(Handler):
        def on_message(self, connection: Connection, message: Message) -> Reply:
            raise LookupError

    endpoint, told = make_endpoint(Sleepy(), Failing()), []
    sample_next([endpoint], lambda route, handler, seconds: told.append(handler))
    endpoint.on_messages(MemoryClient(), ["a"])

    assert told == ["Sleepy"]


def test_what_has_no_on_message_of_its_own_is_left_alone():
    class Silent(Handler):
        pass

    endpoint = make_endpoint(Silent())
    source = make_endpoint(SourceHandler("prices", lambda context: None, {}, fence=Fence("/route", Notes())))
    before = endpoint.on_messages, source.on_messages
    sample_next([endpoint, source], lambda *sample: None)

    assert (endpoint.on_messages, source.on_messages) == before
