"""Handlers as the documentation of `websockets` writes them, each a plugin file as it stands there, run by the real daemon.

Each file has its own server at its end, as the examples do: `if __name__ == "__main__"` keeps it from starting.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent
from threading import Thread
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK

from support.client import connect
from support.daemon import Daemon, run_daemon

WITHIN_S = 5.0


def script(text: str, handler: str) -> str:
    """A file of the documentation: its imports and its handler as given, then the part that serves it."""
    serving = f"""
        async def main():
            async with serve({handler}, "localhost", 8001) as server:
                await server.serve_forever()


        if __name__ == "__main__":
            asyncio.run(main())
    """
    return f"#!/usr/bin/env python\n\n{dedent(text).strip()}\n\n{dedent(serving)}"


ECHO = script(
    """
    import asyncio
    from websockets.asyncio.server import serve


    async def echo(websocket):
        async for message in websocket:
            await websocket.send(message)
    """,
    "echo",
)

GREET = script(
    """
    import asyncio
    from websockets.asyncio.server import serve


    async def greet(websocket):
        name = await websocket.recv()
        print(f"<<< {name}", flush=True)
        greeting = f"Hello {name}!"
        await websocket.send(greeting)
        print(f">>> {greeting}", flush=True)
    """,
    "greet",
)

COUNTER = script(
    """
    import asyncio
    import json
    import logging

    from websockets.asyncio.server import broadcast, serve

    logging.basicConfig()

    USERS = set()

    VALUE = 0


    def users_event():
        return json.dumps({"type": "users", "count": len(USERS)})


    def value_event():
        return json.dumps({"type": "value", "value": VALUE})


    async def counter(websocket):
        global USERS, VALUE
        try:
            USERS.add(websocket)
            broadcast(USERS, users_event())
            await websocket.send(value_event())
            async for message in websocket:
                event = json.loads(message)
                if event["action"] == "minus":
                    VALUE -= 1
                    broadcast(USERS, value_event())
                elif event["action"] == "plus":
                    VALUE += 1
                    broadcast(USERS, value_event())
                else:
                    logging.error("unsupported event: %s", event)
        finally:
            USERS.remove(websocket)
            broadcast(USERS, users_event())
    """,
    "counter",
)

CHAT = script(
    """
    import asyncio
    from websockets.asyncio.server import broadcast, serve
    from websockets.exceptions import ConnectionClosed

    CONNECTIONS = set()


    async def send(websocket, message):
        try:
            await websocket.send(message)
        except ConnectionClosed:
            pass


    async def handler(websocket):
        if websocket in CONNECTIONS:
            return
        CONNECTIONS.add(websocket)
        try:
            async for message in websocket:
                if message.startswith("/all "):
                    for each in CONNECTIONS:
                        asyncio.create_task(send(each, message[5:]))
                else:
                    broadcast(CONNECTIONS, message)
        finally:
            CONNECTIONS.remove(websocket)
    """,
    "handler",
)

BOTH_WAYS = script(
    """
    import asyncio
    from websockets.asyncio.server import serve

    QUEUE = asyncio.Queue()


    async def consumer_handler(websocket):
        async for message in websocket:
            await QUEUE.put(message.upper())


    async def producer_handler(websocket):
        while True:
            message = await QUEUE.get()
            await websocket.send(message)


    async def handler(websocket):
        consumer_task = asyncio.create_task(consumer_handler(websocket))
        producer_task = asyncio.create_task(producer_handler(websocket))
        done, pending = await asyncio.wait(
            [consumer_task, producer_task],
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in pending:
            task.cancel()
        print("both ended", flush=True)
    """,
    "handler",
)

GATHER = script(
    """
    import asyncio
    from websockets.asyncio.server import serve


    async def consume(websocket):
        async for message in websocket:
            await websocket.send(f"got {message}")


    async def produce(websocket):
        for number in range(3):
            await websocket.send(f"produced {number}")


    async def handler(websocket):
        await asyncio.gather(
            consume(websocket),
            produce(websocket),
        )
    """,
    "handler",
)

TIMEOUT = script(
    """
    import asyncio
    from websockets.asyncio.server import serve


    async def patient(websocket):
        while True:
            try:
                async with asyncio.timeout(0.05):
                    message = await websocket.recv()
            except TimeoutError:
                await websocket.send("are you there?")
                continue
            try:
                more = await asyncio.wait_for(websocket.recv(), timeout=0.05)
            except asyncio.TimeoutError:
                more = None
            await websocket.send(f"{message} {more}")
            break
    """,
    "patient",
)

STREAMING = script(
    """
    import asyncio
    import json
    from websockets.asyncio.server import serve


    async def chunks(rows):
        yield "["
        for row in range(rows):
            await asyncio.sleep(0)
            yield json.dumps({"row": row}) + ("," if row < rows - 1 else "")
        yield "]"


    async def stream(websocket):
        async for message in websocket:
            await websocket.send(chunks(int(message)))
    """,
    "stream",
)

UPLOAD = script(
    """
    import asyncio
    import hashlib
    from websockets.asyncio.server import serve


    async def upload(websocket):
        digest, fragments = hashlib.sha256(), 0
        async for fragment in websocket.recv_streaming(decode=False):
            digest.update(fragment)
            fragments += 1
        await websocket.send(f"{fragments} {digest.hexdigest()}")
    """,
    "upload",
)

LATENCY = script(
    """
    import asyncio
    from websockets.asyncio.server import serve


    async def latency(websocket):
        pong_waiter = await websocket.ping()
        latency = await pong_waiter
        assert latency == websocket.latency
        await websocket.pong("heartbeat")
        await websocket.send(f"latency {latency:.3f}")
        await websocket.wait_closed()
        print("closed", websocket.close_code, websocket.close_reason, flush=True)
    """,
    "latency",
)

ROOMS = script(
    """
    import asyncio
    import json
    import secrets

    from websockets.asyncio.server import broadcast, serve

    JOIN = {}
    WATCH = {}


    async def error(websocket, message):
        event = {
            "type": "error",
            "message": message,
        }
        await websocket.send(json.dumps(event))


    async def play(websocket, connected):
        async for message in websocket:
            event = json.loads(message)
            broadcast(connected, json.dumps({"type": "play", "column": event["column"]}))


    async def start(websocket):
        connected = {websocket}
        join_key = secrets.token_urlsafe(12)
        JOIN[join_key] = connected
        try:
            event = {
                "type": "init",
                "join": join_key,
            }
            await websocket.send(json.dumps(event))
            await play(websocket, connected)
        finally:
            del JOIN[join_key]


    async def join(websocket, join_key):
        try:
            connected = JOIN[join_key]
        except KeyError:
            await error(websocket, "Game not found.")
            return
        connected.add(websocket)
        try:
            await play(websocket, connected)
        finally:
            connected.remove(websocket)


    async def handler(websocket):
        message = await websocket.recv()
        event = json.loads(message)
        assert event["type"] == "init"

        if "join" in event:
            await join(websocket, event["join"])
        else:
            await start(websocket)
    """,
    "handler",
)

WORKERS = script(
    """
    import asyncio
    from websockets.asyncio.server import serve


    async def process(websocket, message):
        await asyncio.sleep(0.001 * (3 - int(message)))
        await websocket.send(f"done {message}")


    async def workers(websocket):
        async with asyncio.TaskGroup() as group:
            async for message in websocket:
                group.create_task(process(websocket, message))
    """,
    "workers",
)

TOKEN = script(
    """
    import asyncio
    from http.cookies import SimpleCookie
    from urllib.parse import parse_qs, urlparse
    from websockets.asyncio.server import serve
    from websockets.frames import CloseCode


    def get_token(request):
        bearer = request.headers.get("Authorization", "")
        if bearer.startswith("Bearer "):
            return bearer[7:]
        cookie = SimpleCookie(request.headers.get("Cookie", ""))
        if "token" in cookie:
            return cookie["token"].value
        return parse_qs(urlparse(request.path).query).get("token", [None])[0]


    async def token(websocket):
        if get_token(websocket.request) != "secret":
            await websocket.close(CloseCode.POLICY_VIOLATION, "authentication failed")
            return
        host, port = websocket.remote_address[:2]
        await websocket.send(f"Hello {host} {websocket.id}")
        await websocket.wait_closed()
    """,
    "token",
)

WITH = script(
    """
    import asyncio
    from websockets.asyncio.server import serve
    from websockets.exceptions import ConnectionClosedOK


    async def handler(websocket):
        async with websocket:
            while True:
                try:
                    message = await websocket.recv()
                except ConnectionClosedOK:
                    break
                if message == "fail":
                    raise ValueError("asked to")
                await websocket.send(message, text=True)
    """,
    "handler",
)

OLD = """
import asyncio
import websockets
from urllib.parse import parse_qs, urlsplit


async def hello(websocket, path):
    name = parse_qs(urlsplit(path).query)["name"][0]
    assert path == websocket.path
    assert websocket.open and not websocket.closed
    await websocket.send(f"{urlsplit(path).path} {name} {websocket.request_headers['Host']}")
    while websocket.open:
        try:
            message = await websocket.recv()
        except websockets.exceptions.ConnectionClosed:
            print("gone:", websocket.closed, websocket.close_code, flush=True)
            break
        await websocket.send(message)


if __name__ == "__main__":
    start_server = websockets.serve(hello, "localhost", 8765)
    asyncio.get_event_loop().run_until_complete(start_server)
    asyncio.get_event_loop().run_forever()
"""

FILES = {
    "echo.py": ECHO,
    "greet.py": GREET,
    "counter.py": COUNTER,
    "chat.py": CHAT,
    "both_ways.py": BOTH_WAYS,
    "gathered.py": GATHER,
    "patient.py": TIMEOUT,
    "stream.py": STREAMING,
    "upload.py": UPLOAD,
    "latency.py": LATENCY,
    "rooms.py": ROOMS,
    "workers.py": WORKERS,
    "token_check.py": TOKEN,
    "managed.py": WITH,
    "old.py": OLD,
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all of them, each at the path of its file's name."""
    site = "routes:\n" + "".join(f"  /{name.removesuffix('.py')}: {name.removesuffix('.py')}\n" for name in FILES)
    with run_daemon(site, tmp_path_factory.mktemp("site"), plugins=FILES) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_handler_has_failed(daemon: Daemon) -> Iterator[None]:
    before = len(daemon.find_records("handler.failed"))
    yield
    assert [] == daemon.find_records("handler.failed")[before:]


def receive(client: Any, count: int) -> list[Any]:
    return [client.recv(WITHIN_S) for _ in range(count)]


def test_echo(daemon):
    with connect(daemon.url("/echo")) as client:
        for message in ("Hello world!", b"\x00\xff", ""):
            client.send(message)
            assert message == client.recv(WITHIN_S)
        client.send(["in ", "fragments"])
        assert "in fragments" == client.recv(WITHIN_S)


def test_greet_receives_once_prints_answers_and_closes(daemon):
    with connect(daemon.url("/greet")) as client:
        client.send("Ada")
        assert "Hello Ada!" == client.recv(WITHIN_S)
        with pytest.raises(ConnectionClosedOK):
            client.recv(WITHIN_S)
        assert 1000 == client.close_code
    daemon.wait_for_output("<<< Ada")
    daemon.wait_for_output(">>> Hello Ada!")


def events(client: Any, count: int) -> list[tuple[str, int]]:
    return [(event["type"], event.get("count", event.get("value"))) for event in map(json.loads, receive(client, count))]


def test_counter_shows_everybody_the_same_value_and_number_of_users(daemon):
    with connect(daemon.url("/counter")) as first:
        assert [("users", 1), ("value", 0)] == events(first, 2)
        with connect(daemon.url("/counter")) as second:
            assert [("users", 2), ("value", 0)] == events(second, 2)
            assert [("users", 2)] == events(first, 1)
            for action in ("plus", "plus", "minus"):
                second.send(json.dumps({"action": action}))
            second.send(json.dumps({"action": "other"}))
            assert [("value", 1), ("value", 2), ("value", 1)] == events(first, 3) == events(second, 3)
        assert [("users", 1)] == events(first, 1)
    record = daemon.wait_for("unsupported event: {'action': 'other'}")
    assert "error" == record["level"]


def test_chat_with_broadcast_and_with_a_task_for_each_member(daemon):
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(daemon.url("/chat"))) for _ in range(3)]
        for client in clients:  # a round trip each: then all have joined
            client.ping().wait(WITHIN_S)
        clients[0].send("by broadcast")
        clients[0].send("/all by tasks")
        assert [["by broadcast", "by tasks"]] * 3 == [receive(client, 2) for client in clients]
        clients[0].close()
        clients[1].send("to the rest")
        assert ["to the rest"] * 2 == [client.recv(WITHIN_S) for client in clients[1:]]


