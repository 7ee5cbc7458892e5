"""What is seen of a server's process from outside."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

import pytest

from loadtest.facts import describe_machine, describe_versions, find_listener
from loadtest.lab_daemon import is_wrong
from loadtest.sampler import Cpu, Pinger, Sampler, count_fds
from support.client import connect
from support.daemon import Daemon
from support.waiting import until

MakeDaemon = Callable[..., Daemon]

BLOCK = """
import time

from wsrouter import Handler


class Block(Handler[str]):
    def on_message(self, connection, message):
        time.sleep(float(message))
        return message
"""


def test_a_daemon_is_sampled_while_it_runs_and_its_loop_is_seen_to_block(daemon: MakeDaemon) -> None:
    running = daemon("routes: {/idle: echo, /block: block}", plugins={"block.py": BLOCK})
    sampler = Sampler(running.process.pid, running.url("/idle"), os.getpid())
    sampler.start()
    try:
        until(lambda: any(sample.lag_s for sample in sampler.samples), 10)
        with connect(running.url("/block")) as client:
            client.send("0.5")
            client.recv()
        until(lambda: max(sample.lag_s or 0.0 for sample in sampler.samples) > 0.35, 10)
    finally:
        samples = sampler.stop()
    assert all(sample.memory_bytes is not None and sample.memory_bytes > 10 << 20 for sample in samples)
    assert all(sample.fds is not None and sample.fds > 3 for sample in samples)


def test_a_ping_that_is_not_answered_yet_counts_already() -> None:
    pinger = Pinger("ws://127.0.0.1:1")
    pinger._asked_at = time.monotonic() - 2.0
    assert 2.0 <= (pinger.take_worst_s() or 0.0) < 3.0


def test_the_worst_is_told_once() -> None:
    pinger = Pinger("ws://127.0.0.1:1")
    pinger._worst = 0.25
    assert [0.25, None] == [pinger.take_worst_s(), pinger.take_worst_s()]


def test_a_process_that_works_all_the_time_uses_a_core() -> None:
    cpu = Cpu(os.getpid())
    cpu.percent()
    begun = time.process_time()
    while time.process_time() < begun + 0.2:
        pass
    percent = cpu.percent()
    assert percent is not None
    assert 20 < percent < 200


def test_the_process_behind_an_address_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert os.getpid() == find_listener(f"ws://127.0.0.1:{port}/echo")
    assert find_listener(f"ws://127.0.0.1:{port}/echo") is None
    assert find_listener("wss://example.com/echo") is None


def test_files_are_counted() -> None:
    before = count_fds(os.getpid())
    with socket.socket():
        assert before + 1 == count_fds(os.getpid())


@pytest.mark.parametrize(
    ("line", "wrong"), [('{"level":"info"}', False), ('{"level":"warning"}', False), ('{"level":"error"}', True), ("Traceback:", True), ("[]", True)]
)
def test_errors_and_what_is_no_record_are_wrong_in_a_log(line: str, wrong: bool) -> None:
    assert wrong is is_wrong(line)


def test_a_report_names_the_machine_and_the_versions() -> None:
    assert "cores" in describe_machine()
    assert "websockets 17" in describe_versions()
