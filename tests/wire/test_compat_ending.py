"""How connections end for a coroutine and its client, on both servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.exceptions import ConnectionClosedError, ProtocolError
from websockets.frames import CloseCode
from websockets.protocol import State

from support.server import open_client
from support.twin import ON_BOTH, WITHIN_S, Stage, closed_error, facts

pytestmark = ON_BOTH


CLIENT_CLOSES = [
    (1000, "", "ConnectionClosedOK"),
    (1000, "bye", "ConnectionClosedOK"),
    (1001, "", "ConnectionClosedOK"),
    (1011, "broken", "ConnectionClosedError"),
    (4000, "mine", "ConnectionClosedError"),
]


@pytest.mark.parametrize(("code", "reason", "kind"), CLIENT_CLOSES)
async def test_what_a_handler_sees_of_the_clients_close(serve, code, reason, kind):
    async with Stage(serve) as (websocket, client):
        receiving = asyncio.create_task(websocket.recv())
        assert (State.OPEN, None, None) == (websocket.state, websocket.close_code, websocket.close_reason)
        await client.close(code, reason)
        assert (kind, (code, reason), (code, reason), True) == await closed_error(receiving)
        assert (State.CLOSED, code, reason) == (websocket.state, websocket.close_code, websocket.close_reason)
        assert (kind, (code, reason), (code, reason), True) == await closed_error(websocket.send("late"))
        assert (kind, (code, reason), (code, reason), True) == await closed_error(websocket.ping())
        await websocket.close()  # is already


async def test_what_a_handler_sees_of_a_close_without_a_code(serve):
    async with Stage(serve) as (websocket, client):
        receiving = asyncio.create_task(websocket.recv())
        client.protocol.send_close()
        client.send_data()
        assert ("ConnectionClosedOK", (1005, ""), (1005, ""), True) == await closed_error(receiving)
        assert 1005 == websocket.close_code


async def test_what_a_handler_sees_of_a_client_that_is_cut_off(serve):
    async with Stage(serve) as (websocket, client):
        receiving = asyncio.create_task(websocket.recv())
        client.transport.abort()
        assert ("ConnectionClosedError", None, None, None) == await closed_error(receiving)
        assert (State.CLOSED, 1006, "") == (websocket.state, websocket.close_code, websocket.close_reason)


async def test_what_a_handler_sees_of_a_client_that_breaks_the_protocol(serve):
    async with Stage(serve) as (websocket, client):
        client.transport.write(b"\x81\x02hi")  # not masked
        with pytest.raises(ConnectionClosedError) as caught:
            await websocket.recv()
        assert ("ConnectionClosedError", None, (1002, "incorrect masking"), None) == facts(caught.value)
        assert isinstance(caught.value.__cause__, ProtocolError)
        assert str(caught.value) == "sent 1002 (protocol error) incorrect masking; no close frame received"


@pytest.mark.parametrize(("code", "reason", "kind"), [*CLIENT_CLOSES, (CloseCode.SERVICE_RESTART, "é" * 61, "ConnectionClosedError")])
async def test_close_ends_with_its_code_and_reason_on_both_sides(serve, code, reason, kind):
    async with Stage(serve) as (websocket, client):
        await websocket.close(code, reason)
        assert (State.CLOSED, code, reason) == (websocket.state, websocket.close_code, websocket.close_reason)
        assert (kind, (code, reason), (code, reason), False) == await closed_error(websocket.recv())
        assert (code, reason) == (client.close_code, client.close_reason)
        await websocket.close(4001, "again")
        assert code == websocket.close_code


async def test_close_from_two_tasks_is_one_close(serve):
    async with Stage(serve) as (websocket, client):
        await asyncio.gather(websocket.close(4001), websocket.close(4002), websocket.wait_closed())
        assert 4001 == websocket.close_code == client.close_code


@pytest.mark.parametrize(
    ("code", "reason", "text"),
    [
        (999, "", "invalid status code"),
        (1004, "", "invalid status code"),
        (1005, "", "invalid status code"),
        (1006, "", "invalid status code"),
        (1015, "", "invalid status code"),
        (2999, "", "invalid status code"),
        (5000, "", "invalid status code"),
        (1000, "é" * 62, "control frame too long"),
    ],
)
async def test_close_with_what_no_close_frame_may_carry_is_told_so_and_costs_nothing(serve, code, reason, text):
    async with Stage(serve) as (websocket, client):
        with pytest.raises(ProtocolError) as caught:
            await websocket.close(code, reason)
        assert text == str(caught.value)
        await websocket.send("still here")
        assert "still here" == await client.recv()


async def test_close_in_the_middle_of_a_fragmented_message_is_1011(serve):
    async with Stage(serve) as (websocket, client):
        gate = asyncio.Event()

        async def slow() -> AsyncIterator[str]:
            yield "one"
            await gate.wait()
            yield "two"

        fragments = asyncio.create_task(websocket.send(slow()))
        parts = client.recv_streaming()
        assert "one" == await anext(parts)
        await websocket.close(4000, "mine")
        gate.set()
        assert ("ConnectionClosedError", None, (1011, "close during fragmented message"), None) == await closed_error(fragments)
        await client.wait_closed()
        assert (1011, "close during fragmented message") == (client.close_code, client.close_reason)


async def test_async_for_ends_quietly_for_a_normal_close(serve):
    for code in (1000, 1001):
        async with Stage(serve) as (websocket, client):
            await client.send("one")
            await client.close(code)
            assert ["one"] == [message async for message in websocket]


async def test_async_for_raises_for_any_other_close(serve):
    async with Stage(serve) as (websocket, client):
        await client.send("one")
        await client.close(4000)
        messages = aiter(websocket)
        assert "one" == await anext(messages)
        with pytest.raises(ConnectionClosedError):
            await anext(messages)


async def test_async_with_closes_and_with_1011_after_an_exception(serve):
    async with Stage(serve) as (websocket, client):
        async with websocket as entered:
            assert entered is websocket
        await client.wait_closed()
        assert 1000 == client.close_code
    async with Stage(serve) as (websocket, client):
        with pytest.raises(LookupError):
            async with websocket:
                raise LookupError
        await client.wait_closed()
        assert 1011 == client.close_code


async def test_a_handler_that_returns_closes_with_1000_and_one_that_raises_with_1011(serve, caplog):
    async def handler(websocket):
        if await websocket.recv() == "fail":
            raise LookupError("of the handler")

    for message, code in (("return", 1000), ("fail", 1011)):
        async with serve(handler) as server, open_client(server.url) as client:
            await client.send(message)
            await client.wait_closed()
            assert code == client.close_code


async def test_a_handler_goes_on_when_the_client_has_left(serve):
    steps = []
    ended = asyncio.Event()

    async def handler(websocket):
        try:
            await websocket.wait_closed()
            steps.append("client left")
            await asyncio.sleep(0.01)
            steps.append("still running")
        finally:
            ended.set()

    async with serve(handler) as server:
        async with open_client(server.url):
            pass
        await asyncio.wait_for(ended.wait(), WITHIN_S)
    assert ["client left", "still running"] == steps


async def test_wait_closed_may_be_cancelled_without_harm(serve):
    async with Stage(serve) as (websocket, client):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(websocket.wait_closed(), 0.001)
        await websocket.send("still here")
        assert "still here" == await client.recv()