def test_consumer_and_producer_in_parallel(daemon):
    with connect(daemon.url("/both_ways")) as client:
        for word in ("one", "two", "three"):
            client.send(word)
        assert ["ONE", "TWO", "THREE"] == receive(client, 3)
    daemon.wait_for_output("both ended")


def test_consumer_and_producer_gathered(daemon):
    with connect(daemon.url("/gathered")) as client:
        client.send("a")
        assert {"produced 0", "produced 1", "produced 2", "got a"} == set(receive(client, 4))


def test_recv_with_a_timeout_loses_nothing(daemon):
    with connect(daemon.url("/patient")) as client:
        assert "are you there?" == client.recv(WITHIN_S)
        client.send("yes")
        client.send("and more")
        answers = iter(lambda: client.recv(WITHIN_S), "yes and more")
        assert set(answers) <= {"are you there?"}
        with pytest.raises(ConnectionClosedOK):
            client.recv(WITHIN_S)


def test_streaming_send_of_an_async_iterator(daemon):
    with connect(daemon.url("/stream")) as client:
        client.send("1000")
        parts = list(client.recv_streaming())
        assert 1000 + 2 + 1 == len(parts)
        assert list(range(1000)) == [row["row"] for row in json.loads("".join(parts))]
        client.send("1")
        assert '[{"row": 0}]' == client.recv(WITHIN_S)


