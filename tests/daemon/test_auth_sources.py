"""Who may come in, where that must be asked outside: passwords, plugins, JWK sets and other services that are slow, down or wrong."""

from __future__ import annotations

import asyncio
import fcntl
import json
import socket
import termios
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bcrypt
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.client import connect
from support.daemon import Daemon, run_daemon
from support.waiting import until
from wsrouter.access.bounds import MAX_HEAD_BYTES
from wsrouter.access.decision import Rejected
from wsrouter.access.jwt import Key
from wsrouter.access.sources.jwks import BETWEEN_S, JwksKeys
from wsrouter.api.causes import Reason
from wsrouter.wire.handshake import MOST_HELD_BYTES

WHO = """
from wsrouter import Connection, Handler

class Who(Handler[str]):
    def on_message(self, connection: Connection, message: str):
        return {"user": connection.user, "claims": dict(connection.claims)}
"""
KEYS = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
PASSWORD = "password-canary-ünïcode"

Answer = Callable[[BaseHTTPRequestHandler], None]


class Outside:
    """A real HTTP server in a thread; `answer` is what it does now, `requests` are the headers of those that came."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append({name.lower(): value for name, value in self.headers.items()})
                outer.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/ask"


@contextmanager
def outside(answer: Answer) -> Iterator[Outside]:
    found = Outside(answer)
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        thread.join()


def says(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def waits_for(event: threading.Event, then: Answer) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        event.wait(20)
        with suppress(OSError):  # who asked has gone
            then(handler)

    return answer


def jwk_set(*numbers: int) -> bytes:
    keys = [{**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEYS[number].public_key())), "kid": f"key-{number}", "use": "sig"} for number in numbers]
    return json.dumps({"keys": keys}).encode()


def token(number: int = 0, kid: str | None = None, **claims: Any) -> str:
    return jwt.encode({"sub": "alice", "exp": time.time() + 60, **claims}, KEYS[number], "RS256", headers={"kid": kid or f"key-{number}"})


def bearer(text: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": f"Bearer {text}"}}


def basic(name: str, password: str) -> dict[str, Any]:
    return {"additional_headers": {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}}


def run(tmp_path: Path, auth: str, more: str = "", plugins: dict[str, str] | None = None, server: str = "") -> Any:
    return run_daemon(
        f"{server}routes:\n  /open: who\n  /:\n    who: {{}}\n    auth: {auth}\n    {more}\n", tmp_path, plugins={"who.py": WHO, **(plugins or {})}
    )


def who(daemon: Daemon, path: str = "/", **arguments: Any) -> dict[str, Any]:
    with connect(daemon.url(path), **arguments) as client:
        client.send("?")
        found = json.loads(client.recv(5))
        assert isinstance(found, dict)
        return found


def status(daemon: Daemon, **arguments: Any) -> int:
    with pytest.raises(InvalidStatus) as refused:
        connect(daemon.url(), **arguments)
    return int(refused.value.response.status_code)


# Passwords.


@contextmanager
def asking(daemon: Daemon, service: Outside) -> Iterator[socket.socket]:
    """A client whose upgrade has come, while the service is asked who it is."""
    head = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    with socket.create_connection(("127.0.0.1", daemon.port), 5) as client:
        client.sendall(head.encode())
        until(lambda: service.requests)
        yield client


def htpasswd(**users: str) -> str:
    return "".join(f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n" for name, password in users.items())


def test_a_name_and_a_password_of_the_file_come_in_and_others_do_not(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(htpasswd(alice=PASSWORD, bob="b"))
    with run(tmp_path, "{basic: users}") as daemon:
        assert ["alice", "alice"] == [who(daemon, **basic("alice", PASSWORD))["user"] for _ in range(2)]
        assert [401, 401, 401] == [status(daemon, **basic(*pair)) for pair in (("alice", "b"), ("nobody", "b"), ("bob", "b" * 80))]
        with pytest.raises(InvalidStatus) as refused:
            connect(daemon.url())
        assert refused.value.response.headers["WWW-Authenticate"].startswith("Basic realm=")
        assert "canary" not in daemon.transcript()


def test_a_changed_password_closes_whoever_came_in_with_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "users").write_text(bob := htpasswd(bob="b"))
    with (tmp_path / "users").open("a") as file:
        file.write(htpasswd(alice=PASSWORD))
    with (
        run(tmp_path, "{basic: users}") as daemon,
        connect(daemon.url(), **basic("alice", PASSWORD)) as alice,
        connect(daemon.url(), **basic("bob", "b")) as other,
    ):
        (tmp_path / "users").write_text(bob + htpasswd(alice="new"))
        daemon.send_signal(1)
        with pytest.raises(ConnectionClosed) as closed:
            alice.recv(5)
        assert closed.value.rcvd is not None
        assert "access_revoked" == closed.value.rcvd.reason
        other.send("?")
        assert "bob" == json.loads(other.recv(5))["user"]


# Plugins.

SESSIONS = """
import asyncio
from wsrouter import HandshakeRequest, User

