"""Peers and daemons that stand still, lines that are cut, clocks that jump."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time

import pytest

from support.client import connect
from support.crowd import crowd
from support.daemon import ROOT
from support.raw import raw_client
from support.wire import FIN, PING, PONG, TEXT, masked

PATIENT = "defaults: {keepalive: {ping: 200ms, pong: 500ms}}\nroutes: {/echo: echo}"

CLIENT = """
import sys
sys.path.insert(0, {tests!r})
from support.raw import raw_client
from support.wire import PONG, masked
with raw_client({port}) as client:
    client.sock.settimeout(30)
    client.upgrade("/echo")
    print(client.address, flush=True)
    while True:
        head = client.read_exactly(2)
        client.send(masked(PONG, client.read_exactly(head[1])))
"""

CUT_LINE = """
import sys
sys.path.insert(0, {tests!r})
import fcntl, socket, struct
from pathlib import Path
from support.daemon import run_daemon
from support.raw import raw_client

def set_loopback(is_up):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = 0x49 if is_up else 0x48  # IFF_LOOPBACK | IFF_RUNNING, and IFF_UP
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh", b"lo", flags))  # SIOCSIFFLAGS

set_loopback(True)
with run_daemon({site!r}, Path({folder!r})) as daemon, raw_client(daemon.port) as client:
    client.upgrade("/echo")
    daemon.wait_for("connection.opened")
    set_loopback(False)
    record = daemon.wait_for("connection.closed", within=20, peer=client.address)
    print("cause", record["cause"], "code", record["code"])
    set_loopback(True)
"""


@pytest.mark.slow  # the close frame, too, gets its five seconds
def test_row_43_a_client_that_is_frozen_is_found_by_its_missing_pong_and_its_neighbour_stays(daemon):
    running = daemon(PATIENT)
    with subprocess.Popen([sys.executable, "-c", CLIENT.format(tests=str(ROOT / "tests"), port=running.port)], stdout=subprocess.PIPE, text=True) as client:
        try:
            address = client.stdout.readline().strip()
            with connect(running.url("/echo"), ping_interval=None) as neighbour:
                client.send_signal(signal.SIGSTOP)
                record = running.wait_for("connection.closed", within=15, peer=address)
                assert ("ping_timeout", 1011) == (record["cause"], record["code"])
                neighbour.send("unharmed")
                assert "unharmed" == neighbour.recv(timeout=5)
        finally:
            client.kill()


@pytest.mark.slow
def test_row_42_a_cut_line_is_found_by_the_ping_that_nobody_answers(tmp_path):
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace may be made here (unshare -rn)")
    script = CUT_LINE.format(tests=str(ROOT / "tests"), site=PATIENT, folder=str(tmp_path))
    done = subprocess.run([unshare, "-rn", sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False)
    assert "cause ping_timeout code 1011" == done.stdout.strip(), done.stderr


def test_row_44_a_busy_client_that_answers_pings_only_between_its_messages_is_kept(daemon):
    running = daemon("defaults: {keepalive: {ping: 100ms, pong: 300ms}}\nroutes: {/echo: echo}")
    pings = 0
    with raw_client(running.port) as client:
        client.upgrade("/echo")
        end = time.monotonic() + 1.0  # three times the deadline of a pong
        while time.monotonic() < end:
            client.send(masked(TEXT, b"busy") * 50)
            answered = 0
            while answered < 50:
                first, length = client.read_exactly(2)
                payload = client.read_exactly(length)
                if first == FIN | PING:
                    client.send(masked(PONG, payload))
                    pings += 1
                else:
                    assert b"busy" == payload
                    answered += 1
        assert pings >= 3
        assert [] == running.find_records("connection.closed")


@pytest.mark.parametrize("stopped_s", [1.5, pytest.param(30.0, marks=pytest.mark.slow)])
def test_row_89_a_daemon_that_stood_still_keeps_all_connections_and_makes_up_for_no_pushes(daemon, stopped_s):
    every_s = 0.25
    running = daemon("routes:\n  /echo: echo\n  /tick: {periodic: {every: 250ms, message: '{n}'}}")
    with crowd(running.port) as people, connect(running.url("/tick"), ping_interval=None) as ticker:
        people.knock("/echo", 50)
        begun = time.monotonic()
        before = int(ticker.recv(timeout=5))
        running.send_signal(signal.SIGSTOP)
        time.sleep(stopped_s)  # not for an outcome: it is the time in which it stands still
        running.send_signal(signal.SIGCONT)
        continued = time.monotonic()
        numbers = [int(ticker.recv(timeout=5)) for _ in range(4)]
        took_s = time.monotonic() - continued
        assert list(range(before + 1, before + 5)) == numbers
        # One may be late; the others are due at their times.
        assert took_s > 2 * every_s, f"four pushes in {took_s:.2f} s after {continued - begun:.1f} s"
        assert 50 == people.ask_all()
    assert not [record for record in running.find_records("connection.closed") if record["cause"] == "ping_timeout"]


SLEEPS = """
import time

