"""The control socket of the real daemon: who gets in, what is answered, and what no client can do to it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from support.client import connect
from support.control import dial, read_answer, request, say, socket_of
from support.daemon import run_daemon
from support.waiting import until_async
from wsrouter.admin.commands import RequestError
from wsrouter.admin.repeats import Repeats
from wsrouter.admin.steering import Published, ReloadOutcome, State
from wsrouter.daemon import control as control_module
from wsrouter.daemon import line_client as line_client_module
from wsrouter.daemon.control import ControlServer
from wsrouter.daemon.control_path import ControlPath
from wsrouter.daemon.private_http import PrivateHttp
from wsrouter.daemon.reception import MOST_CLIENTS, QUIET_S
from wsrouter.daemon.side_thread import SideThread
from wsrouter.observe.logs import get_logger

SITE = "routes:\n  /echo: echo\n  /room/{room}: {broadcast: {history: 3}}\n"
STATUS = b'{"command": "status"}\n'


@pytest.fixture(scope="module")
def answering(tmp_path_factory):
    """One daemon for questions that leave it as it is; and its control socket."""
    folder = tmp_path_factory.mktemp("serving")
    with run_daemon(SITE, folder) as running:
        yield running, socket_of(folder / "site.yaml")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_socket_is_for_its_owner_alone_and_gone_after_the_stop(daemon, tmp_path):
    running = daemon(SITE)
    path = socket_of(tmp_path / "site.yaml")

    assert stat.S_ISSOCK(path.lstat().st_mode)
    assert (mode(path), mode(path.parent), path.lstat().st_uid) == (0o600, 0o700, os.geteuid())
    assert request(path, command="status")["pid"] == running.process.pid
    assert running.stop() == 0
    assert not path.exists()


def test_in_the_folder_of_systemd_the_group_gets_in_whatever_the_umask(daemon, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(0o755)
    running = daemon(SITE, env={"RUNTIME_DIRECTORY": f"{folder}:/nowhere"})
    (path,) = folder.iterdir()

    assert (mode(path), mode(folder)) == (0o660, 0o755)
    assert request(path, command="status")["pid"] == running.process.pid


def test_the_status_tells_what_the_daemon_serves(daemon, tmp_path):
    running = daemon(SITE)
    with connect(running.url("/echo")):
        running.wait_for("connection.opened")
        status = request(socket_of(tmp_path / "site.yaml"), command="status")

    assert (status["ok"], status["site"], status["state"], status["connections"]) == (True, str(tmp_path / "site.yaml"), "serving", 1)
    assert status["addresses"] == running.addresses
    assert [(route["route"], route["handlers"], route["connections"]) for route in status["routes"]] == [
        ("/echo", ["echo"], 1),
        ("/room/{room}", ["broadcast"], 0),
    ]


def test_what_is_published_reaches_the_members_in_order_with_ordinary_messages(daemon, tmp_path):
    running = daemon(SITE)
    with connect(running.url("/room/red")) as one, connect(running.url("/room/red")) as two, dial(socket_of(tmp_path / "site.yaml")) as control:
        running.wait_for("connection.opened", count=2)
        expected: list[str | bytes] = []
        for number in range(20):
            one.send(f"client {number}")
            expected.append(f"client {number}")
            assert expected[-1] == one.recv(timeout=5)  # so it was published before what comes next
            line = json.dumps({"command": "publish", "topic": "/room/red", "message": f"control {number}"}).encode() + b"\n"
            assert say(control, line) == {"ok": True, "topic": "/room/red", "members": 2, "behind": 0, "known": True}
            expected.append(f"control {number}")
            assert expected[-1] == one.recv(timeout=5)
        say(control, b'{"command": "publish", "topic": "/room/red", "base64": "AP8="}\n')
        say(control, b'{"command": "publish", "topic": "/room/red", "json": {"b": 1, "a": [null]}}\n')
        expected += [b"\x00\xff", '{"b":1,"a":[null]}']

        assert expected == [two.recv(timeout=5) for _ in expected]


def test_a_topic_that_nobody_has_joined_has_no_members(daemon, tmp_path):
    daemon(SITE)

    assert request(socket_of(tmp_path / "site.yaml"), command="publish", topic="/room/none", message="hi") == {
        "ok": True,
        "topic": "/room/none",
        "members": 0,
        "behind": 0,
        "known": False,
    }


def test_a_message_of_a_mebibyte_fits_however_it_is_escaped(daemon, tmp_path):
    running = daemon(SITE)
    text = "\0" * (1 << 20)
    with connect(running.url("/room/red"), max_size=None) as client:
        running.wait_for("connection.opened")

        assert request(socket_of(tmp_path / "site.yaml"), command="publish", topic="/room/red", message=text)["members"] == 1
        assert client.recv(timeout=10) == text


@pytest.mark.parametrize(
    "line, error",
    [
        (b"status\n", "this is no JSON: "),
        (b"\n", "this is no JSON: "),
        (b'{"command": "status"\xff}\n', "this is no JSON: "),
        (b'{"command": "publish", "topic": "t", "message": "\\ud800"}\n', "this is no JSON: "),
        (b"[" * 100_000 + b"\n", "this is no JSON: "),
        (b"[1]\n", "a request is an object, "),
        (b'{"command": "stauts"}\n', "there is no command 'stauts'; did you mean status? "),
        (b'{"command": "status", "x": 1}\n', "status does not know 'x'; "),
        (b'{"command": "publish"}\n', "publish needs topic: "),
    ],
)
def test_a_line_that_is_no_request_is_answered_with_what_is_wrong_and_the_next_one_is_served(answering, line, error):
    running, path = answering
    with dial(path) as one:
        answer = say(one, line)

        assert (answer["ok"], answer["error"][: len(error)], "\n" in answer["error"]) == (False, error, False)
        assert say(one, STATUS)["ok"]
    assert not running.find_records("control.failed")


def test_a_line_without_end_is_refused_and_the_connection_closed(daemon, tmp_path):
    daemon(SITE)
    path = socket_of(tmp_path / "site.yaml")
    with dial(path) as one:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            one.sendall(b"x" * (64 << 20))

        assert read_answer(one) == {"ok": False, "error": f"the line is longer than {8 << 20} bytes; this connection is closed"}
    assert request(path, command="status")["ok"]


def test_requests_that_come_together_are_answered_in_order_and_the_last_may_lack_its_end(daemon, tmp_path):
    daemon(SITE)
    with dial(socket_of(tmp_path / "site.yaml")) as one:
        topics = [f"t{number}" for number in range(500)]
        one.sendall(b"\n".join(json.dumps({"command": "publish", "topic": topic, "message": ""}).encode() for topic in topics))
        one.shutdown(socket.SHUT_WR)
        with one.makefile() as lines:
            assert topics == [json.loads(line)["topic"] for line in lines]


def test_two_hundred_clients_at_once_are_all_served(daemon, tmp_path):
    daemon(SITE)
    path = socket_of(tmp_path / "site.yaml")
    asker = f"""
