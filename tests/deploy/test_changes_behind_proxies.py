"""A silent connection, and a daemon that changes, behind nginx, HAProxy and Caddy; each test has a daemon and a proxy of its own."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from tempfile import TemporaryDirectory

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.daemon import run_daemon
from support.proxies import LOCALHOST, OTHER_CLIENT, PROGRAMS, free_ports, run_proxy
from support.wire import PING, PONG, frame, masked

# The times of silence in the shipped files, cut to a moment; Caddy has none for WebSockets, its idle and read_header are of requests.
IMPATIENT = {
    "nginx": {
        "proxy_read_timeout 60s": "proxy_read_timeout 600ms",
        "proxy_send_timeout 60s": "proxy_send_timeout 600ms",
        " send_timeout 60s": " send_timeout 600ms",
    },
    "haproxy": {"timeout tunnel 60s": "timeout tunnel 600ms", "timeout client 60s": "timeout client 600ms", "timeout server 60s": "timeout server 600ms"},
    "caddy": {"idle 60s": "idle 600ms", "read_header 5s": "read_header 600ms"},
}
# How each names a Unix socket.
UNIX = {"nginx": "unix:{}", "haproxy": "unix@{}", "caddy": "unix/{}"}


@pytest.fixture
def start(authority, tmp_path):
    """Starts a proxy of its own for a test: `start("nginx", upstream)`."""
    with ExitStack() as stack:
        yield lambda name, upstream, **more: stack.enter_context(run_proxy(name, upstream=upstream, folder=tmp_path / "proxy", authority=authority, **more))


def assert_echo(client, text="hello"):
    client.send(text)
    assert text == client.recv(timeout=5)


# Silence.


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_silent_connection_outlives_the_proxys_patience_thanks_to_pings(name, start, tmp_path):
    routes = "{/often: {echo: {}, keepalive: {ping: 100ms, pong: 20s}}, /mute: {echo: {}, keepalive: {ping: 0s}}}"
    with run_daemon(f"routes: {routes}", tmp_path) as daemon:
        proxy = start(name, f"{LOCALHOST}:{daemon.port}", changes=IMPATIENT[name])
        with proxy.raw("/often") as pinged, proxy.raw("/mute") as mute:
            for _ in range(12):  # for twice as long as the proxy's patience lasts
                head = pinged.read_exactly(2)
                pinged.send(masked(PONG, pinged.read_exactly(head[1])))
                assert frame(PING)[0] == head[0]
            if name == "caddy":
                mute.assert_nothing_more()
            else:
                assert b"" == mute.read_to_end()
                assert "client_abort" == daemon.wait_for("connection.closed", route="/mute")["cause"]
            assert [] == daemon.find_records("connection.closed", route="/often")


# The daemon changes.


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_reload_of_the_daemon_leaves_connections_through_the_proxy(name, start, tmp_path):
    with run_daemon("routes: {/echo: echo}", tmp_path) as daemon:
        proxy = start(name, f"{LOCALHOST}:{daemon.port}")
        with proxy.connect("/echo") as client:
            (tmp_path / "site.yaml").write_text("routes: {/echo: echo, /new: echo}")
            daemon.send_signal(signal.SIGHUP)
            daemon.wait_for("reload.done")
            assert_echo(client)
            with proxy.connect("/new") as newcomer:
                assert_echo(newcomer)


@pytest.mark.parametrize("name", PROGRAMS)
def test_clients_are_told_of_a_restart_and_come_back_through_the_proxy(name, start, tmp_path):
    (port,) = free_ports(1)
    site = f"server: {{listen: '{LOCALHOST}:{port}'}}\nroutes: {{/echo: echo}}"
    with run_daemon(site, tmp_path) as daemon:
        proxy = start(name, f"{LOCALHOST}:{port}")
        with proxy.connect("/echo") as client:
            assert_echo(client)
            assert 0 == daemon.stop()
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=5)
            assert 1001 == closed.value.rcvd.code
    if name == "nginx":
        with pytest.raises(InvalidStatus) as refused:
            proxy.connect("/echo")
        assert 502 == refused.value.response.status_code
        with run_daemon(site, tmp_path), proxy.connect("/echo") as client:
            assert_echo(client)
        return
    with socket.create_connection((LOCALHOST, proxy.port)) as plain, proxy.tls().wrap_socket(plain, server_hostname="localhost") as waiting:
        waiting.settimeout(10)
        waiting.sendall(proxy.head("/echo"))  # while nobody listens
        with run_daemon(site, tmp_path):
            answer = waiting.recv(4096)
            waiting.close()
        assert answer.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("name", PROGRAMS)
def test_clients_see_at_once_that_the_daemon_has_died(name, start, tmp_path):
    with run_daemon("routes: {/echo: echo}", tmp_path) as daemon:
        proxy = start(name, f"{LOCALHOST}:{daemon.port}")
        with proxy.connect("/echo") as client:
            daemon.process.kill()
            daemon.process.wait()
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=5)
            assert closed.value.rcvd is None


# A Unix socket between the two.


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_daemon_may_listen_on_a_unix_socket(name, start, tmp_path):
    with TemporaryDirectory(prefix="wsr-") as folder:
        path = f"{folder}/ws.sock"
        site = f"server: {{trusted_proxies: [unix], listen: {{address: 'unix:{path}', mode: '0660'}}}}\nroutes: {{/echo: echo}}"
        with run_daemon(site, tmp_path) as daemon:
            proxy = start(name, UNIX[name].format(path))
            with proxy.connect("/echo", client=OTHER_CLIENT, origin=f"https://{proxy.host}") as client:
                assert_echo(client)
                assert OTHER_CLIENT == daemon.wait_for("connection.opened")["client"]
