"""Receiving in a coroutine, on both servers: a handler sees of its client what it sees under the library."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import ConcurrencyError, ConnectionClosedError, ConnectionClosedOK

from support.server import send_raw
from support.twin import ON_BOTH, Stage, closed_error, facts, send_many

pytestmark = ON_BOTH


async def test_recv_gives_text_as_str_and_binary_as_bytes(serve):
    async with Stage(serve) as (websocket, client):
        await client.send("héllo")
        await client.send(b"\x00\xff")
        await client.send("")
        assert ["héllo", b"\x00\xff", ""] == [await websocket.recv() for _ in range(3)]


async def test_decode_turns_text_into_bytes_and_binary_into_text(serve):
    async with Stage(serve) as (websocket, client):
        await client.send("é")
        await client.send("é".encode())
        await client.send(["a", "é"])
        await client.send([b"a", "é".encode()])
        assert "é".encode() == await websocket.recv(decode=False)
        assert "é" == await websocket.recv(decode=True)
        assert "aé".encode() == await websocket.recv(False)
        assert "aé" == await websocket.recv(True)


async def test_binary_that_must_be_text_and_is_not_fails_the_connection_with_1007(serve):
    async with Stage(serve) as (websocket, client):
        await client.send(b"ab\xff")
        with pytest.raises(ConnectionClosedError) as caught:
            await websocket.recv(decode=True)
        assert ("ConnectionClosedError", None, (1007, "invalid start byte at position 2"), None) == facts(caught.value)
        assert isinstance(caught.value.__cause__, UnicodeDecodeError)
        await client.wait_closed()
        assert (1007, "invalid start byte at position 2") == (client.close_code, client.close_reason)


async def test_text_that_is_not_utf8_fails_the_connection_with_1007(serve):
    async with Stage(serve) as (websocket, client):
        send_raw(client, "text", b"\xc3(")
        assert ("ConnectionClosedError", None, (1007, "invalid continuation byte at position 0"), None) == await closed_error(websocket.recv())
        await client.wait_closed()
        assert 1007 == client.close_code


async def test_fragments_that_are_not_utf8_together_fail_the_connection_with_1007(serve):
    async with Stage(serve) as (websocket, client):
        send_raw(client, "text", b"a\xc3", fin=False)
        send_raw(client, "continuation", b"(", fin=True)
        assert ("ConnectionClosedError", None, (1007, "invalid continuation byte at position 1"), None) == await closed_error(websocket.recv())
        await client.wait_closed()
        assert 1007 == client.close_code


async def test_recv_joins_fragments_also_where_a_character_is_split(serve):
    async with Stage(serve) as (websocket, client):
        send_raw(client, "text", b"a\xc3", fin=False)
        send_raw(client, "continuation", b"", fin=False)
        send_raw(client, "continuation", b"\xa9b", fin=True)
        assert "aéb" == await websocket.recv()


async def test_recv_that_times_out_loses_nothing(serve):
    async with Stage(serve) as (websocket, client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await websocket.recv()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(websocket.recv(), 0.001)
        await client.send("first")
        assert "first" == await websocket.recv()


async def test_recv_that_is_cancelled_between_fragments_loses_none(serve):
    async with Stage(serve) as (websocket, client):
        send_raw(client, "text", b"one ", fin=False)
        await (await client.ping())
        receiving = asyncio.create_task(websocket.recv())
        await asyncio.sleep(0)
        receiving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await receiving
        send_raw(client, "continuation", b"two", fin=True)
        assert "one two" == await websocket.recv()


async def test_a_message_that_comes_as_recv_is_cancelled_is_not_lost(serve):
    async with Stage(serve) as (websocket, client):
        for number in range(20):
            receiving = asyncio.create_task(websocket.recv())
            await asyncio.sleep(0)
            await client.send(str(number))
            for _ in range(number):  # cancelled at another turn each time: before, as and after it comes
                await asyncio.sleep(0)
            receiving.cancel()
            try:
                got = await receiving
            except asyncio.CancelledError:
                got = await websocket.recv()
            assert str(number) == got


async def test_two_recv_at_once_are_told_so(serve):
    async with Stage(serve) as (websocket, client):
        receiving = asyncio.create_task(websocket.recv())
        await asyncio.sleep(0)
        with pytest.raises(ConcurrencyError) as caught:
            await websocket.recv()
        assert "cannot call recv while another coroutine is already running recv or recv_streaming" == str(caught.value)
        with pytest.raises(ConcurrencyError) as caught:
            await anext(websocket.recv_streaming())
        assert "cannot call recv_streaming while another coroutine is already running recv or recv_streaming" == str(caught.value)
        await client.send("x")
        assert "x" == await receiving


async def test_recv_streaming_yields_fragments_as_they_come(serve):
    async with Stage(serve) as (websocket, client):
        parts = websocket.recv_streaming()
        send_raw(client, "text", b"a\xc3", fin=False)
        assert "a" == await anext(parts)
        send_raw(client, "continuation", b"\xa9", fin=False)
        assert "é" == await anext(parts)
        send_raw(client, "continuation", b"", fin=True)
        assert [""] == [part async for part in parts]
        await client.send("next")
        assert "next" == await websocket.recv()


async def test_recv_streaming_of_a_whole_message_yields_it_once_and_minds_decode(serve):
    async with Stage(serve) as (websocket, client):
        for message in ("é", "é", b"\xc3\xa9", b"\xff"):
            await client.send(message)
        assert ["é"] == [part async for part in websocket.recv_streaming()]
        assert [b"\xc3\xa9"] == [part async for part in websocket.recv_streaming(decode=False)]
        assert ["é"] == [part async for part in websocket.recv_streaming(decode=True)]
        assert [b"\xff"] == [part async for part in websocket.recv_streaming()]


async def test_recv_streaming_that_is_cancelled_before_its_first_part_loses_nothing(serve):
    async with Stage(serve) as (websocket, client):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await anext(websocket.recv_streaming())
        await client.send(["a", "b"])
        assert "ab" == await websocket.recv()


async def test_recv_streaming_that_is_left_in_the_middle_makes_it_unreadable(serve):
    async with Stage(serve) as (websocket, client):
        await client.send(["a", "b"])
        async for part in websocket.recv_streaming():
            assert "a" == part
            break
        with pytest.raises(ConcurrencyError):
            await websocket.recv()


async def test_recv_streaming_of_what_is_not_utf8_fails_the_connection_with_1007(serve):
    async with Stage(serve) as (websocket, client):
        send_raw(client, "text", b"a", fin=False)
        send_raw(client, "continuation", b"\xff", fin=True)
        parts = websocket.recv_streaming()
        assert "a" == await anext(parts)
        assert ("ConnectionClosedError", None, (1007, "invalid start byte at position 0"), None) == await closed_error(anext(parts))


async def test_recv_streaming_raises_in_the_middle_when_the_client_goes_away(serve):
    async with Stage(serve) as (websocket, client):
        send_raw(client, "text", b"a", fin=False)
        parts = websocket.recv_streaming()
        assert "a" == await anext(parts)
        client.transport.abort()
        assert ("ConnectionClosedError", None, None, None) == await closed_error(anext(parts))


async def test_a_message_of_too_many_fragments_fails_the_connection_with_1009(serve):
    async with Stage(serve) as (websocket, client):
        receiving = asyncio.create_task(websocket.recv())
        send_raw(client, "binary", b"", fin=False)
        for _ in range(4096):
            client.protocol.send_continuation(b"", False)
        client.send_data()
        assert ("ConnectionClosedError", None, (1009, "too many fragments"), None) == await closed_error(receiving)
        await client.wait_closed()
        assert (1009, "too many fragments") == (client.close_code, client.close_reason)


async def test_recv_streaming_takes_any_number_of_fragments(serve):
    async with Stage(serve) as (websocket, client):
        send_raw(client, "binary", b"", fin=False)
        for _ in range(5000):
            client.protocol.send_continuation(b"", False)
        client.protocol.send_continuation(b"x", True)
        client.send_data()
        assert (5002, b"x") == ((parts := [part async for part in websocket.recv_streaming()]) and len(parts), parts[-1])


async def test_a_message_over_the_limit_fails_the_connection_with_1009(serve):
    async with Stage(serve) as (websocket, client):
        await client.send("x" * 65537)
        name, received, sent, first = await closed_error(websocket.recv())
        assert ("ConnectionClosedError", None, 1009, None) == (name, received, sent[0], first)


async def test_fragments_over_the_limit_together_fail_the_connection_with_1009(serve):
    async with Stage(serve) as (websocket, client):
        receiving = asyncio.create_task(websocket.recv())
        await client.send(["x" * 40000, "y" * 40000])
        name, _, sent, _ = await closed_error(receiving)
        assert ("ConnectionClosedError", 1009) == (name, sent[0])


async def test_messages_that_wait_can_be_had_after_the_client_has_closed(serve):
    async with Stage(serve) as (websocket, client):
        await client.send("one")
        await client.send("two")
        await client.close()
        await websocket.wait_closed()
        assert ["one", "two"] == [await websocket.recv(), await websocket.recv()]
        with pytest.raises(ConnectionClosedOK):
            await websocket.recv()
        with pytest.raises(ConnectionClosedOK):
            await websocket.recv()


async def test_a_handler_that_does_not_receive_makes_the_client_wait(serve):
    async with Stage(serve) as (websocket, client):
        message = b"x" * 60000
        sending = asyncio.create_task(send_many(client, message, 400))
        done, _ = await asyncio.wait({sending}, timeout=0.2)
        assert not done, "24 MB were taken from the client though nobody received them"
        for _ in range(400):
            assert message == await websocket.recv()
        await sending
