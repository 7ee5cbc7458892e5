"""The private side of the real daemon over HTTP: who gets in, what is answered, and that the public side has none of it."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.client import connect
from support.control import dial, request, socket_of
from support.daemon import run_daemon, start_process
from support.waiting import until

TOKEN = "0123456789abcdef0123"
SITE = "admin: 127.0.0.1:0\nroutes:\n  /echo: echo\n  /room/{room}: {broadcast: {history: 3}}\n"
OPEN = f"admin: {{address: 127.0.0.1:0, token: {TOKEN}}}\nroutes: {{/echo: echo}}\n"


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """One daemon of `SITE` for questions that leave it as it is."""
    with run_daemon(SITE, tmp_path_factory.mktemp("serving")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """One daemon that asks for a token."""
    with run_daemon(OPEN, tmp_path_factory.mktemp("guarded")) as running:
        yield running


def ask(daemon, path, method="GET", body=None, **headers):
    """Status and body of one request over TCP; the body as JSON where it is."""
    where = urlsplit(daemon.wait_for("admin.listening")["addresses"][0])
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=10)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        data = answer.read()
        return answer.status, json.loads(data) if answer.getheader("Content-Type") == "application/json" else data.decode()
    finally:
        connection.close()


def publish(daemon, body, path="/publish", **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(daemon, path, "POST", data, **{"Content_Type": "application/json", **headers})


def test_health_status_and_metrics_are_answered(daemon):
    running = daemon(SITE)
    with connect(running.url("/echo")):
        running.wait_for("connection.opened")

        status, health = ask(running, "/healthz")
        assert (status, health["well"]) == (200, True)
        assert ask(running, "/readyz") == (200, {"ready": True, "reasons": {}})
        status, answer = ask(running, "/status")
        assert (status, answer["pid"], answer["generation"], answer["connections"]) == (200, running.process.pid, 1, 1)
        assert answer["limits"]["connections"] == running.wait_for("listening")["connections"]
        status, text = ask(running, "/metrics")
        assert (status, 'wsrouter_connections{route="/echo"} 1.0\n' in text, "process_open_fds" in text) == (200, True, True)
        assert ask(running, "/metrics", Accept="application/openmetrics-text; version=1.0.0")[1].endswith("# EOF\n")


def test_the_control_socket_speaks_http_too_and_asks_for_no_token(daemon, tmp_path):
    running = daemon(OPEN)
    with dial(socket_of(tmp_path / "site.yaml")) as one:
        one.sendall(b"GET /status HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n")
        with one.makefile("rb") as answer:
            lines = answer.read().split(b"\r\n\r\n")

    assert lines[0].startswith(b"HTTP/1.1 200 OK")
    assert json.loads(lines[1])["pid"] == running.process.pid


def test_the_public_side_has_none_of_it(serving):
    for path in ("/healthz", "/readyz", "/metrics", "/status", "/publish"):
        connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=10)
        connection.request("GET", path)
        assert connection.getresponse().status == 426
        connection.close()


@pytest.mark.parametrize(
    "headers, error",
    [
        ({}, "no token: "),
        ({"Authorization": "Bearer wrong-wrong-wrong-wrong"}, "a wrong token: "),
        ({"Authorization": f"Basic {TOKEN}"}, "a wrong token: "),
        ({"Authorization": TOKEN}, "a wrong token: "),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, "a wrong token: "),
        ({"Authorization": "Bearer \xff"}, "a wrong token: "),
    ],
)
def test_without_the_token_there_is_only_health(guarded, headers, error):
    before = len(guarded.find_records("admin.refused"))
    for path in ("/metrics", "/status", "/publish", "/nothing"):
        status, answer = ask(guarded, path, **headers)
        assert (status, answer["error"]) == (401, f"{error}send Authorization: Bearer with the token of the setting admin")

    assert ask(guarded, "/healthz")[0] == ask(guarded, "/readyz")[0] == 200
    assert ask(guarded, "/status", Authorization=f"Bearer {TOKEN}")[0] == 200
    guarded.wait_for("admin.refused", count=before + 4)
    refused = guarded.find_records("admin.refused")[before]
    assert (refused["level"], refused["path"]) == ("warning", "/metrics")
    assert "wrong-wrong" not in guarded.transcript()
    assert TOKEN not in guarded.transcript()


def test_a_web_page_gets_nothing_done(serving):
    assert publish(serving, {"topic": "t", "message": "m"}, Origin="http://evil.example")[0] == 403
    assert publish(serving, {"topic": "t", "message": "m"}, Origin="null")[0] == 403
    assert ask(serving, "/status", Host="evil.example:9464")[0] == 421  # DNS that was pointed here
    assert ask(serving, "/status", Host="localhost:9464")[0] == 200
    assert ask(serving, "/status", Host="[::1]:9464")[0] == 200


def test_what_is_published_reaches_the_members_in_order_as_text_json_and_binary(daemon):
    running = daemon(SITE)
    with connect(running.url("/room/red")) as one, connect(running.url("/room/red")) as two:
        running.wait_for("connection.opened", count=2)
        reached = {"topic": "/room/red", "members": 2, "behind": 0, "known": True}

        assert publish(running, {"topic": "/room/red", "messages": ["a", {"json": {"b": 1}}, {"base64": "AP8="}]}) == (200, reached)
        assert publish(running, "é".encode(), "/publish?topic=/room/red", Content_Type="text/plain; charset=utf-8") == (200, reached)
        assert publish(running, b"\xff\x00", "/publish?topic=/room/red", Content_Type="application/octet-stream") == (200, reached)
        assert publish(running, b'{"c":  2}', "/publish?topic=/room/red") == (200, reached)

        expected = ["a", '{"b":1}', b"\x00\xff", "é", b"\xff\x00", '{"c":  2}']
        assert expected == [one.recv(timeout=5) for _ in expected] == [two.recv(timeout=5) for _ in expected]


def test_a_publish_with_a_key_is_done_once(daemon):
    running = daemon(SITE)
    with connect(running.url("/room/red")) as client:
        running.wait_for("connection.opened")
        first = publish(running, {"topic": "/room/red", "message": "once"}, Idempotency_Key="k")
        again = publish(running, {"topic": "/room/red", "message": "once"}, Idempotency_Key="k")
        other = publish(running, {"topic": "/room/red", "message": "twice"}, Idempotency_Key="k")
        publish(running, {"topic": "/room/red", "message": "end"})

        assert (first[0], again) == (200, (200, {**first[1], "repeated": True}))
        assert other == (422, {"error": "publish: something else was published with the key 'k'; give each request its own"})
        assert [client.recv(timeout=5), client.recv(timeout=5)] == ["once", "end"]


def test_members_that_are_behind_are_counted(daemon):
    running = daemon(f"{SITE}defaults: {{outbox: {{size: 64MiB}}}}\n")
    with socket.create_connection(("127.0.0.1", running.port)) as deaf, connect(running.url("/room/red"), max_size=None) as client:
        deaf.sendall(
            b"GET /room/red HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        running.wait_for("connection.opened", count=2)
        for _ in range(16):
            publish(running, b"x" * (1 << 20), "/publish?topic=/room/red", Content_Type="text/plain")
            client.recv(timeout=5)

        assert publish(running, {"topic": "/room/red", "message": "last"})[1] == {"topic": "/room/red", "members": 2, "behind": 1, "known": True}
        waiting = re.search(r'wsrouter_outbox_bytes{route="/room/{room}"} (\S+)', ask(running, "/metrics")[1])
        assert float(waiting[1]) > 1 << 20


def test_a_topic_that_nobody_knows_is_answered_as_such(serving):
    assert publish(serving, {"topic": "/room/none", "message": "hi"}) == (200, {"topic": "/room/none", "members": 0, "behind": 0, "known": False})


@pytest.mark.parametrize(
    "body, headers, status, error",
    [
        (b"hi", {"Content_Type": "application/x-www-form-urlencoded"}, 415, "what is sent must have its Content-Type: "),
        (b"{", {}, 400, "this is no JSON: "),
        (b"[]", {}, 400, "a request is an object, as "),
        (b'{"message": "m"}', {}, 400, "publish needs topic: "),
        (b'{"topic": "t", "mesage": "m"}', {}, 400, "publish does not know 'mesage'; did you mean message? "),
        (b'{"topic": "t"}', {}, 400, "publish: no message is given; "),
        (b'{"topic": "t", "message": "m"}', {"Idempotency_Key": "k" * 300}, 400, "publish: the key has 300 characters; "),
    ],
)
def test_what_cannot_be_published_is_refused_in_one_line(serving, body, headers, status, error):
    found, answer = publish(serving, body, **headers)

    assert (found, answer["error"][: len(error)], "\n" in answer["error"]) == (status, error, False)


def test_a_text_that_is_not_utf8_an_unknown_path_and_a_wrong_method_are_told(serving):
    assert publish(serving, b"\xff", "/publish?topic=t", Content_Type="text/plain")[0] == 400
    assert ask(serving, "/reload") == (404, {"error": "there is nothing at this path; there are /healthz, /metrics, /publish, /readyz, /status"})
    assert ask(serving, "/publish") == (405, {"error": "/publish takes POST"})
    assert ask(serving, "/status", "DELETE") == (405, {"error": "/status takes GET"})


def test_a_publish_of_100_mib_is_refused_before_it_is_read(daemon):
    running = daemon(SITE)
    where = urlsplit(running.wait_for("admin.listening")["addresses"][0])
    with socket.create_connection((where.hostname, where.port), timeout=10) as one:
        one.sendall(b"POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n" + b" " * 65536)
        answer = one.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'{"error":"a request may have 8388608 bytes, and this one has 104857600"}' in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert ask(running, "/readyz")[0] == 200


def test_a_publish_without_a_length_that_never_ends_is_cut_off(daemon):
    running = daemon(SITE)
    where = urlsplit(running.wait_for("admin.listening")["addresses"][0])
    with socket.create_connection((where.hostname, where.port), timeout=10) as one:
        one.sendall(b"POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        try:
            for _ in range(100):
                one.sendall(chunk)
        except OSError:
            pass

    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{running.process.pid}/status").read_text())
    assert int(peak[1]) < 200 << 10
    assert ask(running, "/readyz")[0] == 200


def test_while_handlers_start_it_is_not_ready_and_says_why(daemon):
    plugins = {
        "slow.py": "import asyncio\nfrom wsrouter import Handler\n\nclass Slow(Handler):\n    async def start(self, context):\n        await asyncio.sleep(60)\n"
    }
    running = daemon("admin: 127.0.0.1:0\nroutes: {/slow: slow}\n", plugins=plugins, listening=False)

    assert ask(running, "/readyz") == (503, {"ready": False, "reasons": {"starting": "its handlers are being started"}})
    assert ask(running, "/healthz")[0] == 200
    assert ask(running, "/metrics")[0] == 200
    assert running.stop() == 0


def test_from_the_first_moment_of_a_drain_it_is_not_ready_and_still_answers(daemon, tmp_path):
    running = daemon(f"{SITE}server: {{health: /balancer, shutdown: {{delay: 60s}}}}\n")
    ask(running, "/metrics")
    with connect(running.url("/room/red")) as client:
        running.wait_for("connection.opened")
        running.send_signal(signal.SIGTERM)
        running.wait_for("stopping")

        assert ask(running, "/readyz") == (503, {"ready": False, "reasons": {"draining": "it was told to stop"}})
        assert ask(running, "/healthz")[0] == 200
        assert 'wsrouter_connections{route="/room/{room}"} 1.0' in ask(running, "/metrics")[1]
        assert public(running, b"GET /balancer HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 503 ")
        assert request(socket_of(tmp_path / "site.yaml"), command="reload")["error"] == "not reloaded: the daemon is stopping"
        assert publish(running, {"topic": "/room/red", "message": "bye"})[1]["members"] == 1
        assert client.recv(timeout=5) == "bye"
        running.send_signal(signal.SIGTERM)
    assert running.wait() == 0


def public(daemon, data):
    """What the public side answers to these bytes."""
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as one, one.makefile("rb") as answer:
        one.sendall(data)
        return answer.read()


def test_a_balancer_is_answered_on_the_public_side_where_the_site_says_so(daemon):
    running = daemon("server: {health: /echo, hosts: [127.0.0.1]}\nroutes: {/echo: echo}\n")

    assert public(running, b"GET /echo HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    assert public(running, b"GET /echo?probe=1 HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nready\n")
    assert public(running, b"HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"\r\n\r\n")
    assert public(running, b"GET /echoes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").startswith(b"HTTP/1.1 426 ")
    assert public(running, b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")
    old = b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 12\r\n\r\n"
    assert public(running, old).startswith(b"HTTP/1.1 426 ")  # a handshake is none of it, also a wrong one
    with connect(running.url("/echo")) as client:
        client.send("hi")
        assert client.recv(timeout=5) == "hi"
    assert running.stop() == 0
    assert [record["status"] for record in running.find_records("handshake.refused")] == [426, 405, 426]


def test_the_health_tells_of_a_loop_that_lags(daemon):
    plugins = {
        "sleepy.py": "import time\nfrom wsrouter import Handler\n\nclass Sleepy(Handler[str]):\n    def on_message(self, connection, message):\n        time.sleep(1.5)\n"
    }
    running = daemon("admin: 127.0.0.1:0\nroutes: {/sleepy: sleepy}\n", plugins=plugins)
    ask(running, "/healthz")  # the HTTP side is imported by now
    with connect(running.url("/sleepy")) as client:
        client.send("sleep")
        running.wait_for("loop.stalled")
        status, answer = ask(running, "/healthz")

    assert (status, answer["well"], answer["lag_ms"] > 1000) == (500, False, True)
    text = ask(running, "/metrics")[1]
    assert float(re.search(r'wsrouter_loop_lag_seconds_bucket{le="1.0"} (\S+)', text)[1]) < float(re.search(r"wsrouter_loop_lag_seconds_count (\S+)", text)[1])


def test_an_address_that_is_taken_is_told_of_and_had_as_soon_as_it_is_free(daemon, tmp_path):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    running = daemon(f"admin: 127.0.0.1:{port}\nroutes: {{/echo: echo}}\n")
    warning = running.wait_for("admin.unavailable")

    assert (warning["level"], warning["address"], warning["fix"]) == (
        "warning", f"127.0.0.1:{port}", "end what listens there, or give admin another address",
    )  # fmt: skip
    taken.close()
    running.wait_for("admin.listening")
    assert ask(running, "/readyz")[0] == 200


def test_a_site_that_would_open_it_to_others_is_not_started(tmp_path):
    (tmp_path / "site.yaml").write_text("admin: 0.0.0.0:9464\nroutes: {/echo: echo}\n")

    process = start_process(["run", "--config", "site.yaml"], tmp_path, {})
    _, error = process.communicate(timeout=20)

    assert process.returncode == 78
    assert b"site.yaml:1:8: admin: 0.0.0.0:9464 can be reached from outside: give a token" in error


def test_idle_connections_make_room_for_those_who_ask(daemon):
    running = daemon(SITE)
    where = urlsplit(running.wait_for("admin.listening")["addresses"][0])
    idle = [socket.create_connection((where.hostname, where.port)) for _ in range(40)]
    try:
        assert ask(running, "/readyz")[0] == 200
    finally:
        for one in idle:
            one.close()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian's prometheus) is not installed")
def test_promtool_accepts_the_metrics(daemon):
    running = daemon(SITE)
    with connect(running.url("/echo")) as client:
        client.send("hi")
        client.recv(timeout=5)
    running.wait_for("connection.closed")
    until(lambda: ask(running, "/readyz")[0] == 200)
    text = ask(running, "/metrics")[1]
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=20)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_nothing_is_imported_for_it_before_somebody_asks(daemon):
    running = daemon(SITE)
    maps = Path(f"/proc/{running.process.pid}/maps")

    assert "aiohttp" not in maps.read_text()
    ask(running, "/readyz")
    assert "aiohttp" in maps.read_text()
