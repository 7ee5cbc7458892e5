"""Decisions on newcomers that must be waited for: how many may wait, and what a reload makes of those who do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from support.client import connect
from support.daemon import Daemon, run_daemon
from support.raw import raw_client, request_head
from wsrouter.wire.waiting_room import AT_ONCE, MOST_WAITING

# Both wait until the file `go` is there.
ASKED = """
import asyncio
from pathlib import Path
from wsrouter import Handler, HandshakeRequest, Refuse, User

at_once = [0, 0]

async def wait():
    at_once[0] += 1
    at_once[1] = max(at_once)
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    at_once[0] -= 1

async def sessions(request: HandshakeRequest) -> User | None:
    if "now" in request.query:
        return User(str(at_once[1]))
    print("asked")
    await wait()
    return None if "no" in request.query else User("ada")

class Asked(Handler[str]):
    async def on_handshake(self, request: HandshakeRequest) -> Refuse | None:
        if "now" not in request.query:
            await wait()
        return None

    def on_message(self, connection, message):
        return str(at_once[1])

class Who(Handler[str]):
    def on_message(self, connection, message):
        return str(connection.user)
"""
GUARDED = "routes: {/: {'asked:Who': {}, auth: {plugin: 'asked:sessions'}}}\n"
HOOKED = "routes: {/: 'asked:Asked'}\n"
PATIENT = "server: {limits: {handshake: 60s}}\n"
BEYOND = 5


@contextmanager
def run(tmp_path: Path, site: str) -> Iterator[Daemon]:
    with run_daemon(site + PATIENT, tmp_path, plugins={"asked.py": ASKED}) as daemon:
        yield daemon


def ask(daemon: Daemon, path: str) -> Future[str | int]:
    """What the handler says to a client that connects meanwhile, or the status that refuses it."""

    def go() -> str | int:
        try:
            with connect(daemon.url(path), open_timeout=20) as client:
                client.send("?")
                return str(client.recv(10))
        except InvalidStatus as error:
            return error.response.status_code

    pool = ThreadPoolExecutor(1)
    future = pool.submit(go)
    pool.shutdown(wait=False)
    return future


@pytest.mark.slow
@pytest.mark.parametrize(("site", "reason"), [(GUARDED, "auth_unavailable"), (HOOKED, "undecided")], ids=["auth", "on_handshake"])
def test_a_hundred_decisions_are_asked_for_at_once_a_thousand_wait_and_others_get_503(tmp_path: Path, site: str, reason: str) -> None:
    most = AT_ONCE + MOST_WAITING
    with run(tmp_path, site) as daemon, ExitStack() as stack:
        clients: list[socket.socket] = []
        for _ in range(most + BEYOND):
            clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", daemon.port), 10)))
            clients[-1].sendall(request_head("/"))
        refused = daemon.wait_for("handshake.refused", count=BEYOND, reason=reason, within=20)
        (tmp_path / "go").touch()
        answers = [client.recv(4096) for client in clients]
        with connect(daemon.url("/?now")) as client:
            client.send("?")
            assert str(AT_ONCE) == client.recv(5)

    assert f"{most} others wait for a decision" == refused["detail"]
    assert most == sum(answer.startswith(b"HTTP/1.1 101 ") for answer in answers)
    turned_away = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503 ")]
    assert BEYOND == len(turned_away)
    assert all(b"\r\nRetry-After: " in answer for answer in turned_away)


def test_who_leaves_while_a_decision_is_waited_for_makes_room(tmp_path: Path) -> None:
    with run(tmp_path, GUARDED) as daemon:
        for number in range(1, AT_ONCE + 2):  # one more than are asked for at once: it would wait for its turn
            with raw_client(daemon.port) as client:
                client.send(request_head("/"))
                daemon._wait(lambda number=number: len(daemon.output) >= number, 5, "asked")
        assert "gone before it was known who it is" == daemon.wait_for("handshake.refused")["detail"]


@pytest.mark.parametrize("query", ["?no", "?yes"])
def test_a_reload_that_takes_auth_away_lets_in_who_waits_whatever_would_have_been_decided(tmp_path: Path, query: str) -> None:
    with run(tmp_path, GUARDED) as daemon:
        held = ask(daemon, f"/{query}")
        daemon.wait_for_output("asked")
        (tmp_path / "site.yaml").write_text("routes: {/: 'asked:Who'}\n" + PATIENT)
        daemon.send_signal(1)
        daemon.wait_for("reload.done")
        (tmp_path / "go").touch()
        assert "None" == held.result(20)


def test_a_reload_that_brings_auth_asks_who_waits_for_a_handler(tmp_path: Path) -> None:
    site = "routes: {/: {'asked:Asked': {}, auth: {tokens: {ada: 0123456789abcdef}}}}\n"
    with run(tmp_path, HOOKED) as daemon:
        held = ask(daemon, "/")
        with connect(daemon.url("/?now")) as other:
            while True:  # until the one before it waits
                other.send("?")
                if other.recv(5) == "1":
                    break
        (tmp_path / "site.yaml").write_text(site + PATIENT)
        daemon.send_signal(1)
        daemon.wait_for("reload.done")
        (tmp_path / "go").touch()
        assert 401 == held.result(20)


def test_a_reload_that_removes_the_route_refuses_who_waits(tmp_path: Path) -> None:
    with run(tmp_path, GUARDED) as daemon:
        held = ask(daemon, "/")
        daemon.wait_for_output("asked")
        (tmp_path / "site.yaml").write_text("routes: {/other: 'asked:Who'}\n" + PATIENT)
        daemon.send_signal(1)
        daemon.wait_for("reload.done")
        (tmp_path / "go").touch()
        assert 404 == held.result(20)
