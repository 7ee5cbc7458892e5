"""`on_handshake` of handlers, against the real process: refusing, subprotocols, headers, waiting, failing, reload."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response

from support.client import connect
from support.daemon import Daemon, run_daemon
from support.raw import raw_client, request_head
from support.wire import TEXT, frame, masked

GATE = """
from wsrouter import Accept, Connection, Handler, HandshakeRequest, Refuse

class Gate(Handler[str]):
    def on_handshake(self, request: HandshakeRequest):
        say = request.query.get("say", "")
        if say == "no":
            return Refuse(404, f"{request.user or 'nobody'} may not see {request.path}")
        if say == "v2":
            return Accept(subprotocol="chat.v2", headers={"X-Room": str(request.params["room"]), "Set-Cookie": ["seen=1; Path=/", "room=red"]})
        if say == "raise":
            raise LookupError("no such list")
        if say == "garbage":
            return 7
        if say == "injected":
            return Accept(headers={"X-Room": "a\\r\\nX-Injected: b"})
        if say == "ours":
            return Accept(headers={"Sec-WebSocket-Accept": "b"})
        if say == "exit":
            raise SystemExit
        return None

    def on_message(self, connection: Connection, message: str):
        return {"subprotocol": connection.subprotocol, "user": connection.user}
"""

SLOW = """
import asyncio
from pathlib import Path
from wsrouter import Accept, Connection, Handler, HandshakeRequest, Refuse

class Slow(Handler[str]):
    async def on_handshake(self, request: HandshakeRequest):
        if request.query.get("say"):
            print("asked", request.query["say"])
            while not Path("go").exists():
                await asyncio.sleep(0.01)
        if request.query.get("say") == "raise":
            raise LookupError("no such list")
        return VERDICT

    def on_message(self, connection: Connection, message: str):
        return message
