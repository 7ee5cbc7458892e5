"""What a plugin may do to the whole process, and what others may do to a plugin: the real daemon."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from support.client import connect
from support.control import request, socket_of
from support.daemon import SHORT_EXIT, Daemon

TAKES = """
import logging
import signal
import structlog

from wsrouter import Handler

logging.basicConfig(level=logging.DEBUG)

class Takes(Handler[str]):
    def start(self, context):
        signal.signal(signal.SIGHUP, print)
        context.log.info("started")
        structlog.configure(processors=[print])

    def on_message(self, connection, message):
        return message
"""


def test_a_handler_that_changes_the_process_is_named_and_what_would_break_it_is_put_back(daemon: Callable[..., Daemon], tmp_path: Path):
    running = daemon("routes: {/takes: takes}", plugins={"takes.py": TAKES})
    at_import, at_start = running.wait_for("handler.changed_process", when="import"), running.wait_for("handler.changed_process", when="start")
    assert ("takes", "warning", ["the root logger's handlers", "the root logger's level"]) == (at_import["handler"], at_import["level"], at_import["changed"])
    assert ("/takes", ["the handler of SIGHUP (put back)", "structlog's configuration (put back)"]) == (at_start["route"], at_start["changed"])
    with connect(running.url("/takes")) as client:
        client.send("x")
        assert "x" == client.recv()
    running.wait_for("connection.closed")
    running.send_signal(signal.SIGHUP)
    running.wait_for("reload.done")
    assert 2 == len(running.find_records("handler.changed_process"))


def test_a_handler_that_takes_the_signal_to_stop_does_not_keep_it(daemon: Callable[..., Daemon]):
    plugin = """
import asyncio, signal
from wsrouter import Handler

class Stubborn(Handler[str]):
    def start(self, context):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print, "never")
"""
    assert 0 == daemon("routes: {/stubborn: stubborn}", plugins={"stubborn.py": plugin}).stop(5)


LEAKS = """
import asyncio
from wsrouter import Handler

class Leaks(Handler[str]):
    def start(self, context):
        self.context = context

    def on_message(self, connection, message):
        for _ in range(int(message)):
            self.context.spawn(asyncio.sleep(1000), "wait")
        return "done"
"""


def test_tasks_that_only_grow_are_told_at_a_thousand_and_each_doubling(daemon: Callable[..., Daemon], tmp_path: Path):
    running = daemon("routes: {/leaks: leaks}", plugins={"leaks.py": LEAKS})
    with connect(running.url("/leaks")) as client:
        for count in ("1000", "1", "998", "2", "1"):
            client.send(count)
            assert "done" == client.recv()
        (route,) = request(socket_of(tmp_path / "site.yaml"), command="status")["routes"]
        assert (2002, {"wait": 2002}) == (route["tasks"], route["task_names"])
    running.wait_for("handler.tasks_leaked", count=2)
    told = [(record["route"], record["handler"], record["tasks"], record["names"]) for record in running.find_records("handler.tasks_leaked")]
    assert [("/leaks", "leaks", 1001, {"wait": 1001}), ("/leaks", "leaks", 2001, {"wait": 2001})] == told


def test_tasks_that_will_not_end_are_named(daemon: Callable[..., Daemon]):
    plugin = f"""
import asyncio
from wsrouter import Handler
{SHORT_EXIT}
async def deaf():
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass

class Deaf(Handler[str]):
    def start(self, context):
        context.spawn(deaf(), "deaf one")
"""
    running = daemon("routes: {/deaf: deaf}", plugins={"deaf.py": plugin})
    running.send_signal(signal.SIGTERM)
    left = running.wait_for("handler.tasks_left", within=10)
    assert ("/deaf", "deaf", 1, {"deaf one": 1}) == (left["route"], left["handler"], left["tasks"], left["names"])
    running.wait(15)


def test_a_plugin_that_becomes_writable_by_others_is_not_loaded_again(daemon: Callable[..., Daemon], tmp_path: Path):
    running = daemon("routes: {/hello: hello}", plugins={"hello.py": "async def hello(websocket):\n    await websocket.send('one')\n"})
    file = tmp_path / "plugins" / "hello.py"
    file.write_text(file.read_text().replace("one", "two"))
    file.chmod(0o777)
    answer = request(socket_of(tmp_path / "site.yaml"), command="reload")
    assert not answer["ok"]
    assert ["plugins/hello.py:1:1: every user may write here and so have any code run; chmod go-w plugins/hello.py"] == answer["problems"]
    with connect(running.url("/hello")) as client:
        assert "one" == client.recv()
    file.chmod(0o644)
    assert request(socket_of(tmp_path / "site.yaml"), command="reload")["ok"]
    with connect(running.url("/hello")) as client:
        assert "two" == client.recv()


@pytest.mark.parametrize(("arguments", "listens"), [((), False), (("--dev",), True)])
def test_run_refuses_what_others_may_write_and_run_dev_only_warns(daemon: Callable[..., Daemon], tmp_path: Path, arguments: tuple[str, ...], listens: bool):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins").chmod(0o777)
    plugins = {"hello.py": "async def hello(websocket):\n    pass\n"}
    running = daemon("log: {format: json}\nroutes: {/hello: hello}", plugins=plugins, args=arguments, listening=listens)
    if not listens:
        assert 78 == running.wait()
    assert any("chmod go-w plugins" in line and ("warning: " in line) is listens for line in running.stray)


def test_no_reload_problem_shows_what_a_variable_held(daemon: Callable[..., Daemon], tmp_path: Path):
    canary = "c4NaRy-7f3a9"
    site = "defaults: {{outbox: {{size: {}}}}}\nroutes: {{/echo: echo, /odd: odd}}"
    plugin = "async def odd(websocket):\n    pass\n"
    running = daemon(site.format("1MiB"), plugins={"odd.py": plugin}, env={"CANARY": canary})
    (tmp_path / "site.yaml").write_text(site.format('"${CANARY}"') + "\n")
    (tmp_path / "plugins" / "odd.py").write_text(f"raise OSError('redis://me:{canary}@cache is down')\n")
    answer = request(socket_of(tmp_path / "site.yaml"), command="reload")
    assert not answer["ok"]
    assert 2 == len(answer["problems"])
    assert canary not in str(answer) + str(request(socket_of(tmp_path / "site.yaml"), command="status")) + running.transcript()
