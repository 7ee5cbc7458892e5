"""The real daemon while its log is in trouble, and what floods and secrets come to in it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.client import connect
from support.control import Answer, request, socket_of
from support.daemon import ROOT, Daemon, start_process
from support.waiting import until

SITE = "routes: {/echo: echo}"
CANARY = "c4NaRy-7f3a9-XYZ"


@contextmanager
def served(tmp_path: Path, stderr: int, site: str = SITE) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A daemon with this stderr on a port found beforehand; it must end with 0 within three seconds of SIGTERM."""
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "site.yaml").write_text(site)
    process = start_process(["run", "--config", "site.yaml", "--listen", f"127.0.0.1:{port}"], tmp_path, {}, stderr=stderr)
    try:
        assert until(lambda: answers(port), 10)
        yield process, f"ws://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(3) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def status(site: Path) -> Answer:
    return request(socket_of(site), command="status")


def test_a_full_disk_under_the_log_is_nobody_elses_trouble(tmp_path):
    with Path("/dev/full").open("w") as full, served(tmp_path, full.fileno()) as (_, url):
        for number in range(100):
            with connect(f"{url}/echo") as client:
                client.send(str(number))
                assert str(number) == client.recv()
        assert until(lambda: status(tmp_path / "site.yaml")["log_dropped"] >= 200)


def test_clients_are_served_while_nobody_reads_the_log_and_what_was_lost_is_told_later(tmp_path):
    """Sixteen thousand records with long names: a pipe takes 64 KiB, the queue 10,000 lines, and the rest is lost."""
    site = 'log: {level: debug}\nserver: {limits: {handshake: 30s}}\nroutes: {"/echo/{rest:path}": echo}'
    read, write = os.pipe()
    with os.fdopen(read, "rb") as log:
        try:
            with served(tmp_path, write, site) as (_, url):
                os.close(write)
                address = urlsplit(url)
                longest = 0.0
                with connect(f"{url}/echo/steady") as client:
                    for _ in range(40):
                        open_and_leave(address.port, 200)
                        began = time.perf_counter()
                        client.send("still there?")
                        assert "still there?" == client.recv(2)
                        longest = max(longest, time.perf_counter() - began)
                assert longest < 0.5
                assert status(tmp_path / "site.yaml")["log_dropped"] > 1000
                lines: list[bytes] = []
                reader = threading.Thread(target=lambda: lines.extend(log), daemon=True)
                reader.start()
                assert until(lambda: any(b'"log.dropped"' in line for line in list(lines)), 10)
                with connect(f"{url}/echo/afterwards"):
                    assert until(lambda: any(b"/echo/afterwards" in line for line in list(lines)), 5)
            reader.join(5)
        finally:
            with suppress(OSError):
                os.close(write)
    records = [json.loads(line) for line in lines]
    (told,) = (record for record in records if record["event"] == "log.dropped")
    assert told["lines"] > 1000
    kept = [record for record in records if record["event"] in ("connection.opened", "connection.closed")]
    assert 10_000 <= len(kept)
    assert len(kept) + told["lines"] == 2 * (1 + 8000 + 1), "each record of a connection is there or counted"
    assert [record["ts"] for record in kept] == sorted(record["ts"] for record in kept)


def open_and_leave(port: int | None, count: int) -> None:
    """So many connections that are upgraded and cut off."""
    head = (
        "GET /echo/{} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).format("x" * 200)
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.sendall(head.encode())
            assert b"101" in client.recv(4096)


def test_a_stalled_log_does_not_hold_up_the_end(tmp_path):
    read, write = os.pipe()
    try:
        os.set_blocking(write, False)
        with suppress(BlockingIOError):
            while True:
                os.write(write, b"x" * 4096)
        os.set_blocking(write, True)
        with served(tmp_path, write):  # which asks for an end within three seconds
            pass
    finally:
        os.close(read)
        os.close(write)


def test_a_daemon_without_stderr_serves(tmp_path):
    shell = subprocess.Popen(["sh", "-c", 'exec "$0" "$@" 2>&-', *start_arguments(tmp_path)], cwd=tmp_path, stdout=subprocess.DEVNULL, env=environment())
    try:
        assert until(lambda: bool(list(tmp_path.glob("ws.sock"))), 10)
        assert "serving" == status(tmp_path / "site.yaml")["state"]
        shell.send_signal(signal.SIGTERM)
        assert 0 == shell.wait(5)
    finally:
        shell.kill()
        shell.wait()


def start_arguments(folder: Path) -> list[str]:
    (folder / "site.yaml").write_text(SITE)
    return [sys.executable, "-m", "wsrouter", "run", "--config", "site.yaml", "--listen", f"unix:{folder}/ws.sock"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_ten_thousand_malformed_connections_give_less_than_100_kb_of_log(daemon: Callable[..., Daemon], count: int):
    running = daemon(SITE)
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", running.port), 5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nnonsense\r\n\r\n")
            client.recv(4096)
    running.stop()
    refused = running.find_records("handshake.refused")
    size = sum(len(json.dumps(record)) for record in running.records)
    assert size < 100_000
    told = [*refused, *running.find_records("log.suppressed", of="handshake.refused")]
    assert count == len(refused) + sum(record.get("suppressed", 0) for record in told)


FAILING = """
class Gone(Exception):
    pass

async def failing(websocket):
    authorization = websocket.request.headers["Authorization"]
    local = "-".join(["of", "a", "local", "variable"])
    async for message in websocket:
        raise Gone(f"redis://me:{message}@cache/0 refused; GET https://api.example/a?sid={message}; Authorization: {authorization}, Cookie: {websocket.request.headers['Cookie']}")
"""


def test_no_secret_is_in_records_status_and_answers(daemon: Callable[..., Daemon]):
    running = daemon("routes: {/failing: failing, /echo: echo}", plugins={"failing.py": FAILING})
    headers = {"Authorization": f"Bearer {CANARY}", "Cookie": f"sid={CANARY}", "X-Request-ID": "r1"}
    with connect(f"{running.url('/failing')}?token={CANARY}", additional_headers=headers, subprotocols=["bearer", CANARY]) as client:
        client.send(CANARY)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
    assert CANARY not in str(closed.value)
    failed = running.wait_for("handler.failed")
    assert "redis://***@cache/0 refused" in failed["error"]
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{running.url('/nowhere')}?token={CANARY}", additional_headers=headers)
    assert CANARY not in str(refused.value)
    told = running.transcript() + json.dumps(status(Path(running.find_records("listening")[0]["site"])))
    assert CANARY not in told
    assert "Traceback" in failed["traceback"]
    assert "of-a-local-variable" not in told


def test_tracebacks_are_told_once_a_second_and_the_others_are_counted(daemon: Callable[..., Daemon]):
    plugin = "async def failing(websocket):\n    await websocket.recv()\n    raise ValueError('no')\n"
    running = daemon("plugins: {folders: [plugins], failures: 0}\nroutes: {/failing: failing}", plugins={"failing.py": plugin})
    for _ in range(20):
        with connect(running.url("/failing")) as client:
            client.send("x")
            with suppress(ConnectionClosed):
                client.recv()
    running.wait_for("handler.failed", count=20)
    found = running.find_records("handler.failed")
    with_text = [record for record in found if "traceback" in record]
    assert 1 <= len(with_text) <= 5
    assert all({"error", "at"} <= record.keys() for record in found)