async def sleeps(websocket):
    async for seconds in websocket:
        time.sleep(float(seconds))
        await websocket.send("woke")
"""


@pytest.mark.parametrize("how", ["stopped", "blocked"])
def test_row_47_a_pong_that_came_while_the_loop_stood_still_is_read_before_its_client_is_judged(daemon, how):
    site = "defaults: {keepalive: {ping: 200ms, pong: 300ms}}\nroutes: {/echo: echo, /sleeps: {sleeps: {}, keepalive: {ping: 0s}}}"
    running = daemon(site, plugins={"sleeps.py": SLEEPS})
    with raw_client(running.port) as client, connect(running.url("/sleeps")) as sleeper:
        client.upgrade("/echo")
        head = client.read_exactly(2)
        ping = client.read_exactly(head[1])
        if how == "stopped":
            running.send_signal(signal.SIGSTOP)
        else:
            sleeper.send("1.2")
        time.sleep(0.1)  # not for an outcome: it stands still from here on
        client.send(masked(PONG, ping) + masked(TEXT, b"here all the time"))
        time.sleep(1.1)  # more than the deadline of the pong
        if how == "stopped":
            running.send_signal(signal.SIGCONT)
        else:
            assert "woke" == sleeper.recv(timeout=5)
        while (head := client.read_exactly(2))[0] == FIN | PING:
            client.send(masked(PONG, client.read_exactly(head[1])))
        assert (FIN | TEXT, b"here all the time") == (head[0], client.read_exactly(head[1]))
    assert not running.find_records("connection.closed", cause="ping_timeout")


JUMPS = """
import time
from datetime import timedelta
from wsrouter.daemon import clock

wall, now = time.time, clock.SystemClock.now

async def jumps(websocket):
    async for hours in websocket:
        time.time = lambda: wall() + 3600 * float(hours)
        clock.SystemClock.now = lambda self: now(self) + timedelta(hours=float(hours))
        await websocket.send("done")
"""


def test_row_88_a_wall_clock_that_jumps_closes_nobody_and_moves_no_push(daemon):
    site = """
defaults: {keepalive: {ping: 200ms, pong: 500ms}, limits: {idle: 20s, age: 1h, message_rate: 1000/s}}
routes: {/jumps: jumps, /echo: echo, /tick: {periodic: {every: 100ms, message: "{n}"}}}
"""
    running = daemon(site, plugins={"jumps.py": JUMPS})
    with connect(running.url("/jumps")) as clock, connect(running.url("/echo")) as client, connect(running.url("/tick")) as ticker:
        first = int(ticker.recv(timeout=5))
        for hours in ("1", "-2", "1000000", "0"):
            clock.send(hours)
            assert "done" == clock.recv(timeout=5)
            begun = time.monotonic()
            numbers = [int(ticker.recv(timeout=5)) for _ in range(3)]
            assert list(range(first + 1, first + 4)) == numbers
            assert 0.1 < time.monotonic() - begun < 2.0
            first = numbers[-1]
            client.send(hours)
            assert hours == client.recv(timeout=5)
        assert [] == running.find_records("connection.closed")
