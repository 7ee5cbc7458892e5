"""deploy/nginx.conf with the real nginx: what is its own; what all proxies share is in test_any_proxy.py."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from support.daemon import run_daemon
from support.proxies import LOCALHOST, assert_old_workers_end, run_proxy
from support.waiting import until


@pytest.fixture
def daemon(tmp_path):
    with run_daemon("server: {trusted_proxies: [127.0.0.1]}\nroutes: {/echo: echo}", tmp_path) as running:
        yield running


@pytest.fixture
def start(authority, tmp_path, daemon):
    """Opens an nginx in front of the daemon, as a context."""
    return lambda **changes: run_proxy("nginx", upstream=f"{LOCALHOST}:{daemon.port}", folder=tmp_path / "proxy", authority=authority, **changes)


def assert_echo(client):
    client.send("hello")
    assert "hello" == client.recv(timeout=5)


def test_a_reload_of_nginx_leaves_open_connections_with_the_old_worker(start):
    with start() as proxy, proxy.connect("/echo") as client:
        before = proxy.workers()
        proxy.reload()
        until(lambda: proxy.workers() - before)
        with proxy.connect("/echo") as newcomer:
            assert_echo(newcomer)
        assert_echo(client)
        assert before & proxy.workers()


def test_old_workers_are_ended_after_their_time(start, daemon):
    with start(changes={"worker_shutdown_timeout 1h": "worker_shutdown_timeout 300ms"}) as proxy:
        assert_old_workers_end(proxy, daemon)


def test_no_connection_is_refused_while_nginx_reloads(start):
    with start() as proxy:
        before = proxy.workers()
        proxy.reload()
        come = 0
        while come < 30 or not proxy.workers() - before:
            with proxy.connect("/echo") as client:
                assert_echo(client)
            come += 1


@pytest.mark.parametrize(
    ("without", "status"),
    [
        ("proxy_http_version 1.1;", 505),
        ("proxy_set_header Upgrade $http_upgrade;", 426),
        ("proxy_set_header Connection $connection_upgrade;", 426),
        ("proxy_set_header Host $http_host;", 403),
    ],
)
def test_what_goes_wrong_without_a_line(start, without, status):
    with start(changes={without: ""}) as proxy, pytest.raises(InvalidStatus) as refused:
        proxy.connect("/echo", origin=f"https://{proxy.host}")
    assert status == refused.value.response.status_code
