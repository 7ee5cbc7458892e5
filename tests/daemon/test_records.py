"""The records of the real daemon: one opened and one closed for each connection, each cause by its word, no query anywhere."""

from __future__ import annotations

import os
import pty
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.bare import open_socket, read_to_end, upgrade
from support.client import connect
from support.daemon import Daemon, Record, run_daemon, start_process
from support.waiting import until
from support.wire import BINARY, TEXT, close_codes, masked

SITE = """
log: {level: debug}
defaults: {origins: "*"}
routes:
  /echo: echo
  /abort/{room}: broadcast
  /returns: returns
  /closes: closes
  /raises: raises
  /exits: exits
  /exits_hook: exits_hook
  /spawns: spawns
  /bad_frame: echo
  /bad_text: echo
  /text: text_only
  /idle: {echo: {}, limits: {idle: 100ms}}
  /aged: {echo: {}, limits: {age: 100ms}}
  /small: {echo: {}, limits: {message_size: 10B}}
  /rate: {echo: {}, limits: {message_rate: {rate: 1/h, burst: 4}}}
  /bytes: {echo: {}, limits: {byte_rate: {rate: 1/h, burst: 10}}}
  /pinged: {echo: {}, keepalive: {ping: 100ms, pong: 100ms}}
  /stalled: {floods: {}, outbox: {stalled: 200ms, size: 64MiB}}
  /full: {broadcast: {to_sender: false}, outbox: {size: 64KiB}}
  /chat: {echo: {}, subprotocols: [chat.v1]}
  /strict: {echo: {}, origins: same-host}
"""

RAISES = """
from wsrouter import Handler

class Raises(Handler[str]):
    def on_message(self, connection, message):
        return self.deeper(message)

    def deeper(self, message):
        return {}[message]
"""

SPAWNS = """
import sys
from wsrouter import Handler

class Spawns(Handler[str]):
    def start(self, context):
        self._context = context

    def on_message(self, connection, message):
        self._context.spawn(self._leave(), "leaver")
        return "spawned"

    async def _leave(self):
        sys.exit("from a task")
"""

FLOODS = """
from wsrouter import Handler

class Floods(Handler):
    def on_message(self, connection, message):
        for _ in range(300):
            connection.send(b"x" * 65536)
"""

PLUGINS = {
    "returns.py": "async def returns(websocket):\n    await websocket.recv()\n",
    "closes.py": "async def closes(websocket):\n    await websocket.close(4000, 'enough')\n",
    "exits.py": "import sys\n\nasync def exits(websocket):\n    await websocket.recv()\n    sys.exit('bye')\n",
    "exits_hook.py": "import sys\nfrom wsrouter import Handler\n\nclass ExitsHook(Handler):\n    def on_message(self, connection, message):\n        sys.exit(1)\n",
    "text_only.py": "from wsrouter import Handler\n\nclass TextOnly(Handler[str]):\n    def on_message(self, connection, message):\n        return message\n",
    "raises.py": RAISES,
    "spawns.py": SPAWNS,
    "floods.py": FLOODS,
}