import socket, threading
def ask(answers):
    one = socket.socket(socket.AF_UNIX)
    while True:
        try:
            one.connect({str(path)!r})
            break
        except BlockingIOError:
            pass
    one.settimeout(20)
    one.sendall({STATUS!r})
    answers.append(one.makefile().readline()[:10])
    one.close()
answers = []
threads = [threading.Thread(target=ask, args=(answers,)) for _ in range(200)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(answers.count('{{"ok":true'[:10]))
"""
    answered = subprocess.run([sys.executable, "-c", asker], capture_output=True, text=True, check=True, timeout=40).stdout

    assert answered == "200\n"


def test_silent_clients_make_room_for_those_who_ask(daemon, tmp_path):
    """All places are taken by clients that say nothing, and some that began a line; one more is answered all the same, and nobody cut off who has only just come."""
    daemon(SITE)
    path = socket_of(tmp_path / "site.yaml")
    with ExitStack() as stack:
        begun = time.monotonic()
        silent = [stack.enter_context(dial(path)) for _ in range(MOST_CLIENTS + 10)]
        for one in silent[::2]:
            one.sendall(b'{"command"')

        assert request(path, command="status")["ok"]
        assert time.monotonic() - begun >= QUIET_S


def test_a_client_that_never_reads_holds_up_nobody(daemon, tmp_path):
    running = daemon("routes:\n" + "".join(f"  /r{number}: echo\n" for number in range(300)))
    path = socket_of(tmp_path / "site.yaml")
    with dial(path) as deaf, connect(running.url("/r1")) as client:
        deaf.settimeout(0.2)
        with pytest.raises(TimeoutError):  # it is not read from either, while its answers wait
            deaf.sendall(STATUS.replace(b"\n", b" " * 65536 + b"\n") * 1000)

        assert request(path, command="status")["ok"]
        client.send("still here")
        assert client.recv(timeout=5) == "still here"
    assert running.stop() == 0


def test_during_a_drain_it_answers(daemon, tmp_path):
    running = daemon(f"{SITE}server: {{shutdown: {{delay: 60s, timeout: 90s}}}}\n")
    path = socket_of(tmp_path / "site.yaml")
    with connect(running.url("/room/red")) as client:
        running.wait_for("connection.opened")
        running.send_signal(signal.SIGTERM)
        running.wait_for("stopping")

        assert request(path, command="publish", topic="/room/red", message="soon")["members"] == 1
        assert client.recv(timeout=5) == "soon"
        running.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
    assert running.wait() == 0
    assert not path.exists()


def test_the_file_of_a_daemon_that_was_killed_is_taken_over(daemon, tmp_path):
    killed = daemon(SITE)
    killed.kill()
    path = socket_of(tmp_path / "site.yaml")
    assert path.exists()
    running = daemon(SITE)

    assert request(path, command="status")["pid"] == running.process.pid
    assert not running.find_records("control.unavailable")


def test_a_second_daemon_of_a_site_is_told_of_the_first_and_is_reached_once_that_has_ended(daemon, tmp_path):
    first = daemon(SITE)
    path = socket_of(tmp_path / "site.yaml")
    second = daemon(SITE)
    told = second.wait_for("control.unavailable")

    assert (told["level"], told["path"]) == ("warning", str(path))
    assert told["why"] == f"a second daemon of this site: another process listens on it (pid {first.process.pid})"
    assert request(path, command="status")["pid"] == first.process.pid
    with connect(second.url("/echo")) as client:
        client.send("served")
        assert client.recv(timeout=5) == "served"
    first.stop()
    second.wait_for("control.opened", path=str(path))
    assert request(path, command="status")["pid"] == second.process.pid
    assert len(second.find_records("control.unavailable")) == 1


def test_at_its_stop_a_daemon_leaves_the_file_of_another(daemon, tmp_path):
    first = daemon(SITE)
    path = socket_of(tmp_path / "site.yaml")
    path.unlink()
    second = daemon(SITE)

    assert first.stop() == 0
    assert request(path, command="status")["pid"] == second.process.pid


@pytest.mark.parametrize("case", ["long", "missing", "file", "loose", "link", "taken"])
def test_where_there_can_be_no_socket_the_daemon_serves_and_warns_once_with_the_cure(daemon, tmp_path, case):
    folder = tmp_path / ("x" * 100 if case == "long" else "run")
    env = {"XDG_RUNTIME_DIR": str(folder)}
    if case != "missing":
        folder.mkdir()
    if case == "file":
        (folder / "wsrouter").write_text("")
    elif case == "loose":
        (folder / "wsrouter").mkdir()
        (folder / "wsrouter").chmod(0o777)
    elif case == "link":
        (folder / "wsrouter").symlink_to(tmp_path)
    elif case == "taken":
        (folder / "wsrouter").mkdir(0o700)
        (folder / "wsrouter" / socket_of(tmp_path / "site.yaml").name).write_text("")
    running = daemon(SITE, env=env)
    (warning,) = running.find_records("control.unavailable")

    assert warning["level"] == "warning"
    assert {
        "long": "bytes, a socket's may have 107",
        "missing": "No such file or directory",
        "file": "is no folder",
        "loose": "others may write in",
        "link": "is no folder",
        "taken": "is there and is no socket",
    }[case] in warning["why"]
    assert ("remove " if case == "taken" else "set XDG_RUNTIME_DIR to ") in warning["fix"]
    with connect(running.url("/echo")) as client:
        client.send("served")
        assert client.recv(timeout=5) == "served"


class Slow:
    """A daemon whose reload never ends, and whose status fails."""

    def __init__(self) -> None:
        self.asked, self.left = asyncio.Event(), asyncio.Event()
        self.repeats: Repeats[Published] = Repeats(time.monotonic)

    async def reload(self) -> ReloadOutcome:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
        raise AssertionError

    def status(self) -> dict[str, object]:
        raise LookupError("no\nsuch thing")

    def state(self) -> State:
        raise AssertionError

    def publish(self, topic: str, messages: Sequence[str | bytes]) -> Published:
        raise RequestError("not now")

    async def metrics(self, accept: str) -> tuple[str, bytes]:
        raise AssertionError


def make_server(steering: Slow, path: ControlPath) -> ControlServer:
    return ControlServer(steering, path, PrivateHttp(steering, SideThread(), get_logger()), get_logger())


@pytest.fixture
async def serving(tmp_path, anyio_backend):
    """A server in this loop, with its steering and a connection to it."""
    steering, path = Slow(), socket_of(tmp_path / "site.yaml")
    server = make_server(steering, ControlPath(path))
    await server.open()
    reader, writer = await asyncio.open_unix_connection(path)
    yield steering, server, reader, writer
    writer.close()
    await server.close()


@pytest.mark.anyio
async def test_a_command_that_fails_is_answered_and_told_and_the_next_one_is_served(serving):
    _, _, reader, writer = serving
    for line, error in (
        (STATUS, "the daemon failed to do this: LookupError: no such thing"),
        (b'{"command": "publish", "topic": "t", "message": ""}\n', "not now"),
    ):
        writer.write(line)
        assert json.loads(await reader.readline()) == {"ok": False, "error": error}


@pytest.mark.anyio
async def test_who_waits_for_an_outcome_when_the_daemon_stops_is_told_so(serving):
    steering, server, reader, writer = serving
    writer.write(b'{"command": "reload"}\n')
    await steering.asked.wait()
    await server.close()

    assert json.loads(await reader.readline()) == {"ok": False, "error": "the daemon is stopping"}


@pytest.mark.anyio
async def test_a_client_that_only_ended_what_it_sends_is_waited_with_and_one_that_left_is_not(serving):
    steering, server, _, writer = serving
    writer.write(b'{"command": "reload"}')
    writer.write_eof()
    await steering.asked.wait()
    (client,) = server.reception.clients
    assert not client._has_left()
    writer.close()
    await steering.left.wait()


@pytest.mark.anyio
async def test_a_quiet_client_is_told_and_closed_after_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(control_module, "IDLE_S", 0.05)
    path = socket_of(tmp_path / "site.yaml")
    server = make_server(Slow(), ControlPath(path))
    await server.open()
    reader, writer = await asyncio.open_unix_connection(path)

    assert json.loads(await reader.readline())["error"].startswith("no request came within 0.05 s")
    assert await reader.read() == b""
    writer.close()
    await server.close()


@pytest.mark.anyio
async def test_a_client_that_does_not_read_its_answer_is_cut_off_after_its_time(tmp_path, monkeypatch):
    class Talkative(Slow):
        def status(self) -> dict[str, object]:
            return {"x": "x" * (4 << 20)}

    monkeypatch.setattr(line_client_module, "ANSWER_S", 0.1)
    path = socket_of(tmp_path / "site.yaml")
    server = make_server(Talkative(), ControlPath(path))
    await server.open()
    with dial(path) as one:
        one.sendall(STATUS)
        await until_async(lambda: server.reception.clients)
        await until_async(lambda: not server.reception.clients)
    await server.close()


@pytest.mark.anyio
async def test_of_many_that_take_over_a_stale_file_at_once_one_listens(tmp_path):
    path = socket_of(tmp_path / "site.yaml")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    servers = [make_server(Slow(), ControlPath(path)) for _ in range(8)]
    await asyncio.gather(*(server.open() for server in servers))

    assert [server.path for server in servers if server.path is not None] == [path]
    _, writer = await asyncio.open_unix_connection(path)
    writer.close()
    await asyncio.gather(*(server.close() for server in servers))
    assert not path.exists()


@pytest.mark.anyio
async def test_a_lock_that_somebody_holds_on_the_folder_delays_it_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(control_module, "LOCK_TRIES", 2)
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    server = make_server(Slow(), ControlPath(Path("x.sock"), given=True))
    await server.open()

    assert server.path == Path("x.sock")
    await server.close()
    os.close(folder)
