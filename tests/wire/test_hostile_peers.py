"""What the library alone does not survive (threats, section 0), against the real daemon."""

from __future__ import annotations

import socket
import time

import pytest

from support.client import connect
from support.memory import peak_bytes
from support.raw import WITHIN_S, raw_client, request_head
from support.wire import FIN, PING, PONG, TEXT, close_codes, frame, masked, split_frames

MIB = 1024 * 1024
SITE = """
server: {limits: {handshake: 500ms}}
defaults: {outbox: {size: 256KiB, stalled: 1s}}
routes:
  /echo: echo
  /room: broadcast
  /aged: {echo: {}, limits: {age: 200ms}}
"""
FLOOD = masked(PING, b"p" * 125) * 500


def send_until_stuck(client, data, most_bytes):
    """Sends the same again and again without reading, until the server takes no more or hangs up; how many bytes went."""
    client.sock.settimeout(0.5)
    sent = 0
    try:
        while sent < most_bytes:
            sent += client.sock.send(data[sent % len(data) :])
    except TimeoutError:
        pass
    except (BrokenPipeError, ConnectionResetError):
        pass
    finally:
        client.sock.settimeout(WITHIN_S)
    return sent


@pytest.mark.slow
def test_peers_that_never_read_or_ignore_a_close_are_dropped_and_cost_little_memory(daemon):
    running = daemon(SITE)
    before = peak_bytes(running.process.pid)
    with (
        raw_client(running.port, 4096) as flooder,
        raw_client(running.port, 4096) as echoed,
        raw_client(running.port, 4096) as member,
        raw_client(running.port) as rude,
    ):
        rude.upgrade("/aged")
        flooder.upgrade("/echo")
        echoed.upgrade("/echo")
        member.upgrade("/room")
        most = 60 * MIB
        send_until_stuck(flooder, FLOOD, most)
        assert send_until_stuck(echoed, masked(TEXT, b"x" * 60_000), most) < most

        with connect(running.url("/room"), max_size=None) as speaker:
            for _ in range(600):  # 30 MiB into a room of which one member does not read
                speaker.send("x" * 50_000)
                assert 50_000 == len(speaker.recv(timeout=5))
            full = running.wait_for("connection.closed", within=15, peer=member.address)
            speaker.send("still here")
            assert "still here" == speaker.recv(timeout=5)
        assert ("slow_consumer", 1013) == (full["cause"], full["code"])

        record = running.wait_for("connection.closed", within=15, peer=flooder.address)
        assert ("flood", 1008, "flood") == (record["cause"], record["code"], record["reason"])
        record = running.wait_for("connection.closed", within=15, peer=echoed.address)
        assert ("slow_consumer", 1013, "stalled") == (record["cause"], record["code"], record["reason"])
        assert record["waiting_bytes"] > 0
        assert frame(0x8, b"\x03\xe9max_age") == rude.read_to_end()
        record = running.wait_for("connection.closed", within=15, peer=rude.address)
        assert ("max_age", 1001) == (record["cause"], record["code"])
    assert peak_bytes(running.process.pid) - before < 12 * MIB


def test_a_request_that_dribbles_in_gets_408_while_others_come_and_go(daemon):
    running = daemon(SITE)
    with raw_client(running.port) as slow, raw_client(running.port) as silent:
        slow.send(request_head("/echo")[:-2])
        with connect(running.url("/echo")) as client:
            client.send("hello")
            assert "hello" == client.recv(timeout=5)
        for each in (slow, silent):
            assert each.read_to_end().startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert "timeout" == running.wait_for("handshake.refused", peer=slow.address)["reason"]


