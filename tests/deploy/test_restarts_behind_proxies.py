"""Daemons that drain or restart behind nginx, HAProxy and Caddy: nobody is sent to one that goes, and a restart refuses nobody."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from websockets.exceptions import InvalidStatus

from support.daemon import Daemon, run_daemon
from support.proxies import LOCALHOST, PROGRAMS, Proxy, free_ports, run_proxy
from support.waiting import until

# The lines that the file has as comments, taken in; asked more often than they say.
CHECKS = {
    "haproxy": {"#option httpchk": "option httpchk", "#http-check": "http-check", "check inter 2s fall 3": "check inter 100ms fall 3"},
    "caddy": {"# health_uri": "health_uri", "# health_interval 2s": "health_interval 100ms", "lb_try_duration 5s": "lb_try_duration 500ms"},
}
TAKEN_OUT = {"haproxy": "Server wsrouter/one is DOWN", "caddy": "status code out of tolerances"}
DRAINING = "server: {{health: /healthz, listen: '127.0.0.1:{port}', shutdown: {{delay: 20s}}}}\nroutes: {{/echo: echo}}"


@pytest.fixture
def start(authority, tmp_path):
    """Starts a proxy of its own for a test: `start("nginx", upstream)`."""
    with ExitStack() as stack:
        yield lambda name, upstream, **more: stack.enter_context(run_proxy(name, upstream=upstream, folder=tmp_path / "proxy", authority=authority, **more))


@contextmanager
def newcomers(proxy: Proxy) -> Iterator[list[str]]:
    """Clients that come through the proxy one after the other while the body lasts; what becomes of each is in the list: `open`, or why not."""
    outcomes: list[str] = []
    is_over = threading.Event()

    def come() -> None:
        while not is_over.is_set():
            try:
                with proxy.connect("/echo"):
                    outcomes.append("open")
            except Exception as error:  # whatever it is, the test tells it
                outcomes.append(repr(error))

    threads = [threading.Thread(target=come) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield outcomes
    finally:
        is_over.set()
        for thread in threads:
            thread.join(20)


@pytest.mark.parametrize("name", CHECKS)
def test_a_daemon_that_drains_gets_no_newcomers_and_without_another_they_get_503(name, start, tmp_path):
    ports = free_ports(2)
    for each in ("one", "two"):
        (tmp_path / each).mkdir()
    with run_daemon(DRAINING.format(port=ports[0]), tmp_path / "one") as one, run_daemon(DRAINING.format(port=ports[1]), tmp_path / "two") as two:
        between = {"haproxy": " check inter 100ms\n    server two ", "caddy": " "}[name]
        proxy = start(name, f"{LOCALHOST}:{ports[0]}{between}{LOCALHOST}:{ports[1]}", changes=CHECKS[name])
        daemons = (one, two)

        def served() -> list[int]:
            return [len(daemon.find_records("connection.opened")) for daemon in daemons]

        for count in range(1, 31):
            with proxy.connect("/echo"):
                until(lambda count=count: sum(served()) == count)
            if all(served()):
                break
        assert all(served())  # both get some; Caddy picks at random
        one.send_signal(signal.SIGTERM)
        until(lambda: TAKEN_OUT[name] in proxy.transcript())
        before = served()
        for _ in range(10):
            with proxy.connect("/echo"):
                pass
        until(lambda: served()[1] == before[1] + 10)
        assert served()[0] == before[0]

        two.send_signal(signal.SIGTERM)

        def is_refused() -> bool:
            try:
                with proxy.connect("/echo"):
                    return False
            except InvalidStatus as refused:
                return refused.response.status_code == 503

        until(is_refused)
        for daemon in daemons:
            daemon.kill()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_restart_with_a_passed_socket_refuses_nobody_behind_a_proxy(name, start, tmp_path):
    with socket.create_server((LOCALHOST, 0), backlog=128) as held, ExitStack() as daemons:  # as systemd holds it
        port = held.getsockname()[1]
        site = f"server: {{listen: '{LOCALHOST}:{port}'}}\nroutes: {{/echo: echo}}"
        last = daemons.enter_context(run_daemon(site, tmp_path, passed=[held]))
        with newcomers(start(name, f"{LOCALHOST}:{port}")) as outcomes:
            until(lambda: len(outcomes) >= 10)
            assert last.stop() == 0
            following = daemons.enter_context(run_daemon(site, tmp_path, passed=[held]))
            assert_served(following, outcomes)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_restart_with_reuse_port_refuses_nobody_behind_a_proxy(name, start, tmp_path):
    (port,) = free_ports(1)
    site = f"server: {{listen: '{LOCALHOST}:{port}', reuse_port: true}}\nroutes: {{/echo: echo}}"
    with ExitStack() as daemons:
        last = daemons.enter_context(run_daemon(site, tmp_path))
        with newcomers(start(name, f"{LOCALHOST}:{port}")) as outcomes:
            until(lambda: len(outcomes) >= 10)
            following = daemons.enter_context(run_daemon(site, tmp_path))
            assert last.stop() == 0
            assert_served(following, outcomes)


def assert_served(following: Daemon, outcomes: list[str]) -> None:
    """The next daemon lets newcomers in, and of all that came nobody was refused."""
    served = len(outcomes)
    following.wait_for("connection.opened")
    until(lambda: len(outcomes) >= served + 10)
    assert set(outcomes) == {"open"}
