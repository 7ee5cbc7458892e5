"""A daemon that is stopped, killed, or asked to reload more often than it can."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import time

import pytest

from support.client import connect
from support.crowd import crowd
from support.daemon import run_daemon
from support.wire import CLOSE, TEXT, close_payload, frame, masked


def test_row_78_a_storm_of_signals_of_all_kinds_ends_nobody(daemon):
    running = daemon("routes: {/echo: echo}")
    with connect(running.url("/echo")) as client:
        for number in range(150):
            running.send_signal((signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)[number % 3])
        client.send("still there")
        assert "still there" == client.recv(timeout=5)
    assert len(running.find_records("reload.done")) <= 2


@pytest.mark.slow
def test_row_73_clients_that_take_nothing_do_not_hold_up_a_stop_and_the_others_are_closed_one_after_the_other(daemon):
    running = daemon("server: {shutdown: {spread: 2s, timeout: 4s}}\nroutes: {/echo: echo}")
    with crowd(running.port) as people, crowd(running.port) as stalled:
        stalled.knock("/echo", 10)
        for sock in stalled.members:
            sock.settimeout(0.2)
            with contextlib.suppress(TimeoutError):  # it reads nothing of what it gets back
                for _ in range(2000):
                    sock.sendall(masked(TEXT, b"x" * 50_000))
        people.knock("/echo", 500)
        begun = time.monotonic()
        running.send_signal(signal.SIGTERM)
        closes = 0
        with selectors.DefaultSelector() as selector:
            for sock in people.members:
                selector.register(sock, selectors.EVENT_READ)
            while closes < 500:
                for key, _ in selector.select(5):
                    assert frame(CLOSE, close_payload(1001, "shutdown")) == key.fileobj.recv(100)
                    key.fileobj.sendall(masked(CLOSE, close_payload(1001)))
                    selector.unregister(key.fileobj)
                    closes += 1
        spread_s = time.monotonic() - begun
        assert 0.5 < spread_s < 3.0, f"500 were closed within {spread_s:.2f} s"
        assert 0 == running.wait(within=6)
        assert time.monotonic() - begun < 5.5
    assert 510 == len(running.find_records("connection.closed"))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_row_74_two_thousand_clients_are_back_within_seconds_of_a_kill(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = f"server: {{listen: 127.0.0.1:{port}}}\nlog: {{connections: none}}\nroutes: {{/echo: echo}}"
    with crowd(port) as people:
        with run_daemon(site, tmp_path) as first:
            people.knock("/echo", 2000)
            assert 2000 == people.statuses[101]
            first.kill()
        for sock in people.members:
            with contextlib.suppress(ConnectionResetError):
                assert b"" == sock.recv(1)  # everybody sees at once that it is gone
        people.hang_up()
        with run_daemon(site, tmp_path):
            begun = time.monotonic()
            people.knock("/echo", 2000)  # all of them at once, without the patience that clients should have
            assert 2000 == people.ask_all()
            assert time.monotonic() - begun < 10.0
            assert {101: 4000} == dict(people.statuses)
            people.hang_up()
