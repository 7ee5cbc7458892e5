"""deploy/haproxy.cfg with the real HAProxy: what is its own; what all proxies share is in test_any_proxy.py."""

from __future__ import annotations

import socket

import pytest
from websockets.exceptions import InvalidStatus

from support.daemon import run_daemon
from support.proxies import LOCALHOST, OTHER_CLIENT, assert_old_workers_end, run_proxy
from support.waiting import until


@pytest.fixture
def start(authority, tmp_path):
    """Opens an HAProxy in front of a daemon, as a context."""
    return lambda daemon, **changes: run_proxy(
        "haproxy", upstream=f"{LOCALHOST}:{daemon.port}", folder=tmp_path / "proxy", authority=authority, changes=changes.pop("changes", None)
    )


@pytest.fixture
def daemon(tmp_path):
    with run_daemon("server: {trusted_proxies: [127.0.0.1]}\nroutes: {/echo: echo}", tmp_path) as running:
        yield running


def assert_echo(client):
    client.send("hello")
    assert "hello" == client.recv(timeout=5)


def test_with_the_proxy_protocol_the_client_is_the_peer(start, tmp_path):
    site = "server: {trusted_proxies: [127.0.0.1], listen: {address: '127.0.0.1:0', proxy_protocol: require}}\nroutes: {/echo: echo}"
    with run_daemon(site, tmp_path) as daemon, start(daemon, changes={" check inter 2s": " send-proxy-v2 check inter 100ms"}) as proxy:
        with proxy.connect("/echo", client=OTHER_CLIENT, additional_headers={"Forwarded": "for=192.0.2.1"}) as client:
            assert_echo(client)
            assert daemon.wait_for("connection.opened")["peer"].startswith(f"{OTHER_CLIENT}:")
        assert [] == daemon.find_records("proxy.header_refused")
        assert "DOWN" not in proxy.transcript()


def test_a_daemon_that_requires_the_proxy_protocol_is_not_reached_without_it(start, tmp_path):
    site = "server: {trusted_proxies: [127.0.0.1], listen: {address: '127.0.0.1:0', proxy_protocol: require}}\nroutes: {/echo: echo}"
    with run_daemon(site, tmp_path) as daemon, start(daemon) as proxy:
        with pytest.raises(InvalidStatus) as refused:
            proxy.connect("/echo")
        assert 502 == refused.value.response.status_code
        daemon.wait_for("proxy.header_refused")


def test_a_reload_of_haproxy_leaves_open_connections_with_the_old_worker(start, daemon):
    with start(daemon) as proxy, proxy.connect("/echo") as client:
        before = proxy.workers()
        proxy.reload()
        until(lambda: "Proxy public stopped" in proxy.transcript())  # in the old worker
        with proxy.connect("/echo") as newcomer:
            assert_echo(newcomer)
        assert_echo(client)
        assert before < proxy.workers()


def test_old_workers_are_ended_after_their_time(start, daemon):
    with start(daemon, changes={"hard-stop-after 1h": "hard-stop-after 300ms"}) as proxy:
        assert_old_workers_end(proxy, daemon)


def test_no_connection_is_refused_while_haproxy_reloads(start, daemon):
    with start(daemon) as proxy:
        before = proxy.workers()
        proxy.reload()
        come = 0
        while come < 30 or not proxy.workers() - before:
            with proxy.connect("/echo") as client:
                assert_echo(client)
            come += 1


def test_health_checks_leave_no_records(start, daemon):
    with start(daemon, changes={"check inter 2s fall 3": "check inter 20ms fall 3"}) as proxy:
        for _ in range(10):
            with proxy.connect("/echo") as client:
                assert_echo(client)
        daemon.wait_for("connection.closed", count=10)
        assert {"listening", "connection.opened", "connection.closed"} == {record["event"] for record in daemon.records}


def test_a_daemon_that_is_down_is_marked_so_and_clients_get_503_at_once(start, daemon):
    with start(daemon, changes={"check inter 2s fall 3": "check inter 50ms fall 3"}) as proxy:
        daemon.stop()
        until(lambda: "is DOWN" in proxy.transcript())
        with pytest.raises(InvalidStatus) as refused:
            proxy.connect("/echo")
        assert 503 == refused.value.response.status_code


def test_haproxy_speaks_http_1_only_so_that_browsers_upgrade(start, daemon):
    with start(daemon) as proxy:
        context = proxy.tls()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with socket.create_connection((LOCALHOST, proxy.port)) as plain, context.wrap_socket(plain, server_hostname="localhost") as sock:
            assert "http/1.1" == sock.selected_alpn_protocol()
