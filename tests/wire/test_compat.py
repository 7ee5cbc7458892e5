"""The same scenario against the library's own server and against wsrouter: client and handler must see the same."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.server import broadcast
from websockets.exceptions import ConcurrencyError, ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, ProtocolError
from websockets.frames import CloseCode
from websockets.protocol import State

from support.server import open_client, send_raw, serve_library, serve_wsrouter

pytestmark = pytest.mark.anyio

WITHIN_S = 10.0


@pytest.fixture(params=["websockets", "wsrouter"])
def serve(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Both servers, one after the other."""
    return serve_library if request.param == "websockets" else serve_wsrouter


class Stage:
    """A handler that a test plays through: `async with stage.enter(...)` gives the handler's websocket and the client."""

    def __init__(self, serve: Callable[..., Any], url_end: str = "", **client: Any) -> None:
        self._serve = serve
        self._url_end = url_end
        self._arguments = client
        self._done = asyncio.Event()
        self._websocket: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> tuple[Any, Any]:
        self._server = self._serve(self._hand_over)
        server = await self._server.__aenter__()
        self._client = open_client(server.url + self._url_end, **self._arguments)
        client = await self._client.__aenter__()
        return await asyncio.wait_for(self._websocket, WITHIN_S), client

    async def __aexit__(self, *error: Any) -> None:
        self._done.set()
        try:
            await self._client.__aexit__(*error)
        finally:
            await self._server.__aexit__(*error)

    async def _hand_over(self, websocket: Any) -> None:
        self._websocket.set_result(websocket)
        await self._done.wait()


def facts(error: ConnectionClosed) -> tuple[Any, ...]:
    """What a handler can see of the end of a connection."""

    def of(close: Any) -> tuple[int, str] | None:
        return None if close is None else (int(close.code), close.reason)

    return type(error).__name__, of(error.rcvd), of(error.sent), error.rcvd_then_sent


async def closed_error(awaitable: Any) -> tuple[Any, ...]:
    with pytest.raises(ConnectionClosed) as caught:
        await asyncio.wait_for(awaitable, WITHIN_S)
    return facts(caught.value)


# Receiving.


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
        sending = asyncio.create_task(_send_many(client, message, 400))
        done, _ = await asyncio.wait({sending}, timeout=0.2)
        assert not done, "24 MB were taken from the client though nobody received them"
        for _ in range(400):
            assert message == await websocket.recv()
        await sending


async def _send_many(websocket: Any, message: Any, count: int) -> None:
    for _ in range(count):
        await websocket.send(message)


# Sending.


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
        sending = asyncio.create_task(_send_many(websocket, b"x" * 60000, 400))
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
        producing = asyncio.create_task(_send_many(websocket, "down", 100))
        for number in range(100):
            await client.send(str(number))
        assert ["down"] * 100 == [await client.recv() for _ in range(100)]
        await producing
        assert [str(number) for number in range(100)] == await consuming


# Ending.

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
        seen = []
        with pytest.raises(ConnectionClosedError):
            async for message in websocket:
                seen.append(message)
        assert ["one"] == seen


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


# Pings.


async def test_a_ping_is_answered_with_its_latency(serve):
    async with Stage(serve) as (websocket, _):
        assert 0.0 == websocket.latency
        answered = await websocket.ping()
        latency = await asyncio.wait_for(answered, WITHIN_S)
        assert 0.0 <= latency < WITHIN_S  # uvloop's time counts milliseconds
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


# Attributes.


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

    async with serve(handler) as server:
        async with open_client(server.url) as one, open_client(server.url) as two:
            await asyncio.gather(one.ping(), two.ping())
            while len(ids) < 2:
                await asyncio.sleep(0)
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


# broadcast() of the library.


async def two_clients(serve: Callable[..., Any], body: Callable[[list[Any], list[Any]], Any]) -> None:
    websockets: list[Any] = []

    async def handler(websocket: Any) -> None:
        websockets.append(websocket)
        await websocket.wait_closed()

    async with serve(handler) as server, open_client(server.url) as one:
        while len(websockets) < 1:
            await asyncio.sleep(0)
        async with open_client(server.url) as two:
            while len(websockets) < 2:
                await asyncio.sleep(0)
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
