"""Sending in a coroutine, on both servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.protocol import State

from support.twin import ON_BOTH, WITHIN_S, Stage, send_many

pytestmark = ON_BOTH


async def test_send_takes_text_and_byte_likes(serve):
    async with Stage(serve) as (websocket, client):
        for message in ("é", b"\xff", bytearray(b"ab"), memoryview(b"ac"), "", b""):
            await websocket.send(message)
        assert ["é", b"\xff", b"ab", b"ac", "", b""] == [await client.recv() for _ in range(6)]


async def test_send_minds_text(serve):
    async with Stage(serve) as (websocket, client):
        await websocket.send("é", text=False)
        await websocket.send(b"json", text=True)
        await websocket.send("t", text=True)
        await websocket.send(b"b", text=False)
        await websocket.send(["a", "b"], text=False)
        await websocket.send([b"c", b"d"], text=True)
        assert ["é".encode(), "json", "t", b"b", b"ab", "cd"] == [await client.recv() for _ in range(6)]


async def numbers(*items: Any) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item


@pytest.mark.parametrize(
    "make",
    [
        lambda: ["a", "b"],
        lambda: ("a", "b"),
        lambda: iter(["a", "b"]),
        lambda: {"a": 1, "b": 2}.keys(),
        lambda: (letter for letter in "ab"),
        lambda: numbers("a", "b"),
    ],
    ids=["list", "tuple", "iterator", "keys", "generator", "async"],
)
async def test_send_sends_each_item_as_a_fragment_and_an_empty_last_one(serve, make):
    async with Stage(serve) as (websocket, client):
        await websocket.send(make())
        assert ["a", "b", ""] == [part async for part in client.recv_streaming()]


@pytest.mark.parametrize("make", [list, lambda: iter(()), numbers], ids=["list", "iterator", "async"])
async def test_send_of_no_items_sends_nothing(serve, make):
    async with Stage(serve) as (websocket, client):
        await websocket.send(make())
        await websocket.send("after")
        assert "after" == await client.recv()


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"a": 1}, "data is a dict-like object"),
        (1, "data must be str, bytes, iterable, or async iterable"),
        (None, "data must be str, bytes, iterable, or async iterable"),
    ],
)
async def test_send_of_another_type_is_told_so_and_costs_nothing(serve, message, text):
    async with Stage(serve) as (websocket, client):
        with pytest.raises(TypeError) as caught:
            await websocket.send(message)
        assert text == str(caught.value)
        await websocket.send("still here")
        assert "still here" == await client.recv()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ["a", b"b"], "iterable must contain uniform types"),
        (lambda: [b"a", "b"], "iterable must contain uniform types"),
        (lambda: [1], "iterable must contain bytes or str"),
        (lambda: numbers("a", b"b"), "async iterable must contain uniform types"),
        (lambda: numbers(1), "async iterable must contain bytes or str"),
    ],
    ids=["str-bytes", "bytes-str", "int", "async mixed", "async int"],
)
async def test_items_of_mixed_or_other_types_close_the_connection(serve, make, text):
    async with Stage(serve) as (websocket, client):
        with pytest.raises(TypeError) as caught:
            await websocket.send(make())
        assert text == str(caught.value)
        assert (State.CLOSED, 1006) == (websocket.state, websocket.close_code)
        await client.wait_closed()
        assert (1011, "error in fragmented message") == (client.close_code, client.close_reason)


async def failing() -> AsyncIterator[str]:
    yield "a"
    raise LookupError("no more")


async def test_an_iterable_that_raises_in_the_middle_closes_the_connection(serve):
    async with Stage(serve) as (websocket, client):
        with pytest.raises(LookupError):
            await websocket.send(failing())
        assert State.CLOSED is websocket.state
        await client.wait_closed()
        assert (1011, "error in fragmented message") == (client.close_code, client.close_reason)


async def test_other_sends_wait_until_the_last_fragment_is_out(serve):
    async with Stage(serve) as (websocket, client):
        gate = asyncio.Event()

        async def slow() -> AsyncIterator[str]:
            yield "one "
            await gate.wait()
            yield "two"

        fragments = asyncio.create_task(websocket.send(slow()))
        parts = client.recv_streaming()
        assert "one " == await anext(parts)
        others = [asyncio.create_task(websocket.send(text)) for text in ("three", "four")]
        await asyncio.sleep(0)
        assert not any(other.done() for other in others)
        gate.set()
        assert ["two", ""] == [part async for part in parts]
        await asyncio.gather(fragments, *others)
        assert ["three", "four"] == [await client.recv(), await client.recv()]


async def test_pings_and_pongs_pass_between_fragments(serve):
    async with Stage(serve) as (websocket, client):
        gate = asyncio.Event()

        async def slow() -> AsyncIterator[str]:
            yield "one"
            await gate.wait()
            yield "two"

        fragments = asyncio.create_task(websocket.send(slow()))
        receiving = asyncio.create_task(client.recv())
        await asyncio.sleep(0)
        await asyncio.wait_for(await websocket.ping(), WITHIN_S)
        await asyncio.wait_for(await client.ping(), WITHIN_S)
        gate.set()
        await fragments
        assert "onetwo" == await receiving


async def test_send_waits_while_the_client_does_not_read(serve):
    async with Stage(serve) as (websocket, client):
        client.transport.pause_reading()
        sending = asyncio.create_task(send_many(websocket, b"x" * 60000, 400))
        done, _ = await asyncio.wait({sending}, timeout=0.2)
        assert not done, "24 MB were sent though the client did not read"
        client.transport.resume_reading()
        for _ in range(400):
            assert 60000 == len(await client.recv())
        await sending


async def test_one_task_sends_while_another_receives(serve):
    async with Stage(serve) as (websocket, client):

        async def consume() -> list[Any]:
            return [await websocket.recv() for _ in range(100)]

        consuming = asyncio.create_task(consume())
        producing = asyncio.create_task(send_many(websocket, "down", 100))
        for number in range(100):
            await client.send(str(number))
        assert ["down"] * 100 == [await client.recv() for _ in range(100)]
        await producing
        assert [str(number) for number in range(100)] == await consuming
