"""More than there is room for: connections above the limits, files, handshakes; and what is left in memory when they are gone."""

from __future__ import annotations

import resource
import socket
import time
from pathlib import Path

import pytest

from support.client import connect
from support.crowd import crowd
from support.memory import resident_bytes
from support.raw import raw_client
from support.waiting import until
from support.wire import TEXT, masked

MIB = 1024 * 1024
OBJECTS = """
import gc

async def objects(websocket):
    async for _ in websocket:
        gc.collect()
        await websocket.send(str(len(gc.get_objects())))
"""


def test_row_49_above_the_limit_all_get_503_and_those_inside_notice_nothing(daemon):
    running = daemon("server: {limits: {connections: 100}}\nroutes: {/echo: echo}")
    with crowd(running.port) as people:
        people.knock("/echo", 300)
        assert {101: 100, 503: 200} == dict(people.statuses)
        assert 100 == people.ask_all()
        people.say_goodbye()
        until(lambda: len(running.find_records("connection.closed")) == 100)
        people.knock("/echo", 100)
        assert 200 == people.statuses[101]


def test_row_52_a_daemon_that_ran_out_of_files_lets_clients_in_again_when_some_are_free(daemon):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    site = "server: {limits: {handshake: 300ms}}\nroutes: {/echo: echo}"
    if hard < 1024:
        pytest.skip("the hard limit of open files is below 1,024")
    running = daemon(site)
    _, limit = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (64, hard))
    with crowd(running.port) as people:
        # The daemon still believes its old limit: this is what a system that runs out for other reasons looks like.
        socks = [people.connect() for _ in range(100)]
        until(lambda: len(list(Path(f"/proc/{running.process.pid}/fd").iterdir())) >= 64)
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (min(limit, hard), hard))
        for sock in socks:
            sock.close()
        people.knock("/echo", 5)
        assert 5 == people.ask_all()
    assert not running.stray


@pytest.mark.slow
def test_row_10_two_thousand_half_open_handshakes_keep_no_good_client_waiting(daemon):
    running = daemon("server: {limits: {handshake: 2s}}\nroutes: {/echo: echo}")
    silent = []
    try:
        for number in range(2000):
            sock = socket.create_connection(("127.0.0.1", running.port), 10)
            silent.append(sock)
            if number % 2:
                sock.send(b"GET /echo HTTP/1.1\r\nHost: a\r\nX-Slow: ")
            if number % 400 == 399:
                begun = time.monotonic()
                with connect(running.url("/echo")) as client:
                    client.send("hello")
                    assert "hello" == client.recv(timeout=5)
                assert time.monotonic() - begun < 1.0
    finally:
        for sock in silent:
            sock.close()
    with connect(running.url("/echo")) as client:
        client.send("hello")
        assert "hello" == client.recv(timeout=5)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_row_53_fifty_rounds_of_a_thousand_clients_leave_nothing_in_memory(daemon):
    running = daemon("log: {connections: none}\nroutes: {/echo: echo, /objects: objects}", plugins={"objects.py": OBJECTS})
    resident, objects = [], []
    with crowd(running.port) as people:
        for number in range(50):
            people.knock("/echo", 1000)
            assert 1000 == len(people.members)
            if number % 2:
                people.say_goodbye()
            people.hang_up()
            if number in {9, 49}:
                with connect(running.url("/objects")) as client:
                    until(lambda: (objects.append(int(answer(client))), objects[-1] < 1.1 * objects[0])[1], within=10)
                resident.append(resident_bytes(running.process.pid))
    assert objects[-1] - objects[0] < 1000  # one object for each of the 40,000 clients between would be 40 times as many
    assert resident[1] - resident[0] < 6 * MIB  # what the allocator holds in pieces; it levels off at 4 MiB after 80 rounds


def answer(client):
    """The answer to a message."""
    client.send("?")
    return client.recv(timeout=10)


@pytest.mark.slow
def test_row_55_distinct_paths_of_clients_leave_nothing_in_memory(daemon):
    running = daemon("log: {connections: none}\nroutes:\n  /room/{name}: broadcast")
    with raw_client(running.port) as first:
        first.upgrade("/room/x")
    rounds = []
    for begin in range(0, 8000, 2000):
        for number in range(begin, begin + 2000):
            with raw_client(running.port) as client:
                client.upgrade(f"/room/{'n' * 200}{number}")
                client.send(masked(TEXT, b"to nobody else"))
        rounds.append(resident_bytes(running.process.pid))
    assert rounds[-1] - rounds[0] < 1 * MIB
