"""`wsrouter connect` against a real server of the `websockets` library: what it prints, what it sends, how it exits."""

from __future__ import annotations

import argparse
import http
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from websockets.frames import Close
from websockets.sync.server import serve

from wsrouter.cli import connect

ROOT = Path(__file__).parent.parent.parent
CLOCK = re.compile(r"^\d\d:\d\d:\d\d\.\d\d\d ")


def parse(*argv):
    parser = argparse.ArgumentParser()
    connect.add_arguments(parser)
    return parser.parse_args(argv)


@pytest.fixture
def start_server():
    """Starts a server with this handler; the answer is its address."""
    servers = []

    def start(handler, **arguments):
        server = serve(handler, "127.0.0.1", 0, **arguments)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"ws://127.0.0.1:{server.socket.getsockname()[1]}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()


def echo(websocket):
    for message in websocket:
        websocket.send(message)


def run_as_process(*argv, **arguments):
    """The command as a process of its own, for what concerns stdin and signals."""
    code = (
        "import argparse, sys; from wsrouter.cli import connect; p = argparse.ArgumentParser(); connect.add_arguments(p); sys.exit(connect.run(p.parse_args()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, *argv], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **arguments)


def test_text_of_x_is_sent_and_the_answer_printed_with_its_time(start_server, capsys):
    status = connect.run(parse(start_server(echo), "-x", "bonjour", "-w", "200ms"))

    out, err = capsys.readouterr()
    assert status == 0
    assert CLOCK.match(out)
    assert CLOCK.sub("", out) == "bonjour\n"
    assert err.splitlines()[-1] == "closed: 1000 (OK)"


def test_the_close_code_and_reason_of_the_server_are_printed(start_server, capsys):
    status = connect.run(parse(start_server(lambda websocket: websocket.close(4000, "go\x1b away")), "-x", "a", "-w", "-1"))

    assert status == 0
    assert capsys.readouterr().err.splitlines()[-1] == "closed: 4000 (private use) go\\x1b away"


def test_a_lost_connection_is_a_failure(start_server, capsys):
    status = connect.run(parse(start_server(lambda websocket: websocket.socket.shutdown(socket.SHUT_RDWR)), "-x", "a", "-w", "-1"))

    assert status == 1
    assert capsys.readouterr().err.splitlines()[-1] == "closed: lost without a close frame"


def test_header_origin_and_subprotocols_are_sent(start_server, capsys):
    seen = []

    def note(websocket):
        seen.append((websocket.request.headers["X-Room"], websocket.request.headers["Origin"], websocket.subprotocol))

    url = start_server(note, subprotocols=["chat.v2"])
    connect.run(parse(url, "-H", "X-Room: 12:30", "-o", "https://example.com", "-s", "chat.v1", "-s", "chat.v2", "-x", "a"))

    assert seen == [("12:30", "https://example.com", "chat.v2")]
    assert "(subprotocol chat.v2)" in capsys.readouterr().err


def test_a_refusal_is_one_line_with_its_status_and_text(start_server, capsys):
    refuse = start_server(echo, process_request=lambda websocket, request: websocket.respond(http.HTTPStatus.FORBIDDEN, "origin not\nallowed\n"))

    assert connect.run(parse(refuse, "-x", "a")) == 1
    assert capsys.readouterr() == ("", "refused: 403 Forbidden: origin not allowed\n")


def test_nobody_listening_is_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert connect.run(parse(f"ws://127.0.0.1:{port}/", "-x", "a")) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"failed: cannot connect to ws://127.0.0.1:{port}/: ")
    assert err.count("\n") == 1


def test_a_server_of_another_kind_is_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        status = connect.run(parse(f"ws://127.0.0.1:{server.getsockname()[1]}/", "-x", "a"))
        thread.join()

    err = capsys.readouterr().err
    assert status == 1
    assert err.startswith("failed: no WebSocket server answered at ")
    assert err.count("\n") == 1


def test_an_address_that_is_none_says_what_to_write(capsys):
    assert connect.run(parse("ftp://x/", "-x", "a")) == 1
    assert capsys.readouterr().err == "failed: 'ftp://x/' is not a WebSocket address; write ws://host:port/path\n"


