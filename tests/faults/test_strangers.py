"""Clients that want what is not for them, or more than is for them."""

from __future__ import annotations

import time
from contextlib import suppress

from websockets.exceptions import ConnectionClosed

from support.client import connect
from support.memory import peak_bytes
from support.raw import raw_client, request_head
from support.wire import CLOSE, TEXT, frame, masked

MIB = 1024 * 1024


def answer_to(port, head):
    """The status line and all of the answer to a request."""
    with raw_client(port) as client:
        client.send(head)
        answer = client.read_head() if b"Upgrade" in head else client.read_to_end()
    return int(answer[9:12]), answer


def test_row_14_pages_of_other_sites_are_refused_and_those_of_ones_own_and_no_pages_come_in(daemon):
    running = daemon('routes: {/own: echo, /ok: {echo: {}, origins: ["https://ok.example"]}}')
    port = running.port

    def knock(path, *lines):
        return answer_to(port, request_head(path, *lines).replace(b"Host: a", f"Host: 127.0.0.1:{port}".encode()))[0]

    assert 101 == knock("/own", f"Origin: http://127.0.0.1:{port}")
    assert 101 == knock("/own")
    for evil in ("http://evil.example", "null", f"http://127.0.0.1:{port}.evil.example", f"http://127.0.0.1:{port + 1}"):
        assert 403 == knock("/own", f"Origin: {evil}"), evil
        assert "origin" == running.wait_for("handshake.refused", origin=evil)["reason"]
    assert 403 == knock("/own", "Origin: ")
    assert 101 == knock("/ok", "Origin: HTTPS://OK.example")
    for evil in ("https://ok.example.evil", "https://ok.example:8443", "http://ok.example", "null", f"http://127.0.0.1:{port}"):
        assert 403 == knock("/ok", f"Origin: {evil}"), evil
    assert 400 == knock("/ok", "Origin: https://ok.example", "Origin: https://evil.example")


