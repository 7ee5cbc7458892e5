"""Promises of docs/behaviour.md that no other test keeps, against the real daemon."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosedError

from support.client import connect

PLUGIN = """
from wsrouter import Handler


class Fails(Handler):
    def on_message(self, connection, message):
        if message == "bad":
            raise ValueError(message)
        return message
"""


def test_a_client_over_its_message_rate_is_closed_and_others_are_not(daemon):
    running = daemon("routes: {/echo: {echo: , limits: {message_rate: {rate: 1/h, burst: 3}}}}")
    with connect(running.url("/echo")) as greedy, connect(running.url("/echo")) as modest:
        for text in ("one", "two", "three"):
            greedy.send(text)
            assert text == greedy.recv(timeout=5)
        greedy.send("four")
        with pytest.raises(ConnectionClosedError) as closed:
            greedy.recv(timeout=5)

        assert (1008, "rate_limit") == (closed.value.rcvd.code, closed.value.rcvd.reason)
        modest.send("still here")
        assert "still here" == modest.recv(timeout=5)
    running.wait_for("connection.closed", cause="rate_limit", code=1008, by="server")


def test_a_client_over_its_byte_rate_is_closed(daemon):
    running = daemon("routes: {/echo: {echo: , limits: {byte_rate: {rate: 1/h, burst: 100}}}}")
    with connect(running.url("/echo")) as client:
        client.send("x" * 200)
        assert "x" * 200 == client.recv(timeout=5)
        client.send("y")
        with pytest.raises(ConnectionClosedError):
            client.recv(timeout=5)
    running.wait_for("connection.closed", cause="rate_limit")


def test_the_daemon_ends_every_connection_with_one_record_when_it_is_stopped(daemon):
    running = daemon("routes: {/echo: echo}")
    with connect(running.url("/echo")), connect(running.url("/echo")):
        assert running.stop() == 0
    assert ["shutdown", "shutdown"] == [record["cause"] for record in running.find_records("connection.closed")]
    assert 2 == len(running.find_records("connection.opened"))


def test_a_failing_handler_closes_only_the_connection_that_it_failed_for(daemon):
    running = daemon("routes: {/fails: fails}", plugins={"fails.py": PLUGIN})
    with connect(running.url("/fails")) as unlucky, connect(running.url("/fails")) as other:
        unlucky.send("bad")
        with pytest.raises(ConnectionClosedError) as closed:
            unlucky.recv(timeout=5)
        other.send("good")

        assert (1011, "good") == (closed.value.rcvd.code, other.recv(timeout=5))
    running.wait_for("connection.closed", count=2)
    assert 1 == len(running.find_records("handler.failed"))
