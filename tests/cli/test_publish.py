"""`wsrouter publish`: what is sent, what is printed, and what is refused."""

from __future__ import annotations

import io
import json
import sys

import pytest

from support.client import connect
from support.control import ScriptedSteering, answering
from wsrouter.cli.publish import summary

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

    assert wsrouter("publish", "/room/none", "hi") == (0, "no members: nobody has joined a topic of this name\n", "")
    assert json.loads(wsrouter("publish", "/room/none", "hi", "--json").out) == {
        "ok": True,
        "topic": "/room/none",
        "members": 0,
        "behind": 0,
        "known": False,
    }


@pytest.mark.parametrize(
    "arguments, stdin, messages",
    [
        (("hi",), b"", ["hi"]),
        (("",), b"", [""]),
        (("-",), b"two\nlines\r\n", ["two\nlines"]),
        (("-",), "é".encode(), ["é"]),
        (("one", "two", "one"), b"", ["one", "two", "one"]),
        (("one", "-", "three"), b"two\n", ["one", "two", "three"]),
        (("--lines", "-"), "one\n\ntwo\u2028\r\nthree".encode(), ["one", "", "two\u2028", "three"]),
        (("--lines", "file"), b"", ["\x00", ""]),
        (("--binary", "file"), b"", [b"\x00\n\n"]),
        (("--binary", "-"), b"\xff\n", [b"\xff\n"]),
        (("--binary", "file", "--binary", "-"), b"\xff", [b"\x00\n\n", b"\xff"]),
        (("--", "-x"), b"", ["-x"]),
    ],
)
def test_messages_are_arguments_or_stdin_or_lines_or_the_bytes_of_files(wsrouter, write, typed, arguments, stdin, messages):
    site = write("site.yaml", ROOM)
    (site.parent / "file").write_bytes(b"\x00\n\n")
    typed(stdin)
    with answering(site, ScriptedSteering(members=5)) as steering:
        assert wsrouter("publish", "news", *arguments).out == "5 members\n"

    assert steering.published == [("news", message) for message in messages]


@pytest.mark.parametrize(
    "arguments, stdin, code, error",
    [
        (("t",), b"", 2, "give a MESSAGE or several, - for stdin, or --lines FILE, or --binary FILE: one of them\n"),
        (("t", "hi", "--binary", "f"), b"", 2, "give a MESSAGE or several, - for stdin, or --lines FILE, or --binary FILE: one of them\n"),
        (("t", "--binary", "nowhere"), b"", 1, "nowhere: cannot be read: No such file or directory\n"),
        (("t", "-"), b"ab\xff", 1, "stdin is not UTF-8 (byte 2); --binary - sends any bytes\n"),
        (("t", "\udcff"), b"", 2, "the arguments are not UTF-8; wsrouter publish TOPIC --binary FILE sends any bytes\n"),
        (("", "hi"), b"", 1, "publish: topic is empty; a room's topic is its path, as /room/red\n"),
        (("t", "hi", "--lines", "f"), b"", 2, "give a MESSAGE or several, - for stdin, or --lines FILE, or --binary FILE: one of them\n"),
        (("t", "-", "a", "-"), b"", 2, "stdin can be read only once\n"),
        (("t", "--binary", "-", "--binary", "-"), b"", 2, "stdin can be read only once\n"),
        (("t", "--lines", "-"), b"", 1, "stdin is empty: there is nothing to publish\n"),
        (("t", "--lines", "-"), b"a\n\xff", 1, "stdin is not UTF-8 (byte 2); --binary - sends any bytes\n"),
        (("t", "hi", "--key", ""), b"", 1, "publish: the key has 0 characters; it may have 1 to 256\n"),
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


def test_what_is_published_again_with_its_key_is_published_once(wsrouter, daemon):
    running = daemon(ROOM)
    with connect(running.url("/room/red")) as client:
        running.wait_for("connection.opened")
        assert wsrouter("publish", "/room/red", "sold", "--key", "order-7").out == "1 member\n"
        assert wsrouter("publish", "/room/red", "sold", "--key", "order-7") == (0, "1 member; published before, with this key\n", "")
        assert wsrouter("publish", "/room/red", "sold twice", "--key", "order-7") == (
            1,
            "",
            "publish: something else was published with the key 'order-7'; give each request its own\n",
        )
        wsrouter("publish", "/room/red", "end")
        assert [client.recv(timeout=5), client.recv(timeout=5)] == ["sold", "end"]


def test_a_topic_that_nobody_knows_and_is_no_path_gets_a_hint(wsrouter, daemon):
    daemon(ROOM)
    assert wsrouter("publish", "room/red", "hi") == (
        0,
        "no members: nobody has joined a topic of this name\n",
        "a room's topic is its path: did you mean /room/red?\n",
    )


def test_it_says_how_many_were_behind():
    assert summary({"members": 3, "behind": 2, "known": True}) == "3 members, 2 of them behind"
    assert summary({"members": 0, "behind": 0, "known": True}) == "no members"


def test_100_mib_are_refused_before_they_are_sent(wsrouter, write):
    file = write("site.yaml", ROOM).parent / "large"
    with file.open("wb") as large:
        large.truncate(100 << 20)
    with answering(file.parent / "site.yaml", ScriptedSteering()) as steering:
        code, out, err = wsrouter("publish", "t", "--binary", "large")

    assert (code, out) == (1, "")
    assert err == "what is to be published has 139810187 bytes as JSON, and a request may have 8388608: send less at once\n"
    assert not steering.published
