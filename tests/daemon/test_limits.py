"""How much a client may do, and what it costs the others, against the real daemon."""

from __future__ import annotations

import json
import threading
import time
import zlib
from contextlib import contextmanager

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from support.client import connect
from support.memory import peak_bytes
from support.raw import raw_client
from support.wire import FIN, PING, RSV1, TEXT, masked, split_frames

MIB = 1024 * 1024
STALL_S = 0.5
"""Generous: this is about the outcome, and machines that run tests are busy."""


class Witness:
    """Another client: how long it waited for an echo at the worst."""

    def __init__(self) -> None:
        self.worst_s = 0.0
        self.count = 0


@contextmanager
def witness(url):
    """A client of `url` that asks all the time while the body runs."""
    seen, over = Witness(), threading.Event()

    def ask() -> None:
        with connect(url) as client:
            while not over.is_set():
                begun = time.monotonic()
                client.send("?")
                assert "?" == client.recv(timeout=10)
                seen.worst_s = max(seen.worst_s, time.monotonic() - begun)
                seen.count += 1
                time.sleep(0.001)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join(20)


def send_all(client, data, times):
    """Sends as long as the server takes it and does not hang up."""
    try:
        for _ in range(times):
            client.sock.sendall(data)
    except (TimeoutError, BrokenPipeError, ConnectionResetError):
        pass


@pytest.mark.slow
def test_60_mb_of_pings_cost_no_memory_and_nobody_else_waits(daemon):
    running = daemon("routes: {/echo: echo}")
    with witness(running.url("/echo")) as other, raw_client(running.port, 4096) as flooder:
        flooder.upgrade("/echo")
        before = peak_bytes(running.process.pid)
        send_all(flooder, masked(PING, b"p" * 125) * 8192, 60)
        flooder.sock.close()
        record = running.wait_for("connection.closed", within=15, peer=flooder.address)
        assert ("flood", 1008, "flood") == (record["cause"], record["code"], record["reason"])
        grown = peak_bytes(running.process.pid) - before
    assert grown < 5 * MIB
    assert other.count > 0  # how many depends on how soon the flood is ended
    assert other.worst_s < STALL_S


