"""What the real daemon tells systemd, by sd_notify(3): when it is ready, reloads and stops, how many are connected, and whether it is well."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.bare import upgrade
from support.client import connect
from support.daemon import start_process
from support.service_manager import FakeServiceManager, service_manager
from support.waiting import until_async
from wsrouter.daemon.bulletin import Bulletin
from wsrouter.daemon.service_manager import MOST_WAITING, ServiceManager, watchdog_s
from wsrouter.observe.logs import get_logger

ECHO = "routes: {/echo: echo}"
# Waits in its start, as long as a file is not there.
WAITS = """
import asyncio, pathlib
from wsrouter import Handler

class Waits(Handler):
    async def start(self, context):
        print("starting", flush=True)
        while not pathlib.Path("go").exists():
            await asyncio.sleep(0.01)
"""
BLOCKS = """
import time

async def blocks(websocket):
    async for message in websocket:
        print("blocking", flush=True)
        time.sleep(float(message))
        await websocket.send("done")
"""


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[FakeServiceManager]:
    with service_manager(tmp_path / "notify") as fake:
        yield fake


def test_it_is_ready_once_it_listens_and_not_before_its_handlers_have_started(daemon, systemd, tmp_path: Path) -> None:
    running = daemon("routes: {/waits: waits}", plugins={"waits.py": WAITS}, env=systemd.environment, listening=False)
    running.wait_for_output("starting")
    assert not systemd.messages
    (tmp_path / "go").touch()

    assert systemd.wait_for("READY=1")["STATUS"] == "serving, 0 connections"
    connect(running.url("/waits")).close()


def test_an_abstract_address_is_told_too(daemon, tmp_path: Path) -> None:
    with service_manager(f"@wsrouter-test-{tmp_path}"[:100]) as systemd:
        running = daemon(ECHO, env=systemd.environment)
        systemd.wait_for("READY=1")
        assert running.stop() == 0
        systemd.wait_for("STOPPING=1")


def test_the_status_counts_the_connections(daemon, systemd) -> None:
    running = daemon(ECHO, env={**systemd.environment, "WATCHDOG_USEC": "400000"})
    with connect(running.url("/echo")), connect(running.url("/echo")):
        systemd.wait_for("STATUS=serving, 2 connections")
    systemd.wait_for("STATUS=serving, 0 connections")


def test_a_reload_is_told_with_its_time_and_ends_before_it_is_answered(daemon, systemd, tmp_path: Path) -> None:
    daemon(ECHO, env=systemd.environment)
    systemd.wait_for("READY=1")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    reload = start_process(["reload", "--config", str(tmp_path / "site.yaml")], tmp_path, {})
    reload.communicate(timeout=15)
    assert reload.returncode == 0

    reloading = systemd.wait_for("RELOADING=1", within=1.0)
    assert before < int(reloading["MONOTONIC_USEC"]) < time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    systemd.wait_for("READY=1", count=2, within=1.0)
    assert [next(iter(message)) for message in systemd.messages] == ["READY", "RELOADING", "READY"]


def test_a_reload_that_fails_leaves_it_ready_and_the_status_says_so(daemon, systemd, tmp_path: Path) -> None:
    running = daemon(ECHO, env=systemd.environment)
    (tmp_path / "site.yaml").write_text("routes: {/echo: ech}")
    running.send_signal(signal.SIGHUP)
    systemd.wait_for("RELOADING=1")
    assert systemd.wait_for("READY=1", count=2)["STATUS"] == "serving, 0 connections; the last reload failed, see the log"

    (tmp_path / "site.yaml").write_text(ECHO)
    running.send_signal(signal.SIGHUP)
    assert systemd.wait_for("READY=1", count=3)["STATUS"] == "serving, 0 connections"


def test_a_drain_asks_for_time_and_counts_who_is_left(daemon, systemd) -> None:
    running = daemon(f"{ECHO}\nserver: {{shutdown: {{spread: 0s, timeout: 30s}}}}", env={**systemd.environment, "WATCHDOG_USEC": "400000"})
    with upgrade(running.url("/echo")):  # does not answer the close
        running.send_signal(signal.SIGTERM)
        stopping = systemd.wait_for("STOPPING=1")
        assert stopping["STATUS"] == "stopping, 1 connection left"
        assert stopping["EXTEND_TIMEOUT_USEC"] == "10000000"
        systemd.wait_for("EXTEND_TIMEOUT_USEC=10000000", count=4)
        systemd.wait_for("WATCHDOG=1", count=2)
    assert running.wait() == 0


def test_a_daemon_that_is_told_to_stop_while_it_starts_says_so_and_was_never_ready(daemon, systemd) -> None:
    running = daemon("routes: {/waits: waits}", plugins={"waits.py": WAITS}, env=systemd.environment, listening=False)
    running.wait_for_output("starting")
    running.send_signal(signal.SIGTERM)
    systemd.wait_for("STOPPING=1")
    assert running.wait() == 0
    assert not systemd.told("READY=1")


def test_signs_of_life_come_in_time(daemon, systemd) -> None:
    daemon(ECHO, env={**systemd.environment, "WATCHDOG_USEC": "1000000"})
    systemd.wait_for("WATCHDOG=1", count=4)
    at = [when for when, message in zip(systemd.came_at, systemd.messages, strict=False) if "WATCHDOG" in message]
    assert max(later - earlier for earlier, later in pairwise(at)) < 1.0


def test_who_stops_says_nothing_else_any_more(systemd) -> None:
    async def tell() -> None:
        loop = asyncio.get_running_loop()
        bulletin = Bulletin(ServiceManager(systemd.environment, loop, get_logger()), SimpleNamespace(is_well=True), lambda: 0, loop)  # type: ignore[arg-type]
        bulletin.stopping()
        bulletin.ready()
        bulletin.reloading()
        bulletin.reloaded(ok=True)
        bulletin.close()

    asyncio.run(tell())
    systemd.wait_for("STOPPING=1")
    assert len(systemd.messages) == 1


def test_what_is_not_well_is_not_called_alive(systemd) -> None:
    health = SimpleNamespace(is_well=False, lag_s=1.5)

    async def tell() -> None:
        loop = asyncio.get_running_loop()
        manager = ServiceManager({**systemd.environment, "WATCHDOG_USEC": "20000"}, loop, get_logger())
        bulletin = Bulletin(manager, health, lambda: 3, loop)  # type: ignore[arg-type]
        bulletin.ready()
        await asyncio.sleep(0.1)  # five times the time in which a sign of life is expected
        assert not systemd.told("WATCHDOG=1")
        health.is_well = True
        await asyncio.to_thread(systemd.wait_for, "WATCHDOG=1", 3)
        bulletin.close()

    asyncio.run(tell())
    assert systemd.messages[0] == {"READY": "1", "STATUS": "serving, 3 connections; not well: the event loop answered 1.5 s late"}
    assert systemd.messages[1] == {"WATCHDOG": "1", "STATUS": "serving, 3 connections"}


@pytest.mark.slow
def test_no_sign_of_life_comes_while_the_loop_is_not_well(daemon, systemd) -> None:
    running = daemon("routes: {/blocks: blocks}", plugins={"blocks.py": BLOCKS}, env={**systemd.environment, "WATCHDOG_USEC": "1000000"})
    systemd.wait_for("WATCHDOG=1")
    with connect(running.url("/blocks")) as client:
        client.send("2")
        assert client.recv() == "done"
        systemd.wait_until(lambda: any("not well: the event loop answered" in message.get("STATUS", "") for message in list(systemd.messages)), "not well")
        told = len(systemd.told("WATCHDOG=1"))
        client.send("0")
        assert client.recv() == "done"  # the loop turns again, but it was not well just now
        assert len(systemd.told("WATCHDOG=1")) == told
    systemd.wait_for("WATCHDOG=1", count=told + 1)  # and it recovers


def test_what_a_watchdog_of_another_process_wants_is_not_sent(daemon, systemd) -> None:
    running = daemon(ECHO, env={**systemd.environment, "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"})
    systemd.wait_for("READY=1")
    assert running.stop() == 0
    assert not systemd.told("WATCHDOG=1")


def test_the_end_by_a_watchdog_tells_where_the_loop_was(daemon) -> None:
    running = daemon("routes: {/blocks: blocks}", plugins={"blocks.py": BLOCKS})
    with connect(running.url("/blocks")) as client:
        client.send("60")
        running.wait_for_output("blocking")
        running.send_signal(signal.SIGABRT)
        assert running.wait() == -signal.SIGABRT
    assert any("blocks.py" in line for line in running.stray), running.transcript()


@pytest.mark.parametrize("address", ["relative", "/nowhere/notify", "@nobody-listens-here"])
def test_a_socket_that_cannot_be_told_is_one_warning_and_it_serves(daemon, address: str) -> None:
    running = daemon(ECHO, env={"NOTIFY_SOCKET": address})
    with connect(running.url("/echo")) as client:
        client.send("x")
        assert client.recv() == "x"
    assert running.stop() == 0
    assert len(running.find_records("systemd.unreachable")) == 1


def test_without_a_service_manager_nothing_is_said_of_one(daemon) -> None:
    running = daemon(ECHO)
    assert running.stop() == 0
    assert not running.find_records("systemd.unreachable")


def test_what_is_not_taken_at_once_is_told_later_and_in_order(daemon, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as busy, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        busy.bind(str(tmp_path / "notify"))
        other.setblocking(False)
        busy.settimeout(10)
        filled = 0
        with suppress(BlockingIOError):
            while True:
                other.sendto(b"FILLED=1", busy.getsockname())
                filled += 1
        running = daemon(ECHO, env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        running.send_signal(signal.SIGHUP)
        running.wait_for("reload.done")
        told = [busy.recv(4096).decode() for _ in range(filled + 3)][filled:]
        assert [line.partition("=")[0] for line in told] == ["READY", "RELOADING", "READY"]


@pytest.mark.anyio
async def test_what_is_not_taken_for_long_is_bounded_and_the_latest_is_kept(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as busy:
        busy.bind(str(tmp_path / "notify"))
        busy.setblocking(False)
        manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")}, asyncio.get_running_loop(), get_logger())
        for number in range(1000 + MOST_WAITING):
            manager.tell(f"STATUS={number}")
        at_once, later = read_all(busy), []

        def all_is_told() -> bool:
            later.extend(read_all(busy))
            return len(later) >= MOST_WAITING

        await until_async(all_is_told)
        manager.close()
    assert at_once == list(range(len(at_once)))
    assert later == list(range(1000, 1000 + MOST_WAITING))


def read_all(busy: socket.socket) -> list[int]:
    """The numbers of all that is there."""
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(int(busy.recv(100).removeprefix(b"STATUS=")))
    return found


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "2500000"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "42"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "43"}, None),  # meant for another process
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
    ],
)
def test_signs_of_life_are_wanted_of_the_process_that_is_named(variables: dict[str, str], expected: float | None) -> None:
    assert expected == watchdog_s(variables, pid=42)
