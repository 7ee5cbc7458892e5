"""What wsrouter adds to a message that is sent in fragments: what waits for its end, within the route's outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from support.server import WsrouterServer, open_client, serve_wsrouter
from support.waiting import until_async
from support.wire import CLOSE, FIN, TEXT, split_frames
from wsrouter.api.causes import Cause
from wsrouter.config.settings import Outbox, RouteSettings

pytestmark = pytest.mark.anyio

WITHIN_S = 10.0


class Speech:
    """A message in two halves: the second comes when the test says so."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.websocket: Any = None

    async def halves(self) -> AsyncIterator[str]:
        yield "first "
        self.begun.set()
        await self.go_on.wait()
        yield "second"

    async def handler(self, websocket: Any) -> None:
        self.websocket = websocket
        try:
            await websocket.send(self.halves())
        except BaseException as error:
            self.outcome.set_result(error)
            raise
        self.outcome.set_result(None)
        await websocket.wait_closed()


async def test_what_others_publish_comes_after_the_last_fragment_and_in_its_order():
    speech = Speech()
    async with serve_wsrouter(speech.handler) as server, open_client(server.url) as client:
        await speech.begun.wait()
        connection = server.connections[0]
        connection.join("news")
        server.hub.topics.publish("news", "published")
        connection.send("sent")
        server.hub.topics.publish("news", "published again")
        await asyncio.sleep(0)
        speech.go_on.set()
        assert ["first second", "published", "sent", "published again"] == [await client.recv() for _ in range(4)]


async def test_what_was_published_before_comes_before_the_first_fragment():
    speech = Speech()

    async def handler(websocket: Any) -> None:
        websocket.connection.join("news")
        server.hub.topics.publish("news", "before")
        speech.go_on.set()
        await speech.handler(websocket)

    async with serve_wsrouter(handler) as server, open_client(server.url) as client:
        assert ["before", "first second"] == [await client.recv(), await client.recv()]


async def test_what_waits_for_the_last_fragment_is_bounded_by_the_outbox():
    speech = Speech()
    settings = RouteSettings(outbox=Outbox(size=10_000))
    async with serve_wsrouter(speech.handler, settings) as server, open_client(server.url) as client:
        await speech.begun.wait()
        connection = server.connections[0]
        for _ in range(20):
            connection.send("x" * 1000)
            connection.flush()
        await client.wait_closed()
        assert (1013, "outbox full") == (client.close_code, client.close_reason)
        speech.go_on.set()
        await server.wait_idle()
    assert [Cause.SLOW_CONSUMER] == [ending.cause for ending in server.notes.endings]
    assert [] == server.notes.failures


async def test_a_client_is_not_taken_for_stalled_while_its_handler_thinks():
    speech = Speech()
    async with serve_wsrouter(speech.handler) as server, open_client(server.url) as client:
        await speech.begun.wait()
        connection = server.connections[0]
        connection.send("waits for the fragments")
        connection.flush()
        for later_s in (5.0, 11.0, 19.0):  # the route's limit is 10 s
            connection.on_time(server.loop.time() + later_s)
        speech.go_on.set()
        assert ["first second", "waits for the fragments"] == [await client.recv(), await client.recv()]


async def test_a_client_that_closes_in_the_middle_is_let_go_at_once():
    speech = Speech()
    async with serve_wsrouter(speech.handler) as server:
        async with open_client(server.url) as client:
            await speech.begun.wait()
            async with asyncio.timeout(2.0):  # the closing handshake's own limit is 5 s
                await client.close(4000)
                await until_async(lambda: not server.connections)
        speech.go_on.set()
        error = await asyncio.wait_for(speech.outcome, WITHIN_S)
        assert isinstance(error, ConnectionClosed)
        assert 4000 == error.rcvd.code
        await server.wait_idle()
    assert [] == server.notes.failures
    assert [Cause.CLIENT_CLOSE] == [ending.cause for ending in server.notes.endings]


async def test_sending_that_is_cancelled_in_the_middle_closes_with_1011():
    speech = Speech()

    async def handler(websocket: Any) -> None:
        sending = asyncio.create_task(speech.handler(websocket))
        await speech.begun.wait()
        sending.cancel()
        await websocket.wait_closed()

    async with serve_wsrouter(handler) as server, open_client(server.url) as client:
        await client.wait_closed()
        assert (1011, "error in fragmented message") == (client.close_code, client.close_reason)
    assert [] == server.notes.failures


async def test_nothing_follows_the_close_frame_of_a_message_that_failed():
    watched = asyncio.Event()

    async def handler(websocket: Any) -> None:
        async def halves() -> AsyncIterator[str]:
            await watched.wait()
            yield "first"
            websocket.connection.send("held back")
            websocket.connection.flush()
            raise LookupError

        await websocket.send(halves())

    async with serve_wsrouter(handler) as server, open_client(server.url) as client:
        received = bytearray()
        pass_on = client.protocol.receive_data
        client.protocol.receive_data = lambda data: received.extend(data) or pass_on(data)
        watched.set()
        await client.wait_closed()
        assert [TEXT, FIN | CLOSE] == [first for first, _ in split_frames(bytes(received))]
        assert 1011 == client.close_code
        await server.wait_idle()
    assert [LookupError] == [type(failure.error) for failure in server.notes.failures]


async def test_two_messages_in_fragments_do_not_mix():
    done: list[str] = []

    async def slow(letter: str) -> AsyncIterator[str]:
        for _ in range(5):
            await asyncio.sleep(0)
            yield letter
        done.append(letter)

    async def handler(websocket: Any) -> None:
        await asyncio.gather(*(websocket.send(slow(letter)) for letter in "abc"))
        await websocket.wait_closed()

    async with serve_wsrouter(handler) as server, open_client(server.url) as client:
        assert {"aaaaa", "bbbbb", "ccccc"} == {await client.recv() for _ in range(3)}
    assert 3 == len(done)


async def test_each_fragment_waits_for_a_client_that_is_behind():
    taken = 0

    async def handler(websocket: Any) -> None:
        async def many() -> AsyncIterator[bytes]:
            nonlocal taken
            for _ in range(400):
                taken += 1
                yield b"x" * 60_000

        await websocket.send(many())

    async with serve_wsrouter(handler) as server, open_client(server.url, max_size=None) as client:
        client.transport.pause_reading()
        await until_async(lambda: taken and is_behind(server))
        assert taken < 400
        client.transport.resume_reading()
        assert 400 * 60_000 == len(await client.recv())


async def test_sending_ends_when_the_client_is_cut_off_in_the_middle():
    speech = Speech()
    async with serve_wsrouter(speech.handler) as server, open_client(server.url) as client:
        await speech.begun.wait()
        client.transport.abort()
        await until_async(lambda: not server.connections)
        speech.go_on.set()
        assert isinstance(await asyncio.wait_for(speech.outcome, WITHIN_S), ConnectionClosedError)
        await server.wait_idle()
    assert [Cause.CLIENT_ABORT] == [ending.cause for ending in server.notes.endings]
    assert [] == server.notes.failures


def is_behind(server: WsrouterServer) -> bool:
    """Whether the only client's outbox waits for it."""
    return bool(server.connections and server.connections[0]._outbox and server.connections[0]._outbox.is_paused)
