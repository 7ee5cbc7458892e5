"""Listening sockets that systemd passes to the real daemon: taken by address, kept over reloads, and never left without anybody who accepts."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.client import connect
from support.daemon import ROOT, Daemon

ECHO = "routes: {/echo: echo}"
SHUTDOWN = "shutdown: {spread: 0s, timeout: 2s}"


@pytest.fixture
def bound() -> Iterator[Callable[..., socket.socket]]:
    """Makes listening sockets, as a socket unit does: `bound("127.0.0.1")`, `bound(path)`."""
    with ExitStack() as stack:

        def bind(where: str, port: int = 0, *, dual: bool = False, listens: bool = True) -> socket.socket:
            family = socket.AF_UNIX if where.startswith("/") else socket.AF_INET6 if ":" in where else socket.AF_INET
            one = stack.enter_context(socket.socket(family))
            if family is socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
            one.bind(where if family is socket.AF_UNIX else (where, port))
            if listens:
                one.listen(128)
            return one

        yield bind


def port_of(one: socket.socket) -> int:
    return int(one.getsockname()[1])


def site(*addresses: str) -> str:
    return f"{ECHO}\nserver: {{listen: [{', '.join(repr(address) for address in addresses)}], {SHUTDOWN}}}"


def echoes(url: str) -> bool:
    with connect(f"{url}/echo") as client:
        client.send("x")
        return bool(client.recv() == "x")


def refusal(daemon: Callable[..., Daemon], *arguments: object, **named: object) -> str:
    """The one line of a daemon that does not start."""
    running = daemon(*arguments, listening=False, **named)
    assert running.wait() == 1
    assert len(running.stray) == 1, running.transcript()
    return running.stray[0]


def test_tcp_sockets_of_both_families_are_taken_by_their_address(daemon, bound) -> None:
    four, six = bound("127.0.0.1"), bound("::1")
    addresses = f"[::1]:{port_of(six)}", f"127.0.0.1:{port_of(four)}"
    running = daemon(site(*addresses), passed=[four, six])

    assert running.addresses == [f"ws://{address}" for address in addresses]
    assert all(echoes(url) for url in running.addresses)
    assert running.stop() == 0
    for one, host in ((four, "127.0.0.1"), (six, "::1")):  # they go on listening, as those who passed them hold them
        socket.create_connection((host, port_of(one)), timeout=5).close()


def test_a_unix_socket_is_taken_by_its_path_and_its_file_is_left_alone(daemon, bound, tmp_path: Path) -> None:
    path = tmp_path / "ws.sock"
    one = bound(str(path))
    path.chmod(0o606)
    running = daemon(f"{ECHO}\nserver: {{listen: {{address: 'unix:{path}', mode: '0660'}}, {SHUTDOWN}}}", passed=[one])

    assert running.addresses == [f"ws+unix:{path}"]
    assert path.stat().st_mode & 0o777 == 0o606
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 426")
    assert running.stop() == 0
    assert path.is_socket()


def test_what_was_not_passed_is_bound_beside_what_was(daemon, bound) -> None:
    one = bound("127.0.0.1")
    running = daemon(site(f"127.0.0.1:{port_of(one)}", "127.0.0.1:0"), passed=[one])
    assert running.addresses[0] == f"ws://127.0.0.1:{port_of(one)}"
    assert all(echoes(url) for url in running.addresses)


def test_localhost_takes_the_socket_of_one_family_and_binds_the_other(daemon, bound) -> None:
    one = bound("127.0.0.1")
    running = daemon(site(f"localhost:{port_of(one)}"), passed=[one])
    assert sorted(running.addresses) == sorted([f"ws://127.0.0.1:{port_of(one)}", f"ws://[::1]:{port_of(one)}"])
    assert all(echoes(url) for url in running.addresses)


def test_one_socket_for_both_families_is_every_address(daemon, bound) -> None:
    one = bound("::", dual=True)
    running = daemon(site(f":{port_of(one)}"), passed=[one])
    assert running.addresses == [f"ws://[::]:{port_of(one)}"]
    assert echoes(f"ws://127.0.0.1:{port_of(one)}")
    assert echoes(f"ws://[::1]:{port_of(one)}")


def test_a_socket_that_the_site_does_not_want_is_a_clear_line(daemon, bound, tmp_path: Path) -> None:
    wanted, extra, unix = bound("127.0.0.1"), bound("127.0.0.2"), bound(str(tmp_path / "x.sock"))
    listen = f"127.0.0.1:{port_of(wanted)}"
    line = refusal(daemon, site(listen), passed=[wanted, extra, unix], env={"LISTEN_FDNAMES": "a.socket:wsrouter.socket:x.socket"})
    assert line == (
        f"cannot use what was passed: 127.0.0.2:{port_of(extra)} (wsrouter.socket), unix:{tmp_path}/x.sock (x.socket) is not in server.listen, which is {listen}; "
        "write it there, or take it out of the socket unit and restart that"
    )


def test_a_socket_for_both_families_is_not_taken_for_one(daemon, bound) -> None:
    one = bound("::", dual=True)
    line = refusal(daemon, site(f"0.0.0.0:{port_of(one)}"), passed=[one])
    assert f"; [::]:{port_of(one)} (unknown, for IPv4 and IPv6: :PORT in server.listen) was passed, which is another address: write it in server.listen" in line


def test_what_is_no_listening_stream_socket_is_a_clear_line(daemon, bound) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert refusal(daemon, ECHO, passed=[datagrams]).endswith("was passed and is no stream socket of TCP or Unix: use ListenStream= in the socket unit")
    assert refusal(daemon, ECHO, passed=[bound("127.0.0.1", listens=False)]).endswith("was passed and does not listen: use Accept=no in the socket unit")


def test_what_is_meant_for_another_process_is_left_alone(daemon) -> None:
    running = daemon(ECHO, env={"LISTEN_PID": "1", "LISTEN_FDS": "7"})
    assert all(echoes(url) for url in running.addresses)


def test_reloads_keep_passed_sockets_whatever_else_changes(daemon, bound, tmp_path: Path) -> None:
    one, two = bound("127.0.0.1"), bound("127.0.0.1")
    first, second = (f"127.0.0.1:{port_of(each)}" for each in (one, two))
    running = daemon(site(first, second), passed=[one, two])
    with connect(f"ws://{first}/echo") as client:
        for text in (site(second, first), f"{site(second, first)}\ndefaults: {{compression: true}}", site(first, second, "127.0.0.1:0")):
            (tmp_path / "site.yaml").write_text(text)
            running.send_signal(signal.SIGHUP)
            running.wait_for("reload.done", count=len(running.find_records("reload.done")) + 1)
            assert echoes(f"ws://{first}")
            assert echoes(f"ws://{second}")
        client.send("still here")
        assert client.recv() == "still here"


def test_a_reload_that_would_leave_a_passed_socket_alone_is_refused(daemon, bound, tmp_path: Path) -> None:
    one, two = bound("127.0.0.1"), bound("127.0.0.1")
    first, second = (f"127.0.0.1:{port_of(each)}" for each in (one, two))
    running = daemon(site(first, second), passed=[one, two])
    (tmp_path / "site.yaml").write_text(site(first))
    running.send_signal(signal.SIGHUP)
    problem = running.wait_for("reload.problem")["problem"]
    assert problem.startswith(f"cannot use what was passed: {second} (unknown) is not in server.listen, which is {first}; ")
    assert echoes(f"ws://{second}")


def test_a_client_that_comes_while_nobody_runs_is_served_by_the_next_daemon(daemon, bound) -> None:
    one = bound("127.0.0.1")
    listen = site(f"127.0.0.1:{port_of(one)}")
    assert daemon(listen, passed=[one]).stop() == 0
    with socket.create_connection(("127.0.0.1", port_of(one)), timeout=10) as waiting:
        waiting.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        waiting.sendall(b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        daemon(listen, passed=[one])
        assert waiting.recv(12) == b"HTTP/1.1 101"


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="systemd-socket-activate (of Debian's systemd) is not installed")
def test_systemd_socket_activate_starts_it_at_the_first_connection_and_passes_its_sockets(daemon, bound, tmp_path: Path) -> None:
    free = bound("127.0.0.1")
    port, path = port_of(free), tmp_path / "ws.sock"
    free.close()
    activate = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "-l", str(path), "--fdname=wsrouter.socket", f"-EPYTHONPATH={ROOT}"]
    running = daemon(site(f"127.0.0.1:{port}", f"unix:{path}"), under=activate, listening=False)
    running.wait_for_stray("Listening on")
    assert not running.records

    assert echoes(f"ws://127.0.0.1:{port}")
    assert running.addresses == [f"ws://127.0.0.1:{port}", f"ws+unix:{path}"]
    assert path.is_socket()
    assert running.stop() == 0
    assert path.is_socket()
