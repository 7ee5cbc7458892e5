"""What holds behind nginx, HAProxy and Caddy alike, each with its file of deploy/."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from support.client import connect
from support.daemon import run_daemon
from support.proxies import LOCALHOST, OTHER_CLIENT, PROGRAMS, run_proxy
from support.waiting import until
from support.wire import CLOSE, FIN, TEXT, frame, masked

SITE = """
server: {trusted_proxies: [127.0.0.1]}
routes:
  /echo: echo
  /large: {echo: {}, limits: {message_size: 2MiB}, outbox: {size: 4MiB}}
  /packed: {echo: {}, compression: true}
  /spoken: {echo: {}, subprotocols: [chat.v2, chat.v1]}
  /denied: {echo: {}, addresses: {deny: [127.0.0.2]}}
  /room/{room}: broadcast
  /crowd: {broadcast: {to_sender: false}, limits: {message_size: 2MiB}, outbox: {size: 64KiB}}
  /ticks: {periodic: {every: 50ms, message: tick}}
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One daemon behind all proxies."""
    with run_daemon(SITE, tmp_path_factory.mktemp("daemon")) as running:
        yield running


@pytest.fixture(scope="module", params=PROGRAMS)
def proxy(request, daemon, authority, tmp_path_factory):
    """Each proxy in turn."""
    with run_proxy(request.param, upstream=f"{LOCALHOST}:{daemon.port}", folder=tmp_path_factory.mktemp("proxy"), authority=authority) as running:
        yield running


def assert_echo(client, text="hello"):
    client.send(text)
    assert text == client.recv(timeout=5)


# What goes through.


def test_text_and_binary_come_back(proxy):
    with proxy.connect("/echo") as client:
        assert_echo(client)
        assert_echo(client, b"\x00\xff")


def test_a_megabyte_comes_back_whole(proxy):
    with proxy.connect("/large", max_size=None) as client:
        assert_echo(client, "é" * (1 << 19))


def test_a_room_has_members_through_the_proxy_and_without_it(proxy, daemon):
    with proxy.connect("/room/r") as one, proxy.connect("/room/r") as other, connect(daemon.url("/room/r")) as direct:
        for sender in (one, direct):
            sender.send("to all")
            assert ["to all"] * 3 == [member.recv(timeout=5) for member in (one, other, direct)]


def test_what_the_server_sends_by_itself_is_not_held_back(proxy):
    with proxy.raw("/ticks") as client:
        expected = frame(TEXT, b"tick")
        assert [expected] * 3 == [client.read_exactly(len(expected)) for _ in range(3)]


def test_the_101_has_the_headers_that_the_daemon_gave_it(proxy, daemon):
    with proxy.connect("/spoken", subprotocols=["chat.v1"]) as through, connect(daemon.url("/spoken"), subprotocols=["chat.v1"]) as direct:
        of_proxies = {"server", "date", "alt-svc"}
        told, given = ({name.lower() for name in each.response.headers} - of_proxies for each in (through, direct))
        assert given == told
        assert "chat.v1" == through.subprotocol


def test_compression_is_agreed_on_with_the_daemon(proxy):
    with proxy.connect("/packed", compression="deflate") as client:
        assert "permessage-deflate" in client.response.headers["Sec-WebSocket-Extensions"]
        assert_echo(client, "again and " * 1000)
    with proxy.connect("/echo", compression="deflate") as client:
        assert "Sec-WebSocket-Extensions" not in client.response.headers


def test_a_close_code_goes_both_ways(proxy, daemon):
    with proxy.connect("/spoken") as client:
        client.close(4321, "done")
    assert 4321 == daemon.wait_for("connection.closed", route="/spoken", code=4321)["code"]
    with proxy.raw("/echo") as client:
        client.send(masked(TEXT, b"x" * (64 * 1024 + 1))[:100])  # its beginning says how much would come; who sends it all may find the door closed meanwhile
        opcode, length = client.read_exactly(2)
        assert (FIN | CLOSE, 1009) == (opcode, int.from_bytes(client.read_exactly(length)[:2], "big"))


@pytest.mark.slow  # the daemon waits 5 s for the answer to its close
def test_a_client_that_does_not_read_is_found_out(proxy, daemon):
    before = len(daemon.find_records("connection.closed", cause="slow_consumer"))
    with proxy.raw("/crowd"), connect(daemon.url("/crowd")) as sender:
        for _ in range(64):  # the proxy and the kernel on both sides of it hold less than 64 MiB for one client
            sender.send(b"x" * (1 << 20))
        daemon.wait_for("connection.closed", within=15, cause="slow_consumer", count=before + 1)


# Who it is.


def test_the_client_is_who_the_proxy_says_it_is(proxy, daemon):
    with proxy.connect("/room/who", client=OTHER_CLIENT, user_agent_header=f"who {proxy.name}"):
        assert OTHER_CLIENT == daemon.wait_for("connection.opened", user_agent=f"who {proxy.name}")["client"]
    with pytest.raises(InvalidStatus) as refused:
        proxy.connect("/denied", client=OTHER_CLIENT)
    assert 403 == refused.value.response.status_code
    with proxy.connect("/denied") as admitted:
        assert_echo(admitted)


@pytest.mark.parametrize("made_up", [{"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}])
def test_an_address_that_a_client_made_up_counts_for_nothing(proxy, daemon, made_up):
    agent = f"{proxy.name} {made_up}"
    with proxy.connect("/echo", client=OTHER_CLIENT, additional_headers=made_up, user_agent_header=agent):
        assert OTHER_CLIENT == daemon.wait_for("connection.opened", user_agent=agent)["client"]


def test_a_page_of_the_proxys_own_host_may_connect_and_a_foreign_one_not(proxy):
    with proxy.connect("/echo", origin=f"https://{proxy.host}") as client:
        assert_echo(client)
    with pytest.raises(InvalidStatus) as refused:
        proxy.connect("/echo", origin="https://foreign.example")
    assert (403, b"403 Forbidden\n") == (refused.value.response.status_code, refused.value.response.body)


def test_what_asks_without_tls_is_sent_to_the_proxys_tls(proxy):
    answer = proxy.ask(f"GET /echo HTTP/1.1\r\nHost: localhost:{proxy.plain_port}\r\nConnection: close\r\n\r\n".encode(), proxy.plain_port)
    assert answer.split()[1] in {b"301", b"308"}
    assert b"location: https://localhost" in answer.lower()


def test_a_request_that_is_no_websocket_gets_the_daemons_answer(proxy):
    for more in ("", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"):
        answer = proxy.ask(f"GET /echo HTTP/1.1\r\nHost: {proxy.host}\r\n{more or 'Connection: close'}\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 426 ")
        assert answer.endswith(b"426 Upgrade Required\n")


def test_the_query_with_its_tokens_stays_out_of_the_log(proxy, daemon):
    with proxy.connect("/room/logged?token=s3cret") as client:
        client.send("x")
        client.recv(timeout=5)
    daemon.wait_for("connection.closed", path="/room/logged")
    if proxy.name != "caddy":  # which logs no requests unless told to
        until(lambda: "/room/logged" in proxy.transcript())
    assert "s3cret" not in proxy.transcript()
