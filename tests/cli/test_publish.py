"""`wsrouter publish`: what is sent, what is printed, and what is refused."""

from __future__ import annotations

import io
import json
import sys

import pytest

from support.client import connect
from support.control import ScriptedSteering, answering

ROOM = "routes: {'/room/{room}': broadcast}"


@pytest.fixture
def typed(monkeypatch):
    """Puts bytes on stdin."""
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_message_reaches_the_members_and_their_number_is_printed(wsrouter, daemon):
    running = daemon(ROOM)
    with connect(running.url("/room/red")) as one:
        running.wait_for("connection.opened")
        assert wsrouter("publish", "/room/red", "Message bien reçu") == (0, "1 member\n", "")
        assert one.recv(timeout=5) == "Message bien reçu"
        with connect(running.url("/room/red")) as two:
            running.wait_for("connection.opened", count=2)
            assert wsrouter("publish", "/room/red", '{"a":  1}').out == "2 members\n"
            assert (one.recv(timeout=5), two.recv(timeout=5)) == ('{"a":  1}', '{"a":  1}')


def test_a_topic_without_members_is_no_failure(wsrouter, daemon):
    daemon(ROOM)

    assert wsrouter("publish", "/room/none", "hi") == (0, "no members\n", "")
    assert json.loads(wsrouter("publish", "/room/none", "hi", "--json").out) == {
        "ok": True,
        "topic": "/room/none",
        "members": 0,
        "behind": 0,
        "known": False,
    }


@pytest.mark.parametrize(
    "arguments, stdin, message",
    [
        (("hi",), b"", "hi"),
        (("",), b"", ""),
        (("-",), b"two\nlines\r\n", "two\nlines"),
        (("-",), "é".encode(), "é"),
        (("--binary", "file"), b"", b"\x00\xff\n"),
        (("--binary", "-"), b"\xff\n", b"\xff\n"),
        (("--", "-x"), b"", "-x"),
    ],
)
def test_the_message_is_an_argument_or_stdin_or_the_bytes_of_a_file(wsrouter, write, typed, arguments, stdin, message):
    site = write("site.yaml", ROOM)
    (site.parent / "file").write_bytes(b"\x00\xff\n")
    typed(stdin)
    with answering(site, ScriptedSteering(members=5)) as steering:
        assert wsrouter("publish", "news", *arguments).out == "5 members\n"

    assert steering.published == [("news", message)]


@pytest.mark.parametrize(
    "arguments, stdin, code, error",
    [
        (("t",), b"", 2, "give a MESSAGE, - for stdin, or --binary FILE: one of them\n"),
        (("t", "hi", "--binary", "f"), b"", 2, "give a MESSAGE, - for stdin, or --binary FILE: one of them\n"),
        (("t", "--binary", "nowhere"), b"", 1, "nowhere: cannot be read: No such file or directory\n"),
        (("t", "-"), b"ab\xff", 1, "stdin is not UTF-8 (byte 2); --binary - sends any bytes\n"),
        (("t", "\udcff"), b"", 2, "the arguments are not UTF-8; wsrouter publish TOPIC --binary FILE sends any bytes\n"),
        (("", "hi"), b"", 1, "publish: topic is empty; a room's topic is its path, as /room/red\n"),
        (("t", "x" * (9 << 20)), b"", 1, "the line is longer than 8388608 bytes; this connection is closed\n"),
    ],
)
def test_what_cannot_be_sent_is_one_line(wsrouter, write, typed, arguments, stdin, code, error):
    site = write("site.yaml", ROOM)
    typed(stdin)
    with answering(site, ScriptedSteering()) as steering:
        assert wsrouter("publish", *arguments) == (code, "", error)
    assert not steering.published


def test_a_refusal_as_json_has_its_exit_code(wsrouter, write):
    with answering(write("site.yaml", ROOM), ScriptedSteering()):
        code, out, err = wsrouter("publish", "", "hi", "--json")

    assert (code, json.loads(out)["ok"], err) == (1, False, "")
