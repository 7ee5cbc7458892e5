"""Sockets that are no WebSockets yet: at most a thousand, the oldest makes room, and good clients come in meanwhile."""

from __future__ import annotations

import resource
import socket
import ssl
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from support.certificates import Authority
from support.client import connect
from support.wire import ManualLoop, Notes
from wsrouter.access.bounds import GRACE_S, MAX_HALF_OPEN
from wsrouter.wire.half_open import HalfOpens

ROUTES = "routes: {/echo: echo}\n"
FLOOD = 2000


class Silent:
    """A socket that says nothing."""

    def __init__(self, half_opens):
        self.half_opens = half_opens
        self.is_shed = False
        half_opens.add(self)

    def shed(self):
        self.is_shed = True


class Room:
    def __init__(self, files=1_000_000):
        self.loop = ManualLoop()
        self.notes = Notes()
        self.files = files
        self.half_opens = HalfOpens(self.loop.time, self.notes, lambda: self.files)


def test_the_oldest_makes_room_for_the_newest():
    room = Room()
    sockets = [Silent(room.half_opens) for _ in range(MAX_HALF_OPEN + 2)]
    assert [True, True, False] == [each.is_shed for each in sockets[:3]]
    assert (MAX_HALF_OPEN, 2) == (len(room.half_opens), room.half_opens.shed)


def test_there_is_less_room_where_the_open_file_limit_leaves_less_and_always_for_one():
    room = Room(files=10)
    sockets = [Silent(room.half_opens) for _ in range(20)]
    assert [True] * 10 + [False] * 10 == [each.is_shed for each in sockets]
    room.files = -5
    newest = Silent(room.half_opens)
    assert not newest.is_shed
    assert not Silent(Room(files=-5).half_opens).is_shed  # the only one


def test_a_listener_that_can_wait_does_so_as_long_as_nobody_has_had_his_time():
    room = Room(files=2)
    assert 0.0 == room.half_opens.wait_s()
    first = Silent(room.half_opens)
    room.loop.advance(0.1)
    Silent(room.half_opens)
    assert pytest.approx(GRACE_S - 0.1) == room.half_opens.wait_s()
    room.loop.advance(GRACE_S)
    assert 0.0 == room.half_opens.wait_s()
    room.half_opens.discard(first)
    assert 0.0 == room.half_opens.wait_s()


def test_each_that_is_cut_off_is_told_of():
    room = Room(files=1)
    for _ in range(3):
        Silent(room.half_opens)
    assert [("accept.shed", {"half_open": 1})] * 2 == room.notes.noticings


# The real daemon.


@contextmanager
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FLOOD + 500:
        pytest.skip(f"{FLOOD} sockets need a higher limit of open files than {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def flood(stack, port, count=FLOOD):
    """Sockets that connect and say nothing. Those in the kernel's queue are connected, too."""
    sockets = []
    for _ in range(count):
        sock = stack.enter_context(socket.socket())
        sock.settimeout(10)
        sock.connect(("127.0.0.1", port))
        sockets.append(sock)
    return sockets


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"))
    return (authority, *authority.sign("site"))


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_good_clients_come_in_within_a_second_while_two_thousand_say_nothing(daemon, pair, kind):
    authority, cert, key = pair
    tls = {"plain": "", "tls": f", tls: {{cert: '{cert}', key: '{key}'}}"}[kind]
    running = daemon(f"server: {{listen: {{address: 127.0.0.1:0{tls}}}}}\n{ROUTES}")
    context = ssl.create_default_context(cafile=authority.path) if tls else None
    url = f"{'wss' if tls else 'ws'}://localhost:{running.port}/echo"
    with many_files(), ExitStack() as stack:
        flood(stack, running.port)
        for _ in range(20):
            began = time.monotonic()
            with connect(url, ssl=context) as client:
                client.send("x")
                assert "x" == client.recv(timeout=5)
            assert time.monotonic() - began < 1.0
        assert MAX_HALF_OPEN >= running.wait_for("accept.shed")["half_open"]
    running.stop()
    records = running.find_records("accept.shed")
    left_out = [record["suppressed"] for record in running.find_records("log.suppressed", of="accept.shed")]
    assert len(records) < 200
    assert len(records) + sum(record.get("suppressed", 0) for record in records) + sum(left_out) >= FLOOD - MAX_HALF_OPEN - 500
    assert [] == running.find_records("handshake.refused", reason="timeout")


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_where_no_file_is_left_the_daemon_neither_spins_nor_fills_its_log_and_lets_in_who_comes_later(daemon, pair, kind):
    """Its limit is lowered while it runs to what it has open: `accept` itself fails then."""
    authority, cert, key = pair
    tls = {"plain": "", "tls": f", tls: {{cert: '{cert}', key: '{key}'}}"}[kind]
    running = daemon(f"server: {{listen: {{address: 127.0.0.1:0{tls}}}}}\n{ROUTES}")
    context = ssl.create_default_context(cafile=authority.path) if tls else None
    url = f"{'wss' if tls else 'ws'}://localhost:{running.port}/echo"
    with connect(url, ssl=context) as before, ExitStack() as stack:
        limits = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (most_open(running.process.pid) + 1, limits[1]))
        flood(stack, running.port, 50)
        used = cpu_s(running.process.pid)
        began = time.monotonic()
        while time.monotonic() - began < 1.0:  # it is served all the while
            before.send("x")
            assert "x" == before.recv(timeout=5)
            time.sleep(0.05)
        assert cpu_s(running.process.pid) - used < 0.5
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, limits)
        with connect(url, ssl=context) as later:
            later.send("x")
            assert "x" == later.recv(timeout=5)
    running.stop()
    assert len(running.records) < 20
    assert (kind == "tls") == len(running.find_records("accept.failed"))


def most_open(pid):
    return max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())


def cpu_s(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_at_the_limit_of_connections_newcomers_are_told_503_and_one_is_let_in_after_one_has_left(daemon):
    running = daemon("server: {limits: {connections: 40}}\n" + ROUTES)
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(running.url("/echo"))) for _ in range(40)]
        for _ in range(5):
            with pytest.raises(InvalidStatus) as refused:
                connect(running.url("/echo"))
            assert 503 == refused.value.response.status_code
        clients[0].close()
        running.wait_for("connection.closed")
        stack.enter_context(connect(running.url("/echo")))