@pytest.mark.slow
def test_many_half_open_handshakes_keep_nobody_out(daemon):
    running = daemon(SITE)
    silent = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(500)]
    try:
        begun = time.monotonic()
        with connect(running.url("/echo")) as client:
            client.send("hello")
            assert "hello" == client.recv(timeout=5)
        assert time.monotonic() - begun < 1.0
        left_out = running.wait_for("log.suppressed", within=10, of="handshake.refused")["suppressed"]  # a flood of one event is cut short
        refused = running.find_records("handshake.refused", reason="timeout")
        assert 500 == len(refused) + sum(record.get("suppressed", 0) for record in refused) + left_out  # those of one slot of the timers may take two bursts
    finally:
        for each in silent:
            each.close()


def test_above_the_limit_of_connections_a_client_gets_503_instead_of_silence_and_comes_in_when_one_leaves(daemon):
    running = daemon("server: {limits: {connections: 5}}\nroutes: {/echo: echo}")
    clients = [connect(running.url("/echo")) for _ in range(5)]
    try:
        for _ in range(3):
            with raw_client(running.port) as late:
                late.send(request_head("/echo"))
                assert late.read_to_end().startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert "server.limits.connections is 5" == running.wait_for("handshake.refused", reason="full")["fix"]
        clients.pop().close()
        running.wait_for("connection.closed")
        with connect(running.url("/echo")) as client:
            client.send("hello")
            assert "hello" == client.recv(timeout=5)
        for each in clients:
            each.send("unharmed")
            assert "unharmed" == each.recv(timeout=5)
    finally:
        for each in clients:
            each.close()


@pytest.mark.parametrize(
    "head",
    [
        request_head("/echo"),
        request_head("/echo", "Sec-WebSocket-Protocol: a"),
        request_head("/nowhere"),
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_no_response_tells_what_serves_it(daemon, head):
    running = daemon("routes: {/echo: echo}")
    with raw_client(running.port) as client:
        client.send(head)
        response = client.read_head().lower()
        assert not any(word in response for word in (b"\r\nserver:", b"python", b"websockets", b"wsrouter", b"uvloop"))


def test_an_honest_client_of_a_handler_that_does_not_read_is_not_taken_for_dead(daemon):
    plugin = """
async def deaf(websocket):
    await websocket.wait_closed()
"""
    site = """
defaults: {keepalive: {ping: 100ms, pong: 200ms}}
routes:
  /deaf: deaf
  /clock: {echo: {}, keepalive: {ping: 0s}, limits: {age: 1s}}
"""
    running = daemon(site, plugins={"deaf.py": plugin})
    with raw_client(running.port) as client, raw_client(running.port) as clock:
        client.upgrade("/deaf")
        client.send(masked(TEXT, b"nobody reads this") * 100)
        client.send(masked(PONG, ping_payload(client)))  # it lies behind what is not read
        clock.upgrade("/clock")
        clock.read_exactly(11)  # a second has passed: five times the deadline of the pong
        assert {FIN | PING} == {first for first, _ in split_frames(client.sock.recv(65536))}  # a close would wait five seconds for its record
        assert [] == running.find_records("connection.closed", peer=client.address)


def ping_payload(client):
    """What the next frame, a ping, holds."""
    first, length = client.read_exactly(2)
    assert (FIN | PING) == first
    return client.read_exactly(length)


def test_a_client_that_does_not_answer_a_ping_is_closed_and_one_that_does_is_not(daemon):
    running = daemon("defaults: {keepalive: {ping: 200ms, pong: 300ms}}\nroutes: {/echo: echo}")
    with raw_client(running.port) as dead, connect(running.url("/echo"), ping_interval=None) as alive:
        dead.upgrade("/echo")
        answer = b""
        while not (answer and answer[0] == 0x88):
            head = dead.read_exactly(2)
            answer = head + dead.read_exactly(head[1])
        assert [1011] == close_codes(answer)
        alive.send("hello")
        assert "hello" == alive.recv(timeout=5)
        dead.send(masked(0x8, b"\x03\xf3"))
        assert ("ping_timeout", 1011) == tuple(running.wait_for("connection.closed", peer=dead.address)[name] for name in ("cause", "code"))
