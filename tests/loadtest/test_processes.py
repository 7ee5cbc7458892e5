"""What the bench knows of processes: their clocks, their memory, their children, their end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from loadtest import processes
from loadtest.processes import MeasureError, Server, choose_cpus, cpu_s, find_port, memory_bytes, process_tree, run_generator, run_server


def test_the_port_is_taken_from_the_listening_record_once_its_line_is_whole():
    record = '{"event": "listening", "addresses": ["ws://127.0.0.1:4711"]}\n'

    assert find_port("some words\n" + record + "{}\n") == 4711
    assert find_port(record[:-5]) is None
    assert find_port("") is None


def test_servers_and_generators_get_a_cpu_each_where_there_are_two():
    assert choose_cpus({3, 1, 2}) == (1, 2)
    assert choose_cpus({5}) == (None, None)


def test_the_clock_of_a_process_counts_its_work_and_not_its_waiting():
    with subprocess.Popen([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass\nprint()\ninput()"], stdin=-1, stdout=-1) as child:
        assert child.stdout is not None
        child.stdout.readline()
        busy = cpu_s(child.pid)
        time.sleep(0.2)
        assert busy == pytest.approx(cpu_s(child.pid), abs=0.02)
        child.kill()

    assert 0.2 <= busy < 0.4


def test_the_memory_of_a_process_is_what_it_holds():
    code = "print(flush=True); input(); held = b'x' * (32 << 20); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, bufsize=0) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.readline()
        before = memory_bytes(child.pid)
        child.stdin.write(b"\n")
        child.stdout.readline()
        after = memory_bytes(child.pid)
        child.kill()

    assert 30 << 20 < after - before < 40 << 20


def test_a_tree_holds_the_children_of_children():
    inner = "import subprocess, sys; print(subprocess.Popen(['sleep', '20']).pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", inner], stdin=-1, stdout=-1, start_new_session=True) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert process_tree(child.pid) == [child.pid, grandchild]
        os.killpg(child.pid, signal.SIGKILL)


def test_a_server_ends_with_the_body_also_when_that_fails():
    def fail_while_it_runs() -> None:
        with run_server("websockets", None) as server:
            servers.append(server)
            server.wait_until_it_listens()
            assert server.process.poll() is None
            raise ZeroDivisionError

    servers: list[Server] = []
    with pytest.raises(ZeroDivisionError):
        fail_while_it_runs()

    assert [server.process.poll() for server in servers] == [0]


def test_a_server_that_does_not_start_is_told_with_what_it_said(monkeypatch):
    monkeypatch.setitem(processes.COMMANDS, "wsrouter", [sys.executable, "-c", "print('no such site')"])

    with pytest.raises(MeasureError, match="wsrouter does not listen; it said: no such site"), run_server("wsrouter", None) as server:
        server.wait_until_it_listens()


def test_a_generator_that_finds_no_server_says_so():
    with pytest.raises(MeasureError, match=r"generator: .*refused"), run_generator(1, ["/echo", "echo", 1, 1, 16], None) as generator:
        generator.wait_until_ready()