@pytest.mark.slow
def test_bombs_of_a_mebibyte_cost_no_memory_and_nobody_else_waits(daemon):
    running = daemon("routes: {/echo: echo, /zip: {echo: , compression: true}}")
    packer = zlib.compressobj(wbits=-15)
    bomb = (packer.compress(bytes(1024 * MIB)) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(bomb) > 1_000_000
    small = zlib.compressobj(wbits=-15)
    dense = masked(TEXT, (small.compress(b"0" * 65_536) + small.flush(zlib.Z_SYNC_FLUSH))[:-4], flags=FIN | RSV1)
    with witness(running.url("/echo")) as other, raw_client(running.port) as one, raw_client(running.port) as many:
        for client in (one, many):
            client.upgrade("/zip", "Sec-WebSocket-Extensions: permessage-deflate")
        before = peak_bytes(running.process.pid)
        one.send(masked(TEXT, bomb[:60_000], flags=FIN | RSV1))  # within message_size as it comes, and a thousand times as much inflated
        one.read_to_end()
        one.sock.close()
        assert "too_big" == running.wait_for("connection.closed", within=15, peer=one.address)["cause"]
        sender = threading.Thread(target=send_all, args=(many, dense * (MIB // len(dense)) + masked(PING, b"all dealt with"), 1))
        sender.start()  # a mebibyte of messages of 64 KiB, 800 MiB inflated
        many.sock.settimeout(30)
        last = b""
        while b"all dealt with" not in last:
            last = last[-20:] + many.sock.recv(65536)
        sender.join()
        grown = peak_bytes(running.process.pid) - before
    assert grown < 5 * MIB
    assert other.worst_s < STALL_S


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["close", "drop_oldest", "drop_newest", "{latest: message.symbol}"])
def test_a_member_that_stops_reading_is_dealt_with_under_every_policy_within_its_outbox(daemon, policy):
    site = f"routes: {{/feed: {{broadcast: , outbox: {{size: 1MiB, stalled: 1s, on_full: {policy}}}}}}}"
    running = daemon(site)
    message = json.dumps({"symbol": "A", "pad": "x" * 16_000})
    with raw_client(running.port, 4096) as slow, connect(running.url("/feed")) as publisher, connect(running.url("/feed")) as other:
        slow.upgrade("/feed")
        running.wait_for("connection.opened", count=3)
        for _ in range(20):  # what everybody costs
            publisher.send(message)
            assert message == publisher.recv(timeout=5) == other.recv(timeout=5)
        before = peak_bytes(running.process.pid)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and not running.find_records("connection.closed"):
            publisher.send(message)
            assert message == publisher.recv(timeout=5) == other.recv(timeout=5)
        record = running.wait_for("connection.closed", peer=slow.address)
        grown = peak_bytes(running.process.pid) - before
    assert ("slow_consumer", 1013) == (record["cause"], record["code"])
    assert ("outbox full" if policy == "close" else "stalled") == record["reason"]
    assert record["dropped_out"] > 0
    assert record["waiting_bytes"] > 0
    assert grown < (1 + 5) * MIB
    if policy != "close":
        told = running.wait_for("connection.behind", peer=slow.address)
        assert ("/feed", record["connection_id"]) == (told["route"], told["connection_id"])
        assert told["dropped_out"] >= 1
        assert 1 == len(running.find_records("connection.behind"))


@pytest.mark.slow
def test_a_price_feed_that_is_behind_gets_the_newest_price_of_each_symbol(daemon):
    running = daemon("routes: {/feed: {broadcast: {to_sender: false}, outbox: {size: 4MiB, stalled: 1h, on_full: {latest: message.symbol}}}}")
    symbols = ("AA", "BB", "CC")
    with raw_client(running.port, 4096) as slow, connect(running.url("/feed")) as publisher, connect(running.url("/feed")) as other:
        slow.upgrade("/feed")
        running.wait_for("connection.opened", count=3)
        for number in range(900):
            publisher.send(json.dumps({"symbol": symbols[number % 3], "price": number, "pad": "x" * 16_000}))
            assert number == json.loads(other.recv(timeout=5))["price"]
        got = b""
        while not running.find_records("connection.caught_up"):
            got += slow.sock.recv(1 << 20)
        slow.sock.settimeout(0.3)
        try:
            while piece := slow.sock.recv(1 << 20):
                got += piece
        except TimeoutError:
            pass
        told = running.wait_for("connection.caught_up", peer=slow.address)
    prices = [json.loads(payload) for first, payload in split_frames(got) if first == FIN | TEXT]
    assert len(prices) < 900
    assert [("AA", 897), ("BB", 898), ("CC", 899)] == [(each["symbol"], each["price"]) for each in prices[-3:]]
    assert 900 == len(prices) + told["dropped_out"]


def test_a_client_over_a_rate_that_drops_stays_and_its_record_says_how_much_was_dropped(daemon):
    running = daemon("routes: {/echo: {echo: , limits: {message_rate: {rate: 1/h, burst: 2}, on_exceed: drop}}}")
    with connect(running.url("/echo")) as client:
        for text in ("one", "two", "three", "four"):
            client.send(text)
        assert ["one", "two"] == [client.recv(timeout=5), client.recv(timeout=5)]
        client.ping().wait(5)
    record = running.wait_for("connection.closed", cause="client_close")
    assert (2, 4) == (record["dropped_in"], record["messages_in"])


@pytest.mark.slow
def test_a_busy_but_honest_client_that_is_paused_for_its_rate_loses_nothing_and_is_not_taken_for_dead(daemon):
    running = daemon(
        """
        defaults: {keepalive: {ping: 100ms, pong: 200ms}}
        routes: {/echo: {echo: , limits: {message_rate: {rate: 50/s, burst: 10}, on_exceed: pause, idle: 300ms}}}
        """
    )
    with connect(running.url("/echo"), ping_interval=None) as client:
        begun = time.monotonic()
        for number in range(70):
            client.send(str(number))
        assert [str(number) for number in range(70)] == [client.recv(timeout=5) for _ in range(70)]
        assert time.monotonic() - begun > 1.1
    assert "client_close" == running.wait_for("connection.closed")["cause"]


def test_a_route_that_asks_for_4429_closes_with_it(daemon):
    running = daemon("routes: {/echo: {echo: , limits: {message_rate: {rate: 1/h, burst: 1}, close_code: 4429}}}")
    with connect(running.url("/echo")) as client:
        client.send("one")
        assert "one" == client.recv(timeout=5)
        client.send("two")
        with pytest.raises(ConnectionClosedError) as closed:
            client.recv(timeout=5)
    assert (4429, "rate_limit") == (closed.value.rcvd.code, closed.value.rcvd.reason)


def test_a_full_route_refuses_with_503_and_a_time_to_come_again_and_other_routes_do_not(daemon):
    running = daemon("routes: {/one: {echo: , limits: {connections: 1}}, /other: echo}")
    with connect(running.url("/one")):
        with pytest.raises(InvalidStatus) as refused:
            connect(running.url("/one"))
        assert 503 == refused.value.response.status_code
        assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 10
        assert "limits.connections of /one is 1" == running.wait_for("handshake.refused", reason="full")["fix"]
        connect(running.url("/other")).close()
    running.wait_for("connection.closed", route="/one")
    connect(running.url("/one")).close()


def test_a_user_with_too_many_connections_to_a_route_gets_429_and_others_come_in(daemon):
    tokens = {"alice": "a" * 32, "bob": "b" * 32}
    running = daemon(f"routes: {{/one: {{echo: , auth: {{tokens: {json.dumps(tokens)}}}, limits: {{connections_per_user: 1}}}}}}")

    def come(user):
        return connect(running.url("/one"), additional_headers={"Authorization": f"Bearer {tokens[user]}"})

    with come("alice"):
        with pytest.raises(InvalidStatus) as refused:
            come("alice")
        assert 429 == refused.value.response.status_code
        assert "limits.connections_per_user of /one is 1" == running.wait_for("handshake.refused", reason="too_many")["fix"]
        come("bob").close()
    running.wait_for("connection.closed", user="alice")
    come("alice").close()
