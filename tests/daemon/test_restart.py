"""One daemon after the other on the same address: who may share it, and that those who were let in to the last are answered."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from support.bare import REQUEST, open_socket, upgrade
from support.client import connect
from support.waiting import until

WHO = "import os\n\nasync def who(websocket):\n    await websocket.send(str(os.getpid()))\n    await websocket.wait_closed()\n"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def site(port: int, more: str = "", *, reuse_port: bool = True) -> str:
    return f"routes: {{/echo: echo}}\nserver: {{listen: {{address: '127.0.0.1:{port}'{more}}}, reuse_port: {str(reuse_port).lower()}}}"


@pytest.mark.parametrize("encrypted", [False, True], ids=["tcp", "tls"])
def test_the_next_daemon_gets_all_newcomers_once_the_last_is_told_to_stop(daemon, port: int, tmp_path: Path, encrypted: bool) -> None:
    more, tls = "", None
    if encrypted:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        subprocess.run([*command, "-keyout", str(tmp_path / "k.pem"), "-out", str(tmp_path / "c.pem")], check=True, capture_output=True)
        more, tls = ", tls: {cert: c.pem, key: k.pem}", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    text = site(port, more).replace("echo: echo", "who: who")
    last = daemon(text, plugins={"who.py": WHO})
    with connect(last.url("/who"), ssl=tls) as client:
        following = daemon(text)
        last.send_signal(signal.SIGTERM)
        last.wait_for("stopping")
        assert client.ping().wait(5.0)  # the turn of the loop that began with the signal is over
        assert [answering(last.url("/who"), tls) for _ in range(10)] == 10 * [following.process.pid]
    assert last.wait() == 0


def answering(url: str, tls: ssl.SSLContext | None) -> int:
    """The process that serves a newcomer."""
    with connect(url, ssl=tls) as client:
        return int(client.recv())


def test_without_it_the_address_is_taken(daemon, port: int) -> None:
    daemon(site(port, reuse_port=False))
    second = daemon(site(port), listening=False)
    assert second.wait() == 1
    assert [True] == [line.startswith(f"cannot listen on 127.0.0.1:{port}: another process listens on it; stop that") for line in second.stray]


def test_it_cannot_be_changed_by_a_reload(daemon, port: int, tmp_path: Path) -> None:
    running = daemon(site(port, reuse_port=False))
    (tmp_path / "site.yaml").write_text(site(port))
    running.send_signal(signal.SIGHUP)
    assert running.wait_for("reload.done")["summary"].endswith("; server.reuse_port will change at the next restart")


def test_a_request_of_one_who_was_accepted_before_the_stop_is_answered(daemon, port: int) -> None:
    running = daemon(site(port, reuse_port=False))
    with upgrade(running.url("/echo")), open_socket(running.url("/echo")) as early:
        early.sendall(b"GET /echo")  # it has been accepted: the next one has, and they come in order
        with upgrade(running.url("/echo")):
            running.send_signal(signal.SIGTERM)
            running.wait_for("stopping")
            until(lambda: is_refused(port))
            early.sendall(REQUEST.format(path="/echo", host=f"127.0.0.1:{port}").encode().removeprefix(b"GET /echo"))
            assert early.recv(12) == b"HTTP/1.1 101"


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False