def test_recv_streaming_of_an_upload(daemon):
    import hashlib

    with connect(daemon.url("/upload")) as client:
        client.send(bytes([number]) * 1000 for number in range(50))
        digest = hashlib.sha256(b"".join(bytes([number]) * 1000 for number in range(50))).hexdigest()
        assert f"51 {digest}" == client.recv(WITHIN_S)


def test_ping_and_latency_and_wait_closed(daemon):
    with connect(daemon.url("/latency")) as client:
        assert client.recv(WITHIN_S).startswith("latency 0.")
        client.close(3001, "enough")
    daemon.wait_for_output("closed 3001 enough")


def test_rooms_kept_in_a_dict_with_try_and_finally(daemon):
    with connect(daemon.url("/rooms")) as first, connect(daemon.url("/rooms")) as second, connect(daemon.url("/rooms")) as lost:
        first.send(json.dumps({"type": "init"}))
        key = json.loads(first.recv(WITHIN_S))["join"]
        second.send(json.dumps({"type": "init", "join": key}))
        second.send(json.dumps({"type": "play", "column": 3}))
        assert [{"type": "play", "column": 3}] * 2 == [json.loads(client.recv(WITHIN_S)) for client in (first, second)]
        first.close()
        lost.send(json.dumps({"type": "init", "join": key}))
        assert {"type": "error", "message": "Game not found."} == json.loads(lost.recv(WITHIN_S))


