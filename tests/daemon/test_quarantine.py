"""The quarantine in the real daemon: a failing route is closed to newcomers for a while, and nobody else notices."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.client import connect
from support.daemon import Daemon
from support.waiting import until

SITE = """
plugins: {failures: 5, pause: 1s}
routes:
  /fails: fails
  /talks: talks
  /closing: closing
  /counts: counts
  /tasks: tasks
  /echo: echo
"""

PLUGINS = {
    "fails.py": """
from wsrouter import Handler

class Fails(Handler[str]):
    def on_message(self, connection, message):
        if message == "bad":
            raise ValueError(message)
        return message
""",
    "talks.py": """
async def talks(websocket):
    async for message in websocket:
        raise ValueError(message)
""",
    "closing.py": """
from wsrouter import Handler

class Closing(Handler[str]):
    async def on_message(self, connection, message):
        raise ValueError(message)

    async def on_close(self, connection, cause):
        raise LookupError("gone")
""",
    "counts.py": """
from wsrouter import Handler

class Counts(Handler[str]):
    def on_open(self, connection):
        if "bad" in connection.query:
            raise ValueError("on_open")

    def on_message(self, connection, message):
        raise ValueError(message)

    def on_close(self, connection, cause):
        raise LookupError("on_close")
""",
    "tasks.py": """
from wsrouter import Handler

class Tasks(Handler[str]):
    def start(self, context):
        self.context = context

    async def fail(self):
        raise ValueError("task")

    def on_message(self, connection, message):
        for _ in range(int(message)):
            self.context.spawn(self.fail())
        return "begun"
