"""Pings, attributes and the library's `broadcast()`, on both servers; see test_compat_receiving, _sending and _ending for the rest."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.server import broadcast
from websockets.exceptions import ConcurrencyError, ConnectionClosedError, ConnectionClosedOK, ProtocolError
from websockets.protocol import State

from support.server import open_client
from support.twin import ON_BOTH, WITHIN_S, Stage
from support.waiting import until_async

pytestmark = ON_BOTH


async def test_a_ping_is_answered_with_its_latency(serve):
    async with Stage(serve) as (websocket, client):
        assert 0.0 == websocket.latency
        client.transport.pause_reading()
        answered = await websocket.ping()
        await asyncio.sleep(0.003)  # the loop's time counts milliseconds
        client.transport.resume_reading()
        latency = await asyncio.wait_for(answered, WITHIN_S)
        assert 0.0 < latency < WITHIN_S
        assert latency == websocket.latency


async def test_a_ping_carries_text_or_bytes_of_its_own(serve):
    async with Stage(serve) as (websocket, client):
        seen = []
        client.process_event = lambda event: seen.append((event.opcode.name, bytes(event.data)))
        for data in ("é", b"b", bytearray(b"c"), memoryview(b"d"), b"", b"x" * 125):
            await asyncio.wait_for(await websocket.ping(data), WITHIN_S)
        assert [b"\xc3\xa9", b"b", b"c", b"d", b"", b"x" * 125] == [data for name, data in seen if name == "PING"]


async def test_a_second_ping_of_the_same_data_is_told_so(serve):
    async with Stage(serve) as (websocket, client):
        client.transport.pause_reading()
        waiting = await websocket.ping("same")
        with pytest.raises(ConcurrencyError) as caught:
            await websocket.ping("same")
        assert "already waiting for a pong with the same data" == str(caught.value)
        client.transport.resume_reading()
        await asyncio.wait_for(waiting, WITHIN_S)
        await asyncio.wait_for(await websocket.ping("same"), WITHIN_S)


async def test_a_pong_answers_the_pings_before_it_and_not_those_after_it(serve):
    async with Stage(serve) as (websocket, client):
        client.transport.pause_reading()
        first, second, third = [await websocket.ping(data) for data in ("1", "2", "3")]
        await client.pong("unknown")
        await client.pong("2")
        await asyncio.wait_for(second, WITHIN_S)
        assert (True, False) == (first.done(), third.done())
        assert websocket.latency == second.result()
        client.transport.resume_reading()
        await asyncio.wait_for(third, WITHIN_S)


async def test_a_ping_that_is_never_answered_raises_when_the_connection_is_gone(serve):
    async with Stage(serve) as (websocket, client):
        client.transport.pause_reading()
        waiting = await websocket.ping()
        ignored = await websocket.ping()
        client.transport.abort()
        with pytest.raises(ConnectionClosedError):
            await waiting
        assert ignored.done()


@pytest.mark.parametrize("call", ["ping", "pong"])
async def test_pings_and_pongs_of_what_they_cannot_carry_are_told_so(serve, call):
    async with Stage(serve) as (websocket, client):
        with pytest.raises(TypeError) as type_error:
            await getattr(websocket, call)(1)
        assert "data must be str or bytes-like" == str(type_error.value)
        with pytest.raises(ProtocolError) as protocol_error:
            await getattr(websocket, call)(b"x" * 126)
        assert "control frame too long" == str(protocol_error.value)
        await websocket.send("still here")
        assert "still here" == await client.recv()


async def test_a_pong_that_nobody_asked_for_reaches_the_client(serve):
    async with Stage(serve) as (websocket, client):
        waiting = []
        client.acknowledge_pings = waiting.append
        await websocket.pong()
        await websocket.pong("é")
        await websocket.send("after")
        assert "after" == await client.recv()
        assert [b"", "é".encode()] == waiting


async def test_the_request_and_the_response_are_those_of_the_handshake(serve):
    async with Stage(serve, "?token=a%20b&x=1", additional_headers=[("X-Name", "caf\u00e9"), ("X-Twice", "1"), ("X-Twice", "2")], user_agent_header="me/1") as (
        websocket,
        client,
    ):
        request, response = websocket.request, websocket.response
        assert "/?token=a%20b&x=1" == request.path
        assert ("me/1", "me/1", "websocket") == (request.headers["User-Agent"], request.headers["user-agent"], request.headers.get("Upgrade"))
        assert ["1", "2"] == request.headers.get_all("X-Twice")
        assert client.request.headers["Sec-WebSocket-Key"] == request.headers["Sec-WebSocket-Key"]
        assert "missing" == request.headers.get("Authorization", "missing")
        assert list(client.request.headers.raw_items()) == list(request.headers.raw_items())
        assert (101, "Switching Protocols") == (response.status_code, response.reason_phrase)
        assert client.response.headers["Sec-WebSocket-Accept"] == response.headers["Sec-WebSocket-Accept"]
        assert request is websocket.request


async def test_addresses_are_those_of_the_socket(serve):
    async with Stage(serve) as (websocket, client):
        assert client.local_address == websocket.remote_address
        assert client.remote_address == websocket.local_address
        host, port = websocket.remote_address
        assert ("127.0.0.1", True) == (host, port > 0)


async def test_each_connection_has_an_id_of_its_own_and_can_be_in_a_set(serve):
    seen = set()
    ids = []

    async def handler(websocket):
        seen.add(websocket)
        ids.append(websocket.id)
        await websocket.wait_closed()
        seen.discard(websocket)

    async with serve(handler) as server, open_client(server.url), open_client(server.url):
        await until_async(lambda: len(ids) == 2)
        assert 2 == len(seen)
    assert all(isinstance(each, uuid.UUID) and each.version == 4 for each in ids)
    assert ids[0] != ids[1]


async def test_no_subprotocol_is_none(serve):
    async with Stage(serve) as (websocket, _):
        assert websocket.subprotocol is None
        assert websocket.protocol.subprotocol is None


async def test_its_logger_is_the_librarys_and_knows_the_connection(serve, caplog):
    async with Stage(serve) as (websocket, _):
        with caplog.at_level(logging.INFO, "websockets.server"):
            websocket.logger.info("hello %s", "there")
        record = next(record for record in caplog.records if record.getMessage() == "hello there")
        assert ("websockets.server", websocket.id) == (record.name, record.websocket.id)


async def two_clients(serve: Callable[..., Any], body: Callable[[list[Any], list[Any]], Any]) -> None:
    websockets: list[Any] = []

    async def handler(websocket: Any) -> None:
        websockets.append(websocket)
        await websocket.wait_closed()

    async with serve(handler) as server, open_client(server.url) as one:
        await until_async(lambda: len(websockets) == 1)
        async with open_client(server.url) as two:
            await until_async(lambda: len(websockets) == 2)
            await body(websockets, [one, two])


async def test_broadcast_reaches_all_in_the_order_of_the_calls(serve):
    async def body(websockets, clients):
        await websockets[0].send("sent before")
        broadcast(websockets, "é")
        broadcast(set(websockets), b"\xff")
        broadcast(websockets, "t", text=False)
        broadcast(websockets, b"b", text=True)
        await websockets[0].send("sent after")
        assert ["sent before", "é", b"\xff", b"t", "b", "sent after"] == [await clients[0].recv() for _ in range(6)]
        assert ["é", b"\xff", b"t", "b"] == [await clients[1].recv() for _ in range(4)]

    await two_clients(serve, body)


async def test_broadcast_leaves_out_who_is_closing_or_closed(serve):
    async def body(websockets, clients):
        await clients[0].close()
        await websockets[0].wait_closed()
        broadcast(websockets, "one", raise_exceptions=True)
        assert "one" == await clients[1].recv()
        closing = asyncio.create_task(websockets[1].close())
        await asyncio.sleep(0)
        assert State.CLOSING is websockets[1].state
        broadcast(websockets, "two", raise_exceptions=True)
        await closing
        with pytest.raises(ConnectionClosedOK):
            await clients[1].recv()

    await two_clients(serve, body)


async def test_broadcast_skips_who_is_in_the_middle_of_a_fragmented_message(serve, caplog):
    gate = asyncio.Event()

    async def slow():
        yield "one "
        await gate.wait()
        yield "two"

    async def body(websockets, clients):
        fragments = asyncio.create_task(websockets[0].send(slow()))
        await asyncio.sleep(0)
        with caplog.at_level(logging.WARNING, "websockets.server"):
            broadcast(websockets, "quiet")
        assert ["skipped broadcast: sending a fragmented message"] == [record.getMessage() for record in caplog.records if record.name == "websockets.server"]
        with pytest.raises(ExceptionGroup) as caught:
            broadcast(websockets, "loud", raise_exceptions=True)
        assert "skipped broadcast" == caught.value.message
        assert [(ConcurrencyError, "sending a fragmented message")] == [(type(error), str(error)) for error in caught.value.exceptions]
        gate.set()
        await fragments
        broadcast(websockets, "after")
        assert ["one two", "after"] == [await clients[0].recv(), await clients[0].recv()]
        assert ["quiet", "loud", "after"] == [await clients[1].recv() for _ in range(3)]

    await two_clients(serve, body)


async def test_broadcast_of_another_type_is_told_so(serve):
    async def body(websockets, clients):
        with pytest.raises(TypeError):
            broadcast(websockets, {"a": 1})

    await two_clients(serve, body)