@pytest.mark.parametrize("argv", [["-H", "no colon"], ["-H", ": no name"], ["-x", "\udcff"], ["-w", "soon"]], ids=repr)
def test_flags_that_cannot_be_are_usage_errors(argv, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse("ws://x", *argv)


def test_lines_of_stdin_are_sent_and_the_last_needs_no_newline(start_server):
    with run_as_process(start_server(echo), "-w", "0.3", stdin=subprocess.PIPE) as process:
        out, err = process.communicate("one\ntwo\r\nthree", timeout=20)

    assert [CLOCK.sub("", line) for line in out.splitlines()] == ["one", "two", "three"]
    assert err.endswith("closed: 1000 (OK)\n")
    assert process.returncode == 0


def test_it_ends_with_the_server_though_stdin_is_open(start_server):
    with run_as_process(start_server(lambda websocket: websocket.close()), stdin=subprocess.PIPE) as process:
        assert process.wait(20) == 0


def test_ctrl_c_closes_the_connection_properly(start_server):
    codes = []

    def greet(websocket):
        websocket.send("ready")
        try:
            websocket.recv()
        except Exception:
            codes.append(websocket.close_code)
            raise

    with run_as_process(start_server(greet), stdin=subprocess.PIPE) as process:
        assert "ready" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 0
    assert "Traceback" not in err
    assert codes == [1000]


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("ws://a/b", "ws://a/b"),
        ("localhost:8765/echo", "ws://localhost:8765/echo"),
        (":8765", "ws://localhost:8765"),
        ("http://a/b", "ws://a/b"),
        ("HTTPS://a/b", "wss://a/b"),
    ],
)
def test_a_url_is_completed(written, url):
    assert connect.complete_url(written) == url


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("été\t1", "été\t1"),
        ('{\n  "a": 1\n}', '{\\n  "a": 1\\n}'),
        ("\x1b[2J\x9b", "\\x1b[2J\\x9b"),
        (b"\x00\x01\x02\x03\xff", "[5 bytes] 00010203 ff"),
        (bytes(65), "[65 bytes] " + " ".join(["00000000"] * 16) + "…"),
        (b"", "[0 bytes] "),
    ],
)
def test_a_message_is_shown_as_one_line(message, line):
    assert connect.show(message) == line


@pytest.mark.parametrize(
    ("received", "sent", "text"),
    [
        (Close(1008, "slow"), None, "1008 (policy violation) slow"),
        (Close(1000, ""), Close(1000, ""), "1000 (OK)"),
        (None, Close(1000, ""), "1000 (OK) (not answered)"),
        (None, None, "lost without a close frame"),
    ],
)
def test_a_close_is_described(received, sent, text):
    assert connect.describe_close(received, sent) == text


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("ws+unix:/run/ws.sock:/echo", ("/run/ws.sock", "/echo")),
        ("ws+unix:///run/ws.sock:/echo", ("/run/ws.sock", "/echo")),
        ("unix:/run/ws.sock", ("/run/ws.sock", "/")),
        ("ws://localhost/echo", None),
    ],
)
def test_an_address_of_a_unix_socket_has_two_paths(url, parts):
    assert connect.split_unix(connect.complete_url(url)) == parts


def test_a_refusal_says_its_status_once(start_server, capsys):
    url = start_server(echo, process_request=lambda websocket, request: websocket.respond(404, "404 Not Found\n"))

    assert connect.run(parse(url)) == 1
    assert capsys.readouterr().err == "refused: 404 Not Found\n"


@pytest.mark.parametrize(
    "answer, why",
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", "what listens there speaks no TLS; write ws:// for wss://"), (b"", "the connection was cut off")],
)
def test_tls_where_there_is_none_is_told_in_words(capsys, answer, why):
    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        url = f"wss://127.0.0.1:{listener.getsockname()[1]}/echo"
        assert connect.run(parse(url)) == 1
        server.join()

    assert f"failed: cannot connect to {url}: {why}\n" == capsys.readouterr().err


def test_where_nothing_listens_it_says_so(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]

    assert connect.run(parse(f":{port}/echo")) == 1
    assert capsys.readouterr().err == f"failed: cannot connect to ws://localhost:{port}/echo: nothing listens there\n"
    assert connect.run(parse(f"unix:{tmp_path}/ws.sock")) == 1
    assert capsys.readouterr().err == f"failed: cannot connect to ws+unix:{tmp_path}/ws.sock: there is no such socket\n"
