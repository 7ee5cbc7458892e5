"""The life of a coroutine handler in wsrouter: what is a failure and what is not, and when it is cancelled."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from websockets.asyncio.server import broadcast
from websockets.exceptions import ConnectionClosedError

from support.server import WsrouterServer, open_client, serve_wsrouter
from support.waiting import until_async
from wsrouter import Cause, Connection, Handler, Message, Reply
from wsrouter.config.settings import Limits, Outbox, RouteSettings
from wsrouter.pipeline.coroutine import is_only

pytestmark = pytest.mark.anyio

WITHIN_S = 10.0


def outcome(server: WsrouterServer) -> tuple[list[Cause], list[type[BaseException]]]:
    """How the connections ended, and what failed."""
    return [ending.cause for ending in server.notes.endings], [type(failure.error) for failure in server.notes.failures]


async def test_returning_closes_with_1000():
    async def handler(websocket: Any) -> None:
        await websocket.send("bye")

    async with serve_wsrouter(handler) as server, open_client(server.url) as client:
        assert ["bye"] == [message async for message in client]
        assert (1000, "") == (client.close_code, client.close_reason)
        await server.wait_idle()
    assert ([Cause.HANDLER_CLOSE], []) == outcome(server)


@pytest.mark.parametrize("error", [LookupError(), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()], ids=lambda error: type(error).__name__)
async def test_raising_closes_with_1011_and_is_told_once(error):
    async def handler(websocket: Any) -> None:
        await websocket.recv()
        raise error

    async with serve_wsrouter(handler) as server, open_client(server.url) as client, open_client(server.url) as other:
        await client.send("fail")
        await client.wait_closed()
        assert (1011, "handler_error") == (client.close_code, client.close_reason)
        await asyncio.wait_for(await other.ping(), WITHIN_S)
        assert ([Cause.HANDLER_ERROR], [type(error)]) == outcome(server)
        failure = server.notes.failures[0]
        assert ("/", "handler", "coroutine") == (failure.route, failure.handler, failure.hook)
        assert failure.connection_id == server.notes.opened_connections[0].id


async def test_sys_exit_costs_its_own_connection():
    async def handler(websocket: Any) -> None:
        sys.exit(3)

    async with serve_wsrouter(handler) as server, open_client(server.url) as client:
        await client.wait_closed()
        assert 1011 == client.close_code
    assert ([Cause.HANDLER_ERROR], [SystemExit]) == outcome(server)


async def receive(websocket: Any) -> None:
    while True:
        await websocket.recv()


async def receive_and_wait_in_a_group(websocket: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(receive(websocket))
        group.create_task(receive_later(websocket))


async def receive_later(websocket: Any) -> None:
    await websocket.wait_closed()
    await websocket.send("too late")


@pytest.mark.parametrize("handler", [receive, receive_later, receive_and_wait_in_a_group])
@pytest.mark.parametrize("leave", ["close", "abort"])
async def test_an_uncaught_connection_closed_is_no_failure(handler, leave):
    async with serve_wsrouter(handler) as server:
        async with open_client(server.url) as client:
            await client.send("hello")
            if leave == "abort":
                client.transport.abort()
        await server.wait_idle()
    assert ([Cause.CLIENT_CLOSE if leave == "close" else Cause.CLIENT_ABORT], []) == outcome(server)


async def test_a_connection_closed_of_another_connection_closes_as_returning_does():
    websockets: list[Any] = []

    async def handler(websocket: Any) -> None:
        websockets.append(websocket)
        await websocket.recv()
        await websockets[0].send("to the first")

    async with serve_wsrouter(handler) as server:
        async with open_client(server.url):
            await until_async(lambda: websockets)
        await until_async(lambda: websockets[0].closed)
        async with open_client(server.url) as second:
            await second.send("go")
            await second.wait_closed()
            assert 1000 == second.close_code
    assert ([Cause.CLIENT_CLOSE, Cause.HANDLER_CLOSE], []) == outcome(server)


async def test_a_group_with_anything_else_in_it_is_a_failure():
    async def handler(websocket: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(receive_later(websocket))
            group.create_task(fail_later(websocket))

    async def fail_later(websocket: Any) -> None:
        try:
            await websocket.wait_closed()
        finally:
            raise LookupError

    async with serve_wsrouter(handler) as server:
        async with open_client(server.url):
            await until_async(lambda: server.connections)
        await server.wait_idle()
    assert ([Cause.CLIENT_CLOSE], [ExceptionGroup]) == outcome(server)


def test_a_group_counts_for_what_is_in_it():
    closed, other = ConnectionClosedError(None, None), LookupError()
    assert is_only(closed, (ConnectionClosedError,))
    assert is_only(ExceptionGroup("", [closed, ExceptionGroup("", [closed])]), (ConnectionClosedError,))
    assert not is_only(ExceptionGroup("", [closed, other]), (ConnectionClosedError,))
    assert not is_only(other, (ConnectionClosedError,))


async def test_the_client_leaving_does_not_cancel_it():
    steps: list[str] = []

    async def handler(websocket: Any) -> None:
        try:
            await websocket.wait_closed()
            for _ in range(10):
                await asyncio.sleep(0)
            steps.append("went on")
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise

    async with serve_wsrouter(handler) as server:
        async with open_client(server.url):
            await until_async(lambda: server.connections)
        await server.wait_idle()
    assert ["went on"] == steps


async def test_the_end_of_its_generation_cancels_it_and_closes_the_connection():
    steps: list[str] = []

    async def handler(websocket: Any) -> None:
        try:
            await websocket.recv()
        finally:
            steps.append("cleaned up")

    async with serve_wsrouter(handler) as server, open_client(server.url) as client:
        await until_async(lambda: server.connections)
        await asyncio.wait_for(await client.ping(), WITHIN_S)
        await server.routes["/"].tasks.cancel()
        assert ["cleaned up"] == steps
        await client.wait_closed()
        assert (1001, "shutdown") == (client.close_code, client.close_reason)
    assert ([Cause.SHUTDOWN], []) == outcome(server)


async def test_a_coroutine_that_never_receives_is_told_nothing_and_its_client_is_kept_waiting():
    done = asyncio.Event()

    async def handler(websocket: Any) -> None:
        await done.wait()

    async with serve_wsrouter(handler) as server, open_client(server.url) as client:
        for number in range(17):
            await client.send(str(number))
        await until_async(lambda: server.connections and server.connections[0].is_held)
        done.set()
        await client.wait_closed()
        assert 1000 == client.close_code


async def test_the_second_argument_of_older_versions_is_the_target_with_its_query():
    seen: list[Any] = []

    async def handler(websocket: Any, path: str) -> None:
        seen.append((path, websocket.path, websocket.open, websocket.closed, websocket.request_headers["Host"], websocket.response_headers["Upgrade"]))
        await websocket.wait_closed()
        seen.append((websocket.open, websocket.closed))

    async with serve_wsrouter({"/rooms/{room}": handler}) as server:
        async with open_client(server.url + "rooms/caf%C3%A9?token=1"):
            await until_async(lambda: seen)
        await server.wait_idle()
    target = "/rooms/caf%C3%A9?token=1"
    assert [(target, target, True, False, server_host(server), "websocket"), (False, True)] == seen


def server_host(server: WsrouterServer) -> str:
    return server.notes.opened_connections[0].headers["host"]


async def test_it_stands_last_in_a_chain_and_gets_what_the_steps_before_it_return():
    class Upper(Handler[str]):
        def on_message(self, connection: Connection, message: str) -> str:
            return message.upper()

    class Slow(Handler):
        async def on_message(self, connection: Connection, message: Message) -> Reply:
            await asyncio.sleep(0)
            return message

    async def echo(websocket: Any) -> None:
        async for message in websocket:
            await websocket.send(f"echo {message}")

    for steps in ([Upper(), echo], [Upper(), Slow(), echo]):
        async with serve_wsrouter({"/": steps}) as server, open_client(server.url) as client:
            await client.send(["a", "b"])
            await client.send("c")
            assert ["echo AB", "echo C"] == [await client.recv(), await client.recv()]
        await server.wait_idle()
        assert [] == server.notes.failures


async def test_a_first_message_that_comes_with_the_handshake_is_not_lost():
    async def handler(websocket: Any) -> None:
        await websocket.send(await websocket.recv())

    async with serve_wsrouter(handler) as server:
        host, port = server.url.removeprefix("ws://").rstrip("/").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n"
        writer.write(head.encode() + b"\x81\x82\0\0\0\0hi" + b"\x88\x82\0\0\0\0\x03\xe8")
        answer = await asyncio.wait_for(reader.read(), WITHIN_S)
        assert answer.startswith(b"HTTP/1.1 101 ")
        writer.close()
        await writer.wait_closed()
        await server.wait_idle()
    assert ([Cause.CLIENT_CLOSE], []) == outcome(server)


async def test_sends_that_are_awaited_wait_however_many_they_are():
    sent = 0

    async def handler(websocket: Any) -> None:
        async def one() -> None:
            nonlocal sent
            await websocket.send(b"x" * 10_000)
            sent += 1

        await asyncio.gather(*(one() for _ in range(1000)))

    settings = RouteSettings(outbox=Outbox(size=100_000))
    async with serve_wsrouter(handler, settings) as server, open_client(server.url, max_size=None) as client:
        client.transport.pause_reading()
        await until_async(lambda: server.connections and server.connections[0]._outbox is not None)
        assert sent < 1000
        client.transport.resume_reading()
        assert 1000 == len([message async for message in client])
    assert ([Cause.HANDLER_CLOSE], []) == outcome(server)


async def test_a_broadcast_that_nobody_awaits_closes_who_does_not_take_it():
    websockets: list[Any] = []

    async def handler(websocket: Any) -> None:
        websockets.append(websocket)
        await websocket.wait_closed()

    settings = RouteSettings(outbox=Outbox(size=100_000))
    async with serve_wsrouter(handler, settings) as server, open_client(server.url, max_size=None) as client, open_client(server.url) as other:
        await until_async(lambda: len(websockets) == 2)
        slow = next(each for each in websockets if each.remote_address == client.local_address)
        client.transport.pause_reading()
        while slow.open:
            broadcast([slow], b"x" * 50_000)
        broadcast(websockets, "after")
        assert "after" == await other.recv()
        client.transport.resume_reading()
        with pytest.raises(ConnectionClosedError):
            await receive(client)
        assert (1013, "outbox full") == (client.close_code, client.close_reason)
    assert Cause.SLOW_CONSUMER in outcome(server)[0]
    assert [] == outcome(server)[1]


async def test_a_message_over_the_limit_ends_it_for_its_handler_too():
    errors: list[Any] = []

    async def handler(websocket: Any) -> None:
        try:
            await receive(websocket)
        except ConnectionClosedError as error:
            errors.append(error.sent.code)
            raise

    settings = RouteSettings(limits=Limits(message_size=10))
    async with serve_wsrouter(handler, settings) as server, open_client(server.url) as client:
        await client.send("x" * 11)
        await client.wait_closed()
        await server.wait_idle()
    assert [1009] == errors
    assert ([Cause.TOO_BIG], []) == outcome(server)


async def test_its_subprotocol_is_the_one_that_was_agreed_on():
    seen: list[Any] = []

    async def handler(websocket: Any) -> None:
        seen.append((websocket.subprotocol, websocket.protocol.subprotocol, websocket.response.headers["Sec-WebSocket-Protocol"]))

    settings = RouteSettings(subprotocols=["chat.v2", "chat.v1"])
    async with serve_wsrouter(handler, settings) as server, open_client(server.url, subprotocols=["chat.v1", "chat.v2"]) as client:
        assert "chat.v2" == client.subprotocol
        await client.wait_closed()
    assert [("chat.v2",) * 3] == seen


async def test_compressed_connections_have_the_same_interface():
    async def echo(websocket: Any) -> None:
        async for message in websocket:
            await websocket.send(message)
            await websocket.send([message, message])

    settings = RouteSettings(compression=True)
    async with serve_wsrouter(echo, settings) as server, open_client(server.url, compression="deflate") as client:
        assert client.protocol.extensions
        for message in ("é" * 1000, b"\x00" * 1000, "", "x"):
            await client.send(message)
            assert [message, message * 2] == [await client.recv(), await client.recv()]
        await client.send(["ab", "cd"])
        assert "abcd" == await client.recv()
    assert [] == outcome(server)[1]
