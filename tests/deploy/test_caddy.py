"""deploy/Caddyfile with the real Caddy: what is its own; what all proxies share is in test_any_proxy.py."""

from __future__ import annotations

import subprocess

import pytest
from websockets.exceptions import ConnectionClosed

from support.daemon import run_daemon
from support.proxies import LOCALHOST, run_proxy, shipped


@pytest.fixture
def daemon(tmp_path):
    with run_daemon("server: {trusted_proxies: [127.0.0.1]}\nroutes: {/echo: echo}", tmp_path) as running:
        yield running


@pytest.fixture
def proxy(authority, tmp_path, daemon):
    with run_proxy("caddy", upstream=f"{LOCALHOST}:{daemon.port}", folder=tmp_path / "proxy", authority=authority) as running:
        yield running


def assert_echo(client):
    client.send("hello")
    assert "hello" == client.recv(timeout=5)


def test_a_reload_of_caddy_closes_open_connections_and_clients_come_back(proxy, daemon):
    with proxy.connect("/echo") as client:
        assert_echo(client)
        proxy.reload()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
        # Caddy 2.6 sends a close frame both ways, the one to the daemon unmasked, and hangs up: what comes first is a matter of chance.
        assert daemon.wait_for("connection.closed")["cause"] in {"client_close", "client_abort", "protocol_error"}
    with proxy.connect("/echo") as again:
        assert_echo(again)


def test_the_file_is_formatted_as_caddy_does_it(tmp_path, proxy):
    path = tmp_path / "Caddyfile"
    path.write_text(shipped("caddy"))
    assert shipped("caddy") == subprocess.run(["caddy", "fmt", path], check=True, capture_output=True, text=True, timeout=10).stdout
