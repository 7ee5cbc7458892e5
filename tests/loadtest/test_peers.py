"""The servers that `./dev compare` measures: each that is installed here echoes, and sends to a room what one member says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loadtest.peers import peer as peer_module
from loadtest.peers.outfit import LOCK, NPM_LOCK
from loadtest.peers.peer import Peer, peers
from loadtest.processes import run_on_port
from support.client import connect

PEERS = {peer.name: peer for peer in peers()}
IN_OUR_OWN = {"websockets", "aiohttp"}  # the packages of these are those of the tests, too


@pytest.fixture(params=PEERS)
def peer(request, monkeypatch) -> Peer:
    found = PEERS[request.param]
    if found.name in IN_OUR_OWN:
        monkeypatch.setattr(peer_module, "PYTHON", Path(sys.executable))
    if why := found.missing():
        pytest.skip(why)
    return found


def test_a_peer_does_what_its_rows_ask_of_it(peer, tmp_path):
    with run_on_port(peer.name, lambda port: peer.command(port, tmp_path), None) as server:
        at = f"ws://127.0.0.1:{server.port}"
        if "echo" in peer.modes:
            with connect(f"{at}/echo", compression="deflate") as client:
                assert client.response.headers.get("Sec-WebSocket-Extensions") is None
                client.send("hello")
                assert "hello" == client.recv(5).rstrip("\n")
        if "fan" in peer.modes:
            with connect(f"{at}/room/a") as one, connect(f"{at}/room/a") as two, connect(f"{at}/room/b") as other:
                one.send("to a")
                assert ["to a", "to a"] == [one.recv(5), two.recv(5)]
                other.send("to b")
                assert "to b" == other.recv(5)


def test_a_peer_tells_its_versions(peer):
    found = peer.versions()

    assert found
    assert all(number[0].isdigit() for number in found.values()), found


def test_wsrouter_is_the_first_and_nobody_is_twice():
    assert "wsrouter" == peers()[0].name
    assert len(PEERS) == len(peers())


def test_what_is_installed_for_peers_is_pinned_by_hashes_and_names_no_registry():
    lock = LOCK.read_text("utf-8")

    assert all(f"\n{name}==" in f"\n{lock}" for name in ("aiohttp", "fastapi", "uvicorn", "uvloop", "websockets"))
    assert lock.count("--hash=sha256:") > lock.count("==")
    assert '"integrity": "sha512-' in NPM_LOCK.read_text("utf-8")
    assert "://" not in NPM_LOCK.read_text("utf-8").replace('"https://github.com/sponsors/', "")