def test_a_task_for_each_message(daemon):
    with connect(daemon.url("/workers")) as client:
        for number in range(3):
            client.send(str(number))
        assert {"done 0", "done 1", "done 2"} == set(receive(client, 3))


@pytest.mark.parametrize(
    ("query", "headers"),
    [("?token=secret", {}), ("", {"Authorization": "Bearer secret"}), ("", {"Cookie": "a=b; token=secret"})],
    ids=["query", "bearer", "cookie"],
)
def test_a_token_of_the_request_lets_in(daemon, query, headers):
    with connect(daemon.url("/token_check" + query), additional_headers=headers) as client:
        word, host, _ = client.recv(WITHIN_S).split()
        assert ("Hello", "127.0.0.1") == (word, host)


def test_without_the_token_the_handler_closes_with_1008(daemon):
    with connect(daemon.url("/token_check?token=wrong")) as client:
        with pytest.raises(ConnectionClosedError):
            client.recv(WITHIN_S)
        assert (1008, "authentication failed") == (client.close_code, client.close_reason)


def test_async_with_the_connection(daemon):
    with connect(daemon.url("/managed")) as client:
        client.send(b"bytes")
        assert "bytes" == client.recv(WITHIN_S)


def test_the_two_argument_form_of_older_versions(daemon):
    with connect(daemon.url("/old?name=Ada")) as client:
        assert f"/old Ada 127.0.0.1:{daemon.port}" == client.recv(WITHIN_S)
        client.send("still an echo")
        assert "still an echo" == client.recv(WITHIN_S)
        client.close(1001)
    daemon.wait_for_output("gone: True 1001")


def test_many_clients_of_one_handler_at_the_same_time(daemon):
    answers: dict[int, list[str]] = {}

    def talk(number: int) -> None:
        with connect(daemon.url("/echo")) as client:
            for count in range(20):
                client.send(f"{number} {count}")
            answers[number] = receive(client, 20)

    threads = [Thread(target=talk, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: [f"{number} {count}" for count in range(20)] for number in range(20)} == answers


def test_an_uncaught_exception_is_recorded_and_closes_with_1011(tmp_path):
    with run_daemon("routes: {/: managed}", tmp_path, plugins={"managed.py": WITH}) as daemon, connect(daemon.url("/")) as client:
        client.send("fail")
        with pytest.raises(ConnectionClosedError):
            client.recv(WITHIN_S)
        assert 1011 == client.close_code
        record = daemon.wait_for("handler.failed", route="/")
        assert "asked to" in json.dumps(record)
        assert 1 == len(daemon.find_records("handler.failed"))


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_a_plain_script_without_a_word_of_wsrouter(name):
    assert "wsrouter" not in FILES[name]
    compile(FILES[name], Path(name).name, "exec")