FACTS = {"cause", "code", "by", "duration_s", "messages_in", "messages_out", "bytes_in", "bytes_out", "route", "path", "peer", "connection_id", "request_id"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all causes; each test has a route of its own. A client of /stalled never reads, from the beginning on."""
    with (
        run_daemon(SITE, tmp_path_factory.mktemp("served"), plugins=PLUGINS) as daemon,
        upgrade(address(daemon, "/stalled"), receive_buffer_bytes=4096) as stalled,
    ):
        stalled.sendall(masked(TEXT, b"go"))
        yield daemon
        assert "canary" not in daemon.transcript(), "a query was recorded"


def address(daemon: Daemon, path: str) -> str:
    """The address of a path with a query that must never be seen again."""
    return daemon.url(f"{path}?token=canary")


def read_frame(one: socket.socket) -> bytes:
    """A frame with a short payload."""
    head = one.recv(2, socket.MSG_WAITALL)
    return head + one.recv(head[1], socket.MSG_WAITALL)


def closed(daemon: Daemon, route: str, within: float = 5.0) -> Record:
    """The one closed record of a route, whose one opened record is the same connection's."""
    record = daemon.wait_for("connection.closed", route=route, within=within)
    assert [record] == daemon.find_records("connection.closed", route=route)
    assert [record["connection_id"]] == [opened["connection_id"] for opened in daemon.find_records("connection.opened", route=route)]
    assert record.keys() >= FACTS
    return record


def ending(daemon: Daemon, route: str, within: float = 5.0) -> tuple[str, int, str]:
    """Cause, code, and who began it."""
    record = closed(daemon, route, within)
    return record["cause"], record["code"], record["by"]


def test_a_client_that_closes_leaves_all_facts(served: Daemon) -> None:
    headers = {"User-Agent": "test/1", "X-Request-ID": "r-1"}
    with connect(address(served, "/chat"), subprotocols=["chat.v1"], user_agent_header=None, additional_headers=headers) as client:
        client.send("hello")
        assert client.recv() == "hello"
        host, port = client.socket.getsockname()
        client.close(4001, "done")

    record = closed(served, "/chat")
    who = {"route": "/chat", "path": "/chat", "peer": f"{host}:{port}", "subprotocol": "chat.v1", "user_agent": "test/1", "request_id": "r-1"}
    how = {"cause": "client_close", "code": 4001, "reason": "done", "by": "client"}
    counted = {"messages_in": 1, "messages_out": 1, "bytes_in": 11 + 12, "bytes_out": 7 + 8}
    assert (who | how | counted).items() <= record.items()
    assert 0 <= record["duration_s"] < 5
    assert who.items() <= served.find_records("connection.opened", route="/chat")[0].items()


def test_a_client_that_vanishes_is_an_abort(served: Daemon) -> None:
    upgrade(address(served, "/abort/a%20b")).close()

    assert ending(served, "/abort/{room}") == ("client_abort", 1006, "client")
    assert closed(served, "/abort/{room}")["path"] == "/abort/a b"


def test_a_handlers_own_code_and_reason_are_recorded(served: Daemon) -> None:
    with connect(address(served, "/closes")) as client, pytest.raises(ConnectionClosed):
        client.recv()

    assert ending(served, "/closes") == ("handler_close", 4000, "server")
    assert closed(served, "/closes")["reason"] == "enough"


@pytest.mark.parametrize(
    ("route", "sent", "cause", "code"),
    [
        ("/returns", masked(TEXT, b"x"), "handler_close", 1000),
        ("/bad_frame", bytes([0x83, 0x80, 0, 0, 0, 0]), "protocol_error", 1002),
        ("/text", masked(BINARY, b"\x01"), "wrong_type", 1003),
        ("/bad_text", masked(TEXT, b"\xff"), "invalid_text", 1007),
        ("/small", masked(TEXT, b"eleven byte"), "too_big", 1009),
        ("/raises", masked(TEXT, b"x"), "handler_error", 1011),
        ("/exits", masked(TEXT, b"x"), "handler_error", 1011),
        ("/exits_hook", masked(TEXT, b"x"), "handler_error", 1011),
        ("/idle", b"", "idle", 1001),
        ("/aged", b"", "max_age", 1001),
    ],
)
def test_what_the_server_ends_a_connection_for_is_its_cause(served: Daemon, route: str, sent: bytes, cause: str, code: int) -> None:
    with connect(address(served, route)) as client:
        client.socket.sendall(sent)
        with pytest.raises(ConnectionClosed) as error:
            client.recv(timeout=5)

    assert error.value.rcvd is not None
    assert error.value.rcvd.code == code
    assert ending(served, route) == (cause, code, "server")


@pytest.mark.parametrize(("route", "message"), [("/rate", "a"), ("/bytes", "a message of more than ten bytes")])
def test_a_client_over_its_rate_is_closed_and_what_was_over_is_not_answered(served: Daemon, route: str, message: str) -> None:
    admitted = 4 if route == "/rate" else 1  # of bytes, one message always passes
    with connect(address(served, route)) as client:
        for _ in range(admitted):
            client.send(message)
            assert client.recv() == message
        client.send(message)
        with pytest.raises(ConnectionClosed) as error:
            client.recv(timeout=5)

    assert error.value.rcvd is not None
    assert (error.value.rcvd.code, error.value.rcvd.reason) == (1008, "rate_limit")
    assert ending(served, route) == ("rate_limit", 1008, "server")


def test_a_client_that_does_not_answer_a_ping_is_closed(served: Daemon) -> None:
    with upgrade(address(served, "/pinged")) as one:
        ping, close = read_frame(one), read_frame(one)

    assert (ping[0], len(ping)) == (0x89, 6)
    assert close_codes(close) == [1011]
    assert ending(served, "/pinged") == ("ping_timeout", 1011, "server")


def test_a_member_whose_outbox_is_full_is_a_slow_consumer_and_the_others_go_on(served: Daemon) -> None:
    with connect(address(served, "/full")) as sender, connect(address(served, "/full")) as reader:
        with upgrade(address(served, "/full"), receive_buffer_bytes=4096) as slow:
            for number in range(200):  # 12 MB, more than the kernel keeps for a connection
                sender.send(f"{number:60000}")
                assert int(reader.recv()) == number
            slow_peer = slow.getsockname()
        record = served.wait_for("connection.closed", route="/full")
        sender.send("and on")
        assert reader.recv() == "and on"

    assert (record["cause"], record["code"], record["by"], record["reason"]) == ("slow_consumer", 1013, "server", "outbox full")
    assert record["peer"] == f"{slow_peer[0]}:{slow_peer[1]}"


def test_a_failed_hook_is_recorded_once_with_the_plugins_frames(served: Daemon) -> None:
    failure = served.wait_for("handler.failed", route="/raises")

    assert [failure] == served.find_records("handler.failed", route="/raises")
    assert (failure["level"], failure["handler"], failure["hook"], failure["error"]) == ("error", "raises", "on_message", "KeyError: 'x'")
    assert failure["at"].endswith("plugins/raises.py:9")
    assert failure["connection_id"] == closed(served, "/raises")["connection_id"]
    frames = [line for line in failure["traceback"].splitlines() if line.startswith("  File ")]
    assert [frame.rpartition(", in ")[2] for frame in frames] == ["on_message", "deeper"]


def test_sys_exit_in_a_coroutine_or_a_task_is_a_failure_and_not_the_end(served: Daemon) -> None:
    with connect(address(served, "/spawns")) as client:
        client.send("x")
        assert client.recv() == "spawned"
        failure = served.wait_for("handler.failed", route="/spawns")
        client.send("y")
        assert client.recv() == "spawned"

    assert failure["error"] == "SystemExit: from a task"
    assert "leaver" in failure["hook"]
    assert served.wait_for("handler.failed", route="/exits")["error"] == "SystemExit: bye"


def test_a_refused_handshake_says_why_and_what_would_let_it_in(served: Daemon) -> None:
    with pytest.raises(InvalidStatus):
        connect(address(served, "/strict"), origin="https://evil.example")
    with pytest.raises(InvalidStatus):
        connect(address(served, "/ecko"))

    origin = served.wait_for("handshake.refused", reason="origin")
    assert (origin["status"], origin["path"], origin["origin"]) == (403, "/strict", "https://evil.example")
    assert "https://evil.example" in origin["fix"]
    path = served.wait_for("handshake.refused", reason="no_route")
    assert (path["status"], path["path"], path["fix"]) == (404, "/ecko", "the nearest route is /echo")
    assert not served.find_records("connection.opened", path="/ecko")


def test_what_a_client_sends_is_cut_and_escaped_in_records(served: Daemon) -> None:
    with open_socket(address(served, "/")) as one:
        one.sendall(b"GET /\x1b[2Jx?token=canary HTTP/1.1\r\nHost: a\r\nUser-Agent: " + b"u" * 500 + b"\r\n\r\n")
        assert read_to_end(one).startswith(b"HTTP/1.1 4")

    record = served.wait_for("handshake.refused", host="a")
    assert record["path"] == "/\\x1b[2Jx"
    assert len(record["user_agent"]) == 256


def test_a_peer_that_leaves_without_a_byte_is_for_debugging_only(served: Daemon) -> None:
    with open_socket(address(served, "/")) as one:
        host, port = one.getsockname()

    assert served.wait_for("peer.vanished", peer=f"{host}:{port}")["level"] == "debug"


def test_a_client_that_takes_nothing_is_a_slow_consumer(served: Daemon) -> None:
    """It is there since the fixture began; after its close frame the server waits five seconds for the answer."""
    assert ending(served, "/stalled", within=10) == ("slow_consumer", 1013, "server")
    assert closed(served, "/stalled")["reason"] == "stalled"


def assert_one_opened_and_one_closed(daemon: Daemon, count: int, cause: str) -> None:
    opened = [record["connection_id"] for record in daemon.find_records("connection.opened")]
    ended = Counter((record["connection_id"], record["cause"], record["code"]) for record in daemon.find_records("connection.closed"))
    assert len(opened) == count
    assert ended == Counter((each, cause, 1001) for each in opened)


def test_stopping_records_every_connection_once(daemon) -> None:
    running = daemon(
        "routes: {/echo: echo, '/room/{x}': broadcast, /waits: waits}", plugins={"waits.py": "async def waits(websocket):\n    await websocket.recv()\n"}
    )
    with ExitStack() as clients:
        for index in range(30):
            clients.enter_context(connect(running.url(("/echo", "/room/a", "/waits")[index % 3])))
        running.wait_for("connection.opened", count=30)

        assert running.stop() == 0
    assert_one_opened_and_one_closed(running, 30, "shutdown")


def test_a_second_signal_records_every_connection_once_too(daemon) -> None:
    """Clients that neither read nor answer: only the second signal ends the wait for them."""
    running = daemon("routes: {/floods: floods}\nserver: {shutdown: {spread: 20s, timeout: 60s}}", plugins={"floods.py": FLOODS})
    with ExitStack() as clients:
        for _ in range(3):
            one = clients.enter_context(upgrade(running.url("/floods"), receive_buffer_bytes=4096))
            one.sendall(masked(TEXT, b"go"))
        running.wait_for("connection.opened", count=3)

        running.send_signal(signal.SIGTERM)
        running.wait_for("stopping")
        running.send_signal(signal.SIGTERM)
        assert running.wait(within=3) == 0
    assert_one_opened_and_one_closed(running, 3, "shutdown")
    assert running.find_records("drain.cut_off", connections=3)


def test_lines_for_the_journal_begin_with_their_level(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("routes: {/echo: echo}", "utf-8")
    with (tmp_path / "log").open("wb") as log:
        status = os.fstat(log.fileno())
        env = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        process = start_process(["run", "site.yaml", "--listen", "127.0.0.1:0"], tmp_path, env, stderr=log)
        with process:
            try:
                until(lambda: b"listening" in (tmp_path / "log").read_bytes())
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
            finally:
                process.kill()

    lines = (tmp_path / "log").read_bytes().splitlines()
    assert len(lines) == 3
    assert all(line.startswith(b'<6>{"ts":') for line in lines)


def test_on_a_terminal_the_log_is_for_people(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("routes: {/echo: echo}", "utf-8")
    ours, theirs = pty.openpty()
    process = start_process(["run", "site.yaml", "--listen", "127.0.0.1:0"], tmp_path, {"TERM": "xterm", "NO_COLOR": "1"}, stderr=theirs)
    os.close(theirs)
    with process:
        try:
            shown = b""
            while b"listening" not in shown or not shown.endswith(b"\r\n"):
                shown += os.read(ours, 65536)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()
            os.close(ours)

    line = shown.decode()
    assert line[2] == line[5] == ":"
    assert ' info    listening          addresses=["ws://127.0.0.1:' in line
    assert 'try="wsrouter connect ws://127.0.0.1:' in line
    assert "\x1b" not in line