def test_row_25_the_public_port_serves_routes_and_nothing_of_the_inside(daemon):
    running = daemon("routes: {/echo: echo}")
    inside = ("/metrics", "/health", "/healthz", "/live", "/ready", "/status", "/reload", "/debug", "/debug/pprof", "/plugins", "/admin", "/control")
    for path in ("/nowhere", *inside):
        plain, upgraded = (answer_to(running.port, head) for head in (f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), request_head(path)))
        assert (426, 404) == (plain[0], upgraded[0])
        assert path.encode() not in plain[1] + upgraded[1]
        assert plain[1] == answer_to(running.port, b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")[1]


def test_row_26_a_path_that_leads_out_of_a_folder_opens_no_file(daemon, tmp_path):
    (tmp_path / "secret.txt").write_text("canary")
    running = daemon("routes:\n  /echo: echo\n  /rooms/{name}: broadcast")
    for way in ("..", "%2e%2e", ".%2e", "%252e%252e"):
        for path in (f"/{way}/secret.txt", f"/rooms/{way}/secret.txt", f"/{way}/{way}/{way}/{way}{tmp_path}/secret.txt"):
            status, answer = answer_to(running.port, request_head(path))
            assert 404 == status, path
            assert b"canary" not in answer
    for path in (
        "/rooms/..%2fsecret.txt",
        "/rooms/..%5csecret.txt\\",
        "/rooms/secret.txt%00",
        "/rooms//secret.txt",
        "/rooms/%c0%ae%c0%ae",
        f"file://{tmp_path}/secret.txt",
    ):
        assert 400 == answer_to(running.port, request_head(path))[0], path


def test_row_41_a_member_that_reads_a_kilobyte_at_a_time_keeps_nobody_waiting_and_gets_all_in_order(daemon):
    running = daemon("routes: {/room: {broadcast: {to_sender: false}, outbox: {size: 16MiB}}}")
    messages = [f"{number:04}" + "x" * 16_000 for number in range(150)]
    with raw_client(running.port, 4096) as slow, connect(running.url("/room")) as speaker, connect(running.url("/room")) as other:
        slow.upgrade("/room")
        running.wait_for("connection.opened", count=3)
        expected = b"".join(frame(TEXT, message.encode()) for message in messages)
        got, longest_s = b"", 0.0
        for message in messages:
            begun = time.monotonic()
            speaker.send(message)
            assert message == other.recv(timeout=5)
            longest_s = max(longest_s, time.monotonic() - begun)
            got += slow.sock.recv(1024)
        assert len(got) < len(expected) / 10  # so far behind is it
        assert longest_s < 0.5
        while len(got) < len(expected):
            got += slow.sock.recv(MIB)
        assert expected == got


def test_row_46_a_client_that_says_nothing_is_closed_as_idle_and_one_that_is_too_old_whatever_it_says(daemon):
    running = daemon("routes: {/idle: {echo: {}, limits: {idle: 300ms}}, /old: {echo: {}, limits: {age: 500ms}}}")
    with connect(running.url("/idle")) as silent, connect(running.url("/old")) as busy:
        begun = time.monotonic()
        with suppress(ConnectionClosed):
            while True:
                busy.send("still here")
                busy.recv(timeout=5)
        assert ("max_age", 1001) == tuple(running.wait_for("connection.closed", route="/old")[name] for name in ("cause", "code"))
        assert 0.4 < time.monotonic() - begun < 1.5
        with suppress(ConnectionClosed):
            silent.recv(timeout=5)
        assert ("idle", 1001) == tuple(running.wait_for("connection.closed", route="/idle")[name] for name in ("cause", "code"))


AMPLIFY = """
from wsrouter import Handler

class Amplify(Handler[str]):
    def on_message(self, connection, message):
        return message * 1000
"""


def test_row_66_a_client_that_does_not_read_what_a_handler_makes_of_its_messages_costs_little(daemon):
    running = daemon("routes: {/amplify: {amplify: {}, outbox: {stalled: 300ms}}, /echo: echo}", plugins={"amplify.py": AMPLIFY})
    with raw_client(running.port, 4096) as greedy, connect(running.url("/echo")) as other:
        greedy.upgrade("/amplify")
        before = peak_bytes(running.process.pid)
        with suppress(TimeoutError, ConnectionError):
            greedy.sock.settimeout(0.3)
            for _ in range(40):  # 40 MiB of small messages, which would be 40 GiB
                greedy.sock.sendall(masked(TEXT, b"x" * 60) * (MIB // 66))
        other.send("unharmed")
        assert "unharmed" == other.recv(timeout=5)
        record = running.wait_for("connection.closed", within=10, peer=greedy.address)
        assert "slow_consumer" == record["cause"]
    assert peak_bytes(running.process.pid) - before < 40 * MIB  # the replies to the 256 messages of one turn, and once more on their way


def test_row_69_what_the_log_left_out_just_before_a_stop_is_told(daemon):
    running = daemon("routes: {/echo: echo}")
    for _ in range(80):
        assert 400 == answer_to(running.port, b"GET / HTTP/1.1\r\nnonsense\r\n\r\n")[0]
    running.stop()
    told = running.find_records("handshake.refused") + running.find_records("log.suppressed", of="handshake.refused")
    assert 80 == len(running.find_records("handshake.refused")) + sum(record.get("suppressed", 0) for record in told)


RAISES = """
import asyncio
from wsrouter import Handler

ERRORS = {
    "ValueError": lambda: ValueError("bad"),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "ExceptionGroup": lambda: BaseExceptionGroup("both", [ValueError("one"), SystemExit(4)]),
}

class Raises(Handler[str]):
    where: str

    def start(self, context):
        self.context = context

    def fail(self, where, name):
        if where == self.where:
            raise ERRORS[name]()

    def on_open(self, connection):
        self.fail("open", connection.query["error"])

    def on_message(self, connection, message):
        if self.where == "task":
            async def task():
                raise ERRORS[message]()
            self.context.spawn(task())
            return "spawned"
        self.fail("message", message)

    def on_close(self, connection, cause):
        self.fail("close", connection.query["error"])
"""


def test_row_57_whatever_a_handler_raises_wherever_it_does_ends_nothing_but_its_own_connection(daemon):
    errors, places = ("ValueError", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "ExceptionGroup"), ("open", "message", "close", "task")
    routes = "".join(f"  /{where}: {{raises: {{where: {where}}}}}\n" for where in places)
    running = daemon(f"plugins: {{folders: [plugins], failures: 0}}\nroutes:\n  /echo: echo\n{routes}", plugins={"raises.py": RAISES})
    with connect(running.url("/echo")) as other:
        for where in places:
            for error in errors:
                with suppress(ConnectionClosed), connect(running.url(f"/{where}?error={error}")) as client:
                    client.send(error)
                    if where != "close":
                        answer = client.recv(timeout=5)
                        assert ("task", "spawned") == (where, answer)
                other.send(where + error)
                assert where + error == other.recv(timeout=5)
        running.wait_for("handler.failed", count=len(places) * len(errors))
        assert len(errors) == len(running.find_records("connection.closed", cause="handler_error", code=1011, route="/open"))
        assert len(errors) == len(running.find_records("connection.closed", cause="handler_error", code=1011, route="/message"))
        assert [] == running.find_records("connection.closed", route="/echo")


def test_row_70_no_text_of_a_client_forges_a_line_of_the_log(daemon):
    running = daemon("routes: {/echo: echo}")
    evil = '\x1b[2J\u2028\u0085\r\n{"event": "listening"}'
    with raw_client(running.port) as client:
        client.upgrade("/echo?a=%1b%0d%0a", "User-Agent: {}[31m", "X-Request-ID: \xa9\xad", "Origin: http://a")
        reason = evil.encode()[:120]
        client.send(masked(CLOSE, b"\x03\xe8" + reason))
        client.read_to_end()
    for path in ("/%1b[2J%0d%0aforged", "/a\x1b[31m", "/\u00e9", "/" + "x" * 5000):
        assert answer_to(running.port, request_head(path, "User-Agent: \x1b]0;title\x07", "Origin: http://\xe2\x80\xa8"))[0] in (400, 404)
    assert 0 == running.stop()
    assert [] == running.stray
    assert [1, 4] == [len(running.find_records(event)) for event in ("listening", "handshake.refused")]
    assert running.find_records("connection.closed")[0]["reason"].startswith("\\x1b[2J")
    texts = [value for record in running.records for value in record.values() if isinstance(value, str)]
    assert all(text.isprintable() and len(text) <= 256 for text in texts)
