"""Topics that write past the transport: what a client gets, in which order, and what is counted, over real sockets on both loops."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.server import open_client, serve_wsrouter
from support.waiting import until_async
from wsrouter import Handler
from wsrouter.config.settings import Outbox, RouteSettings
from wsrouter.wire.frames import encode

LOOPS = [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})]


@pytest.fixture(params=LOOPS, ids=["uvloop", "asyncio"])
def anyio_backend(request):
    return request.param


class Room(Handler[str]):
    """Does what a message asks for: a list of `send`, `publish`, `leave` and `join`, in that order. Everybody is a member of `room`."""

    def start(self, context):
        self.context = context

    def on_open(self, connection):
        connection.join("room")

    def on_message(self, connection, message):
        for number, what in enumerate(json.loads(message)):
            match what:
                case "send":
                    connection.send(f"send {number}")
                case "publish":
                    self.context.publish("room", f"publish {number}")
                case "leave":
                    connection.leave("room")
                case "join":
                    connection.join("room")


def expected_of(steps):
    """What the one who asks gets of its own steps: in the order of the code, but what is published while it is no member."""
    member, heard = True, []
    for number, what in enumerate(steps):
        member = (member or what == "join") and what != "leave"
        if what == "send" or (what == "publish" and member):
            heard.append(f"{what} {number}")
    return heard


STEPS = st.lists(st.sampled_from(["send", "publish", "publish", "leave", "join"]), max_size=8)


@pytest.mark.anyio
async def test_whatever_a_member_sends_and_publishes_it_hears_in_the_order_of_the_code():
    async with serve_wsrouter(Room()) as server, open_client(server.url) as client:

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(STEPS, min_size=1, max_size=4))
        def check(turns):
            examples.append(turns)

        examples: list[list[list[str]]] = []
        check()
        for turns in examples:
            for steps in turns:
                await client.send(json.dumps([*steps, "join", "send"]))
            wanted = [each for steps in turns for each in expected_of([*steps, "join", "send"])]
            assert wanted == [await asyncio.wait_for(client.recv(), 5) for _ in wanted]


@pytest.mark.anyio
async def test_members_are_written_to_directly_but_while_something_of_their_own_is_on_its_way():
    async with serve_wsrouter(Room()) as server, open_client(server.url) as member, open_client(server.url) as other:
        await until_async(lambda: server.hub.topics.members("room") == 2)
        mine, others = sorted(server.connections, key=lambda each: each.upgrade.peer != address(member))

        async def publish():
            await other.send('["publish"]')
            assert ["publish 0"] * 2 == [await member.recv(), await other.recv()]

        await publish()
        await publish()
        assert None not in (mine.direct, others.direct)
        await member.send('["send"]')
        assert "send 0" == await member.recv()
        assert mine.direct is None
        assert others.direct is not None
        await publish()
        assert mine.direct is not None
        await member.ping()
        await until_async(lambda: mine.direct is None)
        await publish()
        assert mine.direct is not None


@pytest.mark.anyio
async def test_what_topics_wrote_is_counted_for_each_member_while_it_is_open_and_when_it_is_gone():
    async with serve_wsrouter(Room()) as server, open_client(server.url) as member, open_client(server.url) as other:
        await until_async(lambda: server.hub.topics.members("room") == 2)
        mine = next(each for each in server.connections if each.upgrade.peer == address(member))
        for steps in (["publish"], ["publish", "publish"], ["send", "publish"], ["publish"]):
            await other.send(json.dumps(steps))
            for _ in range(steps.count("publish")):
                await member.recv()
        await member.send('["send", "publish", "leave", "publish", "join", "publish"]')
        heard = [await member.recv() for _ in range(3)]
        assert ["send 0", "publish 1", "publish 5"] == heard
        sizes = sum(len(encode(text, 0)) for text in ["publish 0"] * 3 + ["publish 1"] * 2 + heard)
        assert (8, sizes) == (mine.messages_out, mine.bytes_out)
        await member.close()
        await until_async(lambda: len(server.connections) == 1)
        assert (8, sizes + 4) == (mine.messages_out, mine.bytes_out)  # and the close frame


@pytest.mark.anyio
async def test_a_member_that_does_not_read_gets_everything_in_order_when_it_does():
    limits = RouteSettings(outbox=Outbox(size=64 * 1024 * 1024))
    async with serve_wsrouter(Room(), limits) as server:
        with slow_socket(server.url) as sock:
            await upgrade(sock)
            await until_async(lambda: server.hub.topics.members("room") == 1)
            (connection,) = server.connections
            texts = [f"{number:06d}" * 5000 for number in range(200)]
            for text in texts:
                server.hub.topics.publish("room", text)
                await asyncio.sleep(0)
            assert connection.direct is None
            await asyncio.sleep(0)
            wanted = b"".join(encode(text, 0) for text in texts)
            assert wanted == await read(sock, len(wanted))
            await until_async(lambda: connection._outbox is None)
            server.hub.topics.publish("room", "again")
            assert encode("again", 0) == await read(sock, 7)
            assert connection.direct is not None
            assert (201, len(wanted) + 7) == (connection.messages_out, connection.bytes_out)


@pytest.mark.anyio
async def test_what_the_socket_did_not_take_is_not_overtaken_though_the_socket_has_room_again():
    async with serve_wsrouter(Room()) as server:
        with slow_socket(server.url) as sock:
            await upgrade(sock)
            await until_async(lambda: server.hub.topics.members("room") == 1)
            (connection,) = server.connections
            topic, sent, got = server.hub.topics.find("room"), [], bytearray()

            def publish(text):
                topic.publish(text)
                topic.flush()
                sent.append(text)

            while connection.direct is not None or not sent:  # all in one turn: the transport has no chance to write
                publish(f"{len(sent):06d}" * 500)
            assert 0 < connection.transport.get_write_buffer_size()
            for number in range(3):
                with suppress(BlockingIOError):
                    while True:
                        got += sock.recv(1 << 20)
                publish(f"after {number}")
            wanted = b"".join(encode(text, 0) for text in sent)
            got += await read(sock, len(wanted) - len(got))
            assert wanted == got


@pytest.mark.anyio
async def test_a_publisher_that_is_left_out_is_so_and_hears_what_others_publish():
    class Others(Room):
        def on_message(self, connection, message):
            self.context.publish("room", message, sender=connection, to_sender=False)

    async with serve_wsrouter(Others()) as server, open_client(server.url) as one, open_client(server.url) as two:
        await until_async(lambda: server.hub.topics.members("room") == 2)
        for number in range(5):
            await one.send(f"one {number}")
            assert f"one {number}" == await two.recv()
            await two.send(f"two {number}")
            assert f"two {number}" == await one.recv()
        assert all(each.direct is not None for each in server.connections)
        assert [5, 5] == [each.messages_out for each in server.connections]


@pytest.mark.anyio
async def test_a_member_whose_socket_is_gone_is_cut_off_and_the_others_hear_on():
    async with serve_wsrouter(Room()) as server, open_client(server.url) as gone, open_client(server.url) as member:
        await until_async(lambda: server.hub.topics.members("room") == 2)
        mine = next(each for each in server.connections if each.upgrade.peer == address(gone))
        await member.send('["publish"]')
        await member.recv()
        assert mine.direct is not None
        gone.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone.transport.abort()
        for number in range(10):
            server.hub.topics.publish("room", f"{number}")
            assert f"{number}" == await member.recv()
        await until_async(lambda: len(server.connections) == 1)


@pytest.mark.anyio
async def test_both_loops_close_a_socket_only_after_connection_lost_however_it_ends():
    """What `direct_write` relies on: until then the descriptor is this client's and no other's."""
    loop = asyncio.get_running_loop()
    same: list[bool] = []

    class Probe(asyncio.Protocol):
        def connection_made(self, transport):
            self.descriptor = transport.get_extra_info("socket").fileno()
            self.inode = os.fstat(self.descriptor).st_ino
            self.transport = transport

        def data_received(self, data):
            {b"close": self.transport.close, b"abort": self.transport.abort}[data]()
            same.append(os.fstat(self.descriptor).st_ino == self.inode)

        def connection_lost(self, exc):
            same.append(os.fstat(self.descriptor).st_ino == self.inode)

    server = await loop.create_server(Probe, "127.0.0.1", 0)
    for how, told in ((b"close", 2), (b"abort", 2), (b"", 1)):
        same.clear()
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            client.sendall(how)
            if not how:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
            await until_async(lambda told=told: len(same) == told)
        assert [True] * told == same
    server.close()


@pytest.mark.anyio
async def test_a_transport_has_an_empty_buffer_only_when_the_kernel_has_all_of_it():
    loop = asyncio.get_running_loop()
    made: asyncio.Future[asyncio.Transport] = loop.create_future()

    class Holder(asyncio.Protocol):
        def connection_made(self, transport):
            made.set_result(transport)

    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        await loop.connect_accepted_socket(Holder, ours)
        transport = await made
        theirs.setblocking(False)
        transport.write(b"x" * 10)
        if not transport.get_write_buffer_size():
            assert b"x" * 10 == theirs.recv(100)
        transport.write(b"y" * 10_000_000)
        assert transport.get_write_buffer_size() > 1_000_000
        transport.abort()
        await asyncio.sleep(0)


def address(client):
    host, port = client.local_address[:2]
    return f"{host}:{port}"


def slow_socket(url):
    """A client of which the kernel takes little."""
    host, port = url.removeprefix("ws://").rstrip("/").split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((host, int(port)))
    sock.setblocking(False)
    return sock


async def upgrade(sock):
    loop = asyncio.get_running_loop()
    head = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    await loop.sock_sendall(sock, head.encode())
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += await loop.sock_recv(sock, 1)


async def read(sock, size):
    loop, data = asyncio.get_running_loop(), bytearray()
    while len(data) < size:
        data += await asyncio.wait_for(loop.sock_recv(sock, size - len(data)), 5)
    return bytes(data)