"""
SITE = "routes: {'/room/{room}': {gate: {}, subprotocols: [chat.v1]}, /slow: slow}"


@contextmanager
def run(tmp_path: Path, site: str = SITE, *, slow: str = "None", **arguments: Any) -> Iterator[Daemon]:
    plugins = {"gate.py": GATE, "slow.py": SLOW.replace("VERDICT", slow), **arguments.pop("plugins", {})}
    with run_daemon(site, tmp_path, plugins=plugins, **arguments) as daemon:
        yield daemon


def refused(daemon: Daemon, path: str, **arguments: Any) -> Response:
    with pytest.raises(InvalidStatus) as failed:
        connect(daemon.url(path), **arguments)
    return failed.value.response


def ask(daemon: Daemon, path: str) -> Future[int]:
    """The status of a client that connects meanwhile."""

    def go() -> int:
        try:
            with connect(daemon.url(path)):
                return 101
        except InvalidStatus as error:
            return error.response.status_code

    pool = ThreadPoolExecutor(1)
    future = pool.submit(go)
    pool.shutdown(wait=False)
    return future


def test_a_hook_refuses_with_its_status_and_only_the_record_says_why(tmp_path: Path) -> None:
    with run(tmp_path) as daemon:
        response = refused(daemon, "/room/red?say=no")
        record = daemon.wait_for("handshake.refused")

    assert (404, b"404 Not Found\n") == (response.status_code, response.body)
    assert {"status": 404, "reason": "refused", "detail": "nobody may not see /room/red", "route": "/room/{room}", "handler": "gate"}.items() <= record.items()
    assert not daemon.find_records("connection.opened")


def test_a_hook_chooses_the_subprotocol_and_sets_headers(tmp_path: Path) -> None:
    with run(tmp_path) as daemon, connect(daemon.url("/room/red?say=v2"), subprotocols=["chat.v1", "chat.v2"]) as client:
        client.send("?")
        assert "chat.v2" == json.loads(client.recv(5))["subprotocol"]
        assert "chat.v2" == client.subprotocol
        assert ("red", ["seen=1; Path=/", "room=red"]) == (client.response.headers["X-Room"], client.response.headers.get_all("Set-Cookie"))


def test_a_hook_that_says_nothing_leaves_the_answer_as_it_is(tmp_path: Path) -> None:
    with run(tmp_path) as daemon, connect(daemon.url("/room/red"), subprotocols=["chat.v2", "chat.v1"]) as client:
        assert "chat.v1" == client.subprotocol


@pytest.mark.parametrize(
    ("say", "error"),
    [
        ("raise", "LookupError: no such list"),
        ("garbage", "HandlerError: on_handshake returned int; it may return None, Accept or Refuse"),
        ("injected", "ValueError: the value of the header X-Room has characters that no header may have: write printable ASCII, without line ends"),
        ("ours", "ValueError: the header Sec-WebSocket-Accept belongs to the handshake: on_handshake may not set it"),
        ("v2", "HandlerError: on_handshake chose the subprotocol chat.v2, which the client does not offer; it offers none"),
        ("exit", "SystemExit"),
    ],
)
def test_a_hook_that_fails_is_a_500_and_one_record_with_its_lines_and_disturbs_nobody(tmp_path: Path, say: str, error: str) -> None:
    with run(tmp_path) as daemon, connect(daemon.url("/room/blue")) as other:
        response = refused(daemon, f"/room/red?say={say}")
        other.send("?")
        assert other.recv(5)
        failed, record = daemon.wait_for("handler.failed"), daemon.wait_for("handshake.refused")

    assert (500, b"500 Internal Server Error\n") == (response.status_code, response.body)
    assert not {"X-Injected", "X-Room"} & set(response.headers)
    assert ("/room/{room}", "gate", "on_handshake") == (failed["route"], failed["handler"], failed["hook"])
    assert failed["error"].startswith(error)
    assert failed["peer"] == record["peer"]
    assert ("handler_error", "/room/{room}", "gate") == (record["reason"], record["route"], record["handler"])
    if say in {"raise", "injected", "ours"}:
        assert "/plugins/gate.py:" in failed["at"]
    assert 1 == len(daemon.find_records("handler.failed"))


def test_failing_hooks_bring_a_route_into_quarantine_as_all_others_do(tmp_path: Path) -> None:
    with run(tmp_path, SITE + "\nplugins: {folders: [plugins], failures: 2, pause: 1m}") as daemon:
        assert [500, 500, 500, 503] == [refused(daemon, "/room/red?say=raise").status_code for _ in range(4)]
        assert daemon.wait_for("handler.quarantined")["handler"] == "gate"
        assert daemon.wait_for("handshake.refused", count=4)["reason"] == "quarantined"
        assert 3 == len(daemon.find_records("handler.failed"))


def test_the_hook_sees_who_the_user_is_and_is_not_asked_about_those_whom_the_site_refuses(tmp_path: Path) -> None:
    site = f"routes: {{/: {{gate: {{}}, auth: {{tokens: {{alice: '{'a' * 20}', bob: '{'b' * 20}'}}, refuse: close}}, allow: {{user: alice}}}}}}"
    with run(tmp_path, site) as daemon:
        for token in "ab":
            with (
                connect(daemon.url("/?say=no"), additional_headers={"Authorization": f"Bearer {token * 20}"}) as client,
                pytest.raises(ConnectionClosed) as closed,
            ):
                client.recv(5)
            assert closed.value.rcvd is not None
            assert ((4404, "refused") if token == "a" else (4403, "forbidden")) == (closed.value.rcvd.code, closed.value.rcvd.reason)
        assert "alice may not see /" == daemon.wait_for("handshake.refused", reason="refused")["detail"]


def test_the_steps_of_a_chain_are_asked_in_their_order_and_what_they_set_adds_up(tmp_path: Path) -> None:
    step = "from wsrouter import Accept, Handler\nclass {name}(Handler):\n    def on_handshake(self, request):\n        return Accept(headers={headers})\n"
    plugins = {
        "first.py": step.format(name="First", headers={"X-A": "first", "x-b": "first"}),
        "second.py": step.format(name="Second", headers={"X-B": "second"}),
    }
    with run(tmp_path, "routes: {/: [first, second, gate]}", plugins=plugins) as daemon:
        with connect(daemon.url("/")) as client:
            assert ("first", "second") == (client.response.headers["X-A"], client.response.headers["X-B"])  # raises where there are two
        assert 404 == refused(daemon, "/?say=no").status_code


def test_a_token_among_the_subprotocols_can_neither_be_chosen_nor_told_of(tmp_path: Path) -> None:
    site = "routes: {'/room/{room}': {gate: {}, auth: {tokens: {alice: alice-canary-5f2c9e1ab3}}}}"
    with run(tmp_path, site) as daemon:
        with pytest.raises(InvalidStatus) as info:
            connect(daemon.url("/room/red?say=v2"), subprotocols=["chat.v1", "bearer", "alice-canary-5f2c9e1ab3"])
        assert 500 == info.value.response.status_code
        assert daemon.wait_for("handler.failed")["error"].endswith("it offers chat.v1, bearer")
        assert "canary" not in daemon.transcript()


# Hooks that wait.


def test_a_hook_that_waits_holds_its_client_and_nobody_else(tmp_path: Path) -> None:
    with run(tmp_path, slow='Accept(headers={"X-Slow": "yes"})') as daemon, ThreadPoolExecutor(1) as pool:
        held = pool.submit(connect, daemon.url("/slow?say=wait"))
        daemon.wait_for_output("asked wait")
        with connect(daemon.url("/slow")) as other:
            other.send("hello")
            assert "hello" == other.recv(5)
        assert not held.done()
        (tmp_path / "go").touch()
        with held.result(10) as client:
            assert "yes" == client.response.headers["X-Slow"]
            client.send("here")
            assert "here" == client.recv(5)


def test_what_comes_while_a_hook_waits_is_handed_on_when_it_has_answered(tmp_path: Path) -> None:
    answer = frame(TEXT, b"hello")
    with run(tmp_path) as daemon, raw_client(daemon.port) as client:
        client.send(request_head("/slow?say=wait") + masked(TEXT, b"hello"))
        daemon.wait_for_output("asked wait")
        (tmp_path / "go").touch()
        assert client.read_head().startswith(b"HTTP/1.1 101")
        assert answer == client.read_exactly(len(answer))


def test_a_hook_that_waits_and_fails_is_a_500(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    with run(tmp_path) as daemon:
        assert 500 == refused(daemon, "/slow?say=raise").status_code
        assert "LookupError: no such list" == daemon.wait_for("handler.failed", hook="on_handshake")["error"]


def test_a_hook_that_takes_too_long_is_a_503(tmp_path: Path) -> None:
    with run(tmp_path, SITE + "\nserver: {limits: {handshake: 300ms}}") as daemon:
        response = refused(daemon, "/slow?say=wait")
        record = daemon.wait_for("handshake.refused")

    assert 503 == response.status_code
    assert 1 <= int(response.headers["Retry-After"]) <= 10
    assert ("undecided", "no answer of on_handshake after 0.3 s", "/slow", "slow") == tuple(record[name] for name in ("reason", "detail", "route", "handler"))


def test_a_hook_that_takes_too_long_is_told_by_a_close_code_where_the_route_refuses_so(tmp_path: Path) -> None:
    site = f"server: {{limits: {{handshake: 300ms}}}}\nroutes: {{/: {{slow: {{}}, auth: {{tokens: {{alice: '{'a' * 20}'}}, refuse: close}}}}}}"
    with (
        run(tmp_path, site) as daemon,
        connect(daemon.url("/?say=wait"), additional_headers={"Authorization": f"Bearer {'a' * 20}"}) as client,
        pytest.raises(ConnectionClosed) as closed,
    ):
        client.recv(5)
    assert closed.value.rcvd is not None
    assert (1013, "undecided") == (closed.value.rcvd.code, closed.value.rcvd.reason)


def test_a_client_that_leaves_while_a_hook_waits_is_recorded_and_its_hook_cancelled(tmp_path: Path) -> None:
    slow = (
        SLOW.replace("VERDICT", "None")
        .replace("            while not", "            try:\n              while not")
        .replace("await asyncio.sleep(0.01)", "  await asyncio.sleep(0.01)\n            finally:\n              print('left')")
    )
    with run(tmp_path, plugins={"slow.py": slow}) as daemon:
        with raw_client(daemon.port) as client:
            client.send(request_head("/slow?say=wait"))
            daemon.wait_for_output("asked wait")
        daemon.wait_for_output("left")
        assert "gone before on_handshake had answered" == daemon.wait_for("handshake.refused", reason="undecided")["detail"]
        assert not daemon.find_records("handler.failed")


def test_after_a_reload_the_new_handler_decides_on_whoever_waits(tmp_path: Path) -> None:
    with run(tmp_path) as daemon:
        held = ask(daemon, "/slow?say=wait")
        daemon.wait_for_output("asked wait")
        (tmp_path / "plugins/slow.py").write_text(SLOW.replace("VERDICT", 'Refuse(410, "moved")'))
        daemon.send_signal(1)
        daemon.wait_for("reload.done")
        (tmp_path / "go").touch()
        assert 410 == held.result(10)
        assert "moved" == daemon.wait_for("handshake.refused")["detail"]


def test_an_answer_that_was_waited_for_counts_where_a_reload_changed_nothing_of_the_route(tmp_path: Path) -> None:
    with run(tmp_path, slow="Refuse(418)") as daemon:
        held = ask(daemon, "/slow?say=wait")
        daemon.wait_for_output("asked wait")
        (tmp_path / "site.yaml").write_text("routes: {/slow: slow}")
        daemon.send_signal(1)
        daemon.wait_for("reload.done")
        (tmp_path / "go").touch()
        assert 418 == held.result(10)
        assert 1 == sum("asked" in line for line in daemon.output)


def test_after_a_hook_that_waited_the_limits_count_again(tmp_path: Path) -> None:
    with run(tmp_path, "routes: {/slow: {slow: {}, limits: {connections: 1}}}") as daemon, ExitStack() as stack:
        held = ask(daemon, "/slow?say=wait")
        daemon.wait_for_output("asked wait")
        stack.enter_context(connect(daemon.url("/slow")))
        (tmp_path / "go").touch()
        assert 503 == held.result(10)
        assert "full" == daemon.wait_for("handshake.refused")["reason"]