async def sessions(request: HandshakeRequest) -> User | None:
    word = request.query.get("as", "")
    if word == "raise":
        raise RuntimeError("mended soon")
    if word == "exit":
        raise SystemExit
    if word == "garbage":
        return 7
    if word == "sleep":
        await asyncio.sleep(60)
    return User(word, {"roles": ["guest"]}) if word else None
"""


def test_a_plugin_tells_who_somebody_is(tmp_path: Path) -> None:
    with run(tmp_path, "{plugin: sessions}", "allow: {roles: [guest]}", {"sessions.py": SESSIONS}) as daemon:
        assert {"user": "eve", "claims": {"roles": ["guest"]}} == who(daemon, "/?as=eve")
        assert 401 == status(daemon)


@pytest.mark.parametrize(
    ("word", "told"), [("raise", "RuntimeError"), ("exit", "SystemExit"), ("garbage", "returned no User"), ("sleep", "not known who it is")]
)
def test_a_plugin_that_fails_keeps_its_client_out_and_disturbs_nobody_else(tmp_path: Path, word: str, told: str) -> None:
    server = "server: {limits: {handshake: 500ms}}\n"
    with run(tmp_path, "{plugin: sessions}", plugins={"sessions.py": SESSIONS}, server=server) as daemon, connect(daemon.url("/open")) as client:
        with pytest.raises(InvalidStatus) as refused:
            connect(daemon.url(f"/?as={word}"))
        assert 503 == refused.value.response.status_code
        assert told in daemon.wait_for("handshake.refused", reason="auth_unavailable")["detail"]
        client.send("?")
        assert client.recv(5)
        assert bool(daemon.find_records("handler.failed")) is (word in {"raise", "exit"})


# JWK sets.


def test_keys_come_from_an_address_and_one_fetch_serves_many_clients(tmp_path: Path) -> None:
    with outside(says(200, jwk_set(0))) as issuer, run(tmp_path, f"{{jwt: {{jwks: '{issuer.url}'}}}}") as daemon:
        assert ["alice"] * 3 == [who(daemon, **bearer(token()))["user"] for _ in range(3)]
        assert 401 == status(daemon, **bearer(token(1, kid="key-0")))
        assert 1 == len(issuer.requests)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (says(500), "answered 500"),
        (says(200, b"no json"), "no JSON"),
        (says(200, b'{"keys": []}'), "no key"),
        (says(302, Location="http://127.0.0.1:1/"), "answered 302"),
    ],
    ids=["500", "no JSON", "no keys", "redirect"],
)
def test_without_keys_clients_are_refused_with_503_and_later_tries_succeed(tmp_path: Path, answer: Answer, told: str) -> None:
    with outside(answer) as issuer, run(tmp_path, f"{{jwt: {{jwks: '{issuer.url}'}}}}") as daemon:
        assert 503 == status(daemon, **bearer(token()))
        assert told in daemon.wait_for("handshake.refused")["detail"]
        issuer.answer = says(200, jwk_set(0))
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:  # the back-off after one failure is a second
            try:
                assert "alice" == who(daemon, **bearer(token()))["user"]
                break
            except InvalidStatus:
                time.sleep(0.1)
        else:
            raise AssertionError(daemon.transcript())
        assert len(issuer.requests) == 2


def test_a_slow_address_holds_up_only_those_who_need_it(tmp_path: Path) -> None:
    go_on = threading.Event()
    with outside(waits_for(go_on, says(200, jwk_set(0)))) as issuer, run(tmp_path, f"{{jwt: {{jwks: '{issuer.url}'}}}}") as daemon:
        answers: list[object] = []
        thread = threading.Thread(target=lambda: answers.append(who(daemon, **bearer(token()))["user"]))
        thread.start()
        assert who(daemon, "/open") == {"user": None, "claims": {}}
        assert [] == answers
        go_on.set()
        thread.join(10)
        assert ["alice"] == answers


def test_an_address_that_is_down_is_a_503(tmp_path: Path) -> None:
    with run(tmp_path, "{jwt: {jwks: 'http://127.0.0.1:9/none'}}") as daemon:
        assert 503 == status(daemon, **bearer(token()))
        assert "JWKS: no answer" in daemon.wait_for("handshake.refused")["detail"]


async def _found(keys: JwksKeys, kid: str) -> Key | Rejected:
    found = keys.find(kid)
    return found if isinstance(found, Key | Rejected) else await found()


def test_a_rotation_is_noticed_by_an_unknown_name_at_most_every_few_seconds() -> None:
    async def play() -> None:
        now = [100.0]
        keys = JwksKeys(issuer.url, time_s=lambda: now[0])
        assert isinstance(await _found(keys, "key-0"), Key)
        issuer.answer = says(200, jwk_set(1))
        for _ in range(20):  # made-up names are no flood of requests
            refused = await _found(keys, "made-up")
            assert isinstance(refused, Rejected)
            assert refused.refusal.reason is Reason.UNAUTHENTICATED
        assert 1 == len(issuer.requests)
        now[0] += BETWEEN_S
        assert isinstance(await _found(keys, "key-1"), Key)
        assert isinstance(await _found(keys, "key-0"), Rejected)
        assert 2 == len(issuer.requests)
        keys.close()
        await asyncio.sleep(0)

    with outside(says(200, jwk_set(0))) as issuer:
        asyncio.run(play())


def test_old_keys_go_on_while_the_address_is_down_and_for_a_day_at_the_most() -> None:
    async def play() -> None:
        now = [100.0]
        keys = JwksKeys(issuer.url, refresh_s=600, time_s=lambda: now[0])
        assert isinstance(await _found(keys, "key-0"), Key)
        issuer.answer = says(500)
        now[0] += 600
        assert isinstance(keys.find("key-0"), Key)  # and a fetch begins behind it
        fetching = keys._fetching
        assert fetching is not None
        await fetching
        assert 2 == len(issuer.requests)
        assert isinstance(keys.find("key-0"), Key)
        now[0] += 24 * 3600
        answer = keys.find("key-0")  # too old to be believed: asked for again first, in vain
        assert not isinstance(answer, Key | Rejected)
        refused = await answer()
        assert isinstance(refused, Rejected)
        assert refused.refusal.reason is Reason.AUTH_UNAVAILABLE
        assert 3 == len(issuer.requests)
        keys.close()
        await asyncio.sleep(0)

    with outside(says(200, jwk_set(0))) as issuer:
        asyncio.run(play())


# Sub-requests.


def test_a_sub_request_gets_the_clients_headers_and_names_the_user(tmp_path: Path) -> None:
    with outside(says(204, X_User="carol", X_Roles="admin, staff")) as service, run(tmp_path, f"{{forward: '{service.url}'}}") as daemon:
        headers = {"Cookie": "sid=cookie-canary", "Authorization": "Custom auth-canary", "X-Forwarded-For": "6.6.6.6", "X-Original-URI": "/spoofed"}
        assert {"user": "carol", "claims": {"roles": ["admin", "staff"]}} == who(daemon, "/?x=query-canary", additional_headers=headers)
        asked = service.requests[0]
        assert ("sid=cookie-canary", "Custom auth-canary") == (asked["cookie"], asked["authorization"])
        assert ("127.0.0.1", "/?x=query-canary") == (asked["x-forwarded-for"], asked["x-original-uri"])
        assert not {"upgrade", "sec-websocket-key", "sec-websocket-version"} & asked.keys()
        assert "canary" not in daemon.transcript()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(says(401, WWW_Authenticate="Custom"), 401), (says(403), 403), (says(500), 503), (says(302, Location="/x"), 503), (says(200), 503)],
    ids=["401", "403", "500", "302", "no user"],
)
def test_a_sub_request_that_does_not_let_in_keeps_out(tmp_path: Path, answer: Answer, expected: int) -> None:
    with outside(answer) as service, run(tmp_path, f"{{forward: '{service.url}'}}") as daemon:
        with pytest.raises(InvalidStatus) as refused:
            connect(daemon.url())
        assert expected == refused.value.response.status_code
        if expected == 401:
            assert "Custom" == refused.value.response.headers["WWW-Authenticate"]


def test_a_sub_request_without_an_answer_in_time_is_a_503(tmp_path: Path) -> None:
    go_on = threading.Event()
    with outside(waits_for(go_on, says(200, X_User="late"))) as service, run(tmp_path, f"{{forward: {{url: '{service.url}', timeout: 300ms}}}}") as daemon:
        assert 503 == status(daemon)
        assert "no answer within 0.3 s" in daemon.wait_for("handshake.refused")["detail"]
        go_on.set()


def test_frames_that_come_before_the_decision_are_held_until_the_101(tmp_path: Path) -> None:
    go_on = threading.Event()
    with outside(waits_for(go_on, says(200, X_User="carol"))) as service, run(tmp_path, f"{{forward: '{service.url}'}}") as daemon:
        with asking(daemon, service) as client:
            client.sendall(b"\x81\x81\x00\x00\x00\x00?")
            go_on.set()
            received = b""
            while b"carol" not in received:
                received += client.recv(4096)
        assert received.startswith(b"HTTP/1.1 101")


def test_more_than_is_held_before_the_decision_waits_in_the_socket_and_is_read_after_the_101(tmp_path: Path) -> None:
    go_on, size = threading.Event(), 2 * (MAX_HEAD_BYTES + MOST_HELD_BYTES)
    more = f"limits: {{message_size: {size}B}}"
    with outside(waits_for(go_on, says(200, X_User="carol"))) as service, run(tmp_path, f"{{forward: '{service.url}'}}", more) as daemon:
        with asking(daemon, service) as client:
            message = b"\x81\xff" + size.to_bytes(8, "big") + bytes(4 + size)
            client.sendall(message[:-1])
            until(lambda: unread(client) < size // 2)  # more than is held has come
            client.sendall(message[-1:])
            go_on.set()
            received = b""
            while b"carol" not in received:
                received += client.recv(65536)
        assert received.startswith(b"HTTP/1.1 101")


def unread(client: socket.socket) -> int:
    """How many bytes are on their way to the other side's socket."""
    return int.from_bytes(fcntl.ioctl(client, termios.TIOCOUTQ, b"\0\0\0\0"), "little")


def test_a_client_that_leaves_before_the_decision_ends_the_question(tmp_path: Path) -> None:
    go_on = threading.Event()
    with outside(waits_for(go_on, says(200, X_User="carol"))) as service, run(tmp_path, f"{{forward: '{service.url}'}}") as daemon:
        with asking(daemon, service):
            pass  # and it leaves
        assert "gone before" in daemon.wait_for("handshake.refused")["detail"]
        go_on.set()
        assert not daemon.find_records("connection.opened")