""",
}


def make_site(failures: int = 5, pause: str = "1s") -> str:
    return SITE.replace("failures: 5, pause: 1s", f"failures: {failures}, pause: {pause}")


def fail(running: Daemon, path: str, message: str = "bad") -> None:
    """A connection that meets a failure, and is closed for it."""
    with connect(running.url(path)) as client, suppress(ConnectionClosed):
        client.send(message)
        client.recv(timeout=5)


def refusal(running: Daemon, path: str) -> InvalidStatus | None:
    """How a newcomer is refused; None where it is let in."""
    try:
        with connect(running.url(path)):
            return None
    except InvalidStatus as error:
        return error


def test_a_route_that_fails_too_often_refuses_newcomers_for_a_while_and_nobody_else_notices(daemon):
    running = daemon(make_site(), plugins=PLUGINS)
    with connect(running.url("/fails")) as before, connect(running.url("/echo")) as other:
        for _ in range(6):
            fail(running, "/fails")
        told = running.wait_for("handler.quarantined")
        refused = refusal(running, "/fails")
        for client in (before, other):
            client.send("still here")
            assert "still here" == client.recv(timeout=5)
        assert refusal(running, "/echo") is None
        assert refused is not None
        assert (503, True) == (refused.response.status_code, 1 <= int(refused.response.headers["Retry-After"]) <= 2)

        running.wait_for("handler.released", route="/fails", handler="fails")
        assert refusal(running, "/fails") is None
        before.send("here all the time")
        assert "here all the time" == before.recv(timeout=5)

    assert told.pop("ts")
    assert told.pop("at").endswith("plugins/fails.py:7")
    assert "plugins/fails.py:7" in told.pop("fix")
    assert told == {
        "level": "error", "event": "handler.quarantined", "route": "/fails", "handler": "fails", "failures": 6, "connections": 6, "pause_s": 1.0,
        "error": "ValueError: bad",
    }  # fmt: skip
    record = running.wait_for("handshake.refused")
    assert (503, "quarantined", True) == (record["status"], record["reason"], "handler.failed" in record["fix"])
    assert 0 == running.stop()
    assert [1, 1] == [len(running.find_records(event)) for event in ("handler.quarantined", "handler.released")]


def test_right_after_the_release_two_failing_connections_close_it_again_and_one_does_not(daemon):
    running = daemon(make_site(pause="300ms"), plugins=PLUGINS)
    for _ in range(6):
        fail(running, "/fails")
    running.wait_for("handler.released")
    fail(running, "/fails")
    assert refusal(running, "/fails") is None
    fail(running, "/fails")
    assert 2 == running.wait_for("handler.quarantined", count=2)["failures"]
    running.wait_for("handler.released", count=2)


def test_one_connection_alone_does_not_close_a_route_however_often_it_fails(daemon):
    running = daemon(make_site(failures=1, pause="30s"), plugins=PLUGINS)
    fail(running, "/closing")
    running.wait_for("handler.failed", count=2, route="/closing")
    hooks = [(record["hook"], record["connection_id"]) for record in running.find_records("handler.failed")]
    opened = running.wait_for("connection.opened", route="/closing")["connection_id"]
    assert [("on_message", opened), ("on_close", opened)] == hooks
    assert refusal(running, "/closing") is None  # it was let in, and its on_close fails
    told = running.wait_for("handler.quarantined", route="/closing")
    assert (2, 2, "LookupError: gone") == (told["failures"], told["connections"], told["error"])


@pytest.mark.parametrize("abort", [False, True])
def test_a_plain_on_close_that_fails_is_counted_with_its_connection(daemon, abort):
    running = daemon(make_site(failures=1, pause="30s"), plugins=PLUGINS)
    for number in (1, 2):
        client = connect(running.url("/counts"))
        if abort:
            client.socket.close()
        client.close()
        running.wait_for("handler.failed", count=number, hook="on_close")
    told = running.wait_for("handler.quarantined", route="/counts")
    assert (2, 2) == (told["failures"], told["connections"])
    running.wait_for("connection.closed", count=2, by="client")


def test_a_failing_on_open_and_a_failing_coroutine_count(daemon):
    running = daemon(make_site(failures=2, pause="30s"), plugins=PLUGINS)
    for _ in range(3):
        fail(running, "/talks")
        with suppress(ConnectionClosed), connect(running.url("/counts?bad=1")) as client:
            client.recv(timeout=5)
    for route in ("/talks", "/counts"):
        assert 3 == running.wait_for("handler.quarantined", route=route)["connections"]


def test_background_tasks_that_fail_close_nothing_by_themselves(daemon):
    running = daemon(make_site(), plugins=PLUGINS)
    with connect(running.url("/tasks")) as client:
        client.send("20")
        assert "begun" == client.recv(timeout=5)
        running.wait_for("handler.failed", count=20, route="/tasks")
    assert refusal(running, "/tasks") is None
    assert [] == running.find_records("handler.quarantined")


def test_messages_of_the_wrong_type_are_the_clients_fault(daemon):
    running = daemon(make_site(failures=1), plugins=PLUGINS)
    for _ in range(5):
        with connect(running.url("/fails")) as client:
            client.send(b"binary")
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=5)
    assert refusal(running, "/fails") is None
    assert [] == running.find_records("handler.quarantined")


def test_failures_zero_never_closes_a_route(daemon):
    running = daemon(make_site(failures=0), plugins=PLUGINS)
    for _ in range(25):
        fail(running, "/fails")
    running.wait_for("handler.failed", count=25)
    assert refusal(running, "/fails") is None
    assert [] == running.find_records("handler.quarantined")


def test_the_pause_ends_while_the_daemon_is_stopped_without_ado(daemon):
    running = daemon(make_site(pause="1h"), plugins=PLUGINS)
    for _ in range(6):
        fail(running, "/fails")
    running.wait_for("handler.quarantined")
    assert until(lambda: refusal(running, "/fails")) is not None
    assert 0 == running.stop()
    assert [] == running.find_records("handler.released")


def test_a_mended_plugin_lets_clients_in_at_once_after_a_reload_and_an_untouched_route_stays_closed(daemon, tmp_path):
    running = daemon(make_site(pause="1h"), plugins=PLUGINS)
    for route in ("/fails", "/talks"):
        for _ in range(6):
            fail(running, route)
        running.wait_for("handler.quarantined", route=route)
    (tmp_path / "plugins" / "fails.py").write_text(PLUGINS["fails.py"].replace('"bad"', '"never"'), "utf-8")
    running.send_signal(signal.SIGHUP)
    until(lambda: refusal(running, "/fails") is None)
    with connect(running.url("/fails")) as client:
        client.send("bad")
        assert "bad" == client.recv(timeout=5)
    assert refusal(running, "/talks") is not None
    assert [] == running.find_records("handler.released")
