"""The doors of the real daemon: addresses, PROXY headers, TLS."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import ssl
import struct
from contextlib import ExitStack, suppress

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import InvalidStatus, WebSocketException

from support.certificates import Authority
from support.client import connect
from support.raw import raw_client, request_head

ROUTES = "routes: {/echo: echo}\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V2 = SIGNATURE + b"\x21\x11" + struct.pack("!H", 12) + bytes([192, 0, 2, 9, 127, 0, 0, 1]) + struct.pack("!HH", 5005, 80)
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def proxied(trusted="127.0.0.1", tls="", more=""):
    return f"server:\n  trusted_proxies: [{trusted}]\n  listen: {{address: 127.0.0.1:0, proxy_protocol: require{tls}}}\n{more}{ROUTES}"


def secure(cert, key, more="", listener="127.0.0.1:0"):
    return f"server: {{listen: {{address: '{listener}', tls: {{cert: '{cert}', key: '{key}'{more}}}}}}}\n{ROUTES}"


def trusting(authority, *own):
    context = ssl.create_default_context(cafile=authority.path)
    if own:
        context.load_cert_chain(*own)
    return context


def assert_echo(url, **arguments):
    with connect(url, **arguments) as client:
        client.send("hello")
        assert "hello" == client.recv(timeout=5)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


# Addresses.


def test_a_client_whose_address_is_denied_is_refused_with_the_cure(daemon):
    running = daemon("routes: {/echo: {echo: {}, addresses: {allow: [127.0.0.0/8], deny: [127.0.0.1]}}, /all: echo}")
    with pytest.raises(InvalidStatus) as refused:
        connect(running.url("/echo"))
    assert 403 == refused.value.response.status_code
    record = running.wait_for("handshake.refused", reason="address")
    assert "addresses.deny has 127.0.0.1" == record["fix"]
    assert_echo(running.url("/all"))


def test_the_address_that_counts_is_the_clients_as_a_trusted_proxy_tells_it(daemon):
    running = daemon("server: {trusted_proxies: [127.0.0.1]}\nroutes: {/echo: {echo: {}, addresses: {allow: [192.0.2.0/24]}}}")
    assert_echo(running.url("/echo"), additional_headers={"X-Forwarded-For": "203.0.113.1, 192.0.2.5"})
    for headers in ({}, {"X-Forwarded-For": "192.0.2.5, 203.0.113.1"}):
        with pytest.raises(InvalidStatus):
            connect(running.url("/echo"), additional_headers=headers)
    assert "add 203.0.113.1 to addresses.allow" == running.wait_for("handshake.refused", count=2)["fix"]


def test_a_reload_closes_those_whose_address_is_not_admitted_any_more(daemon, tmp_path):
    text = "server: {trusted_proxies: [127.0.0.1]}\nroutes: {/echo: {echo: {}, addresses: {deny: [%s]}}}"
    running = daemon(text % "")
    with (
        connect(running.url("/echo"), additional_headers={"X-Forwarded-For": "192.0.2.5"}) as one,
        connect(running.url("/echo"), additional_headers={"X-Forwarded-For": "192.0.2.6"}) as other,
    ):
        (tmp_path / "site.yaml").write_text(text % "192.0.2.5")
        running.send_signal(signal.SIGHUP)
        running.wait_for("reload.done")
        assert "192.0.2.5" == running.wait_for("connection.closed", cause="access_revoked")["client"]
        other.send("still here")
        assert "still here" == other.recv(timeout=5)
        with pytest.raises(WebSocketException):
            one.recv(timeout=5)


# PROXY headers.


@pytest.mark.parametrize(
    ("header", "peer"),
    [
        (b"PROXY TCP4 192.0.2.9 127.0.0.1 5005 80\r\n", "192.0.2.9:5005"),
        (b"PROXY TCP6 2001:db8::9 ::1 5005 80\r\n", "[2001:db8::9]:5005"),
        (V2, "192.0.2.9:5005"),
        (b"PROXY UNKNOWN\r\n", None),
        (LOCAL, None),
    ],
)
@pytest.mark.parametrize("is_dribbled", [False, True])
def test_the_address_of_a_proxy_header_is_the_peer(daemon, header, peer, is_dribbled):
    running = daemon(proxied())
    with raw_client(running.port) as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if is_dribbled:
            for byte in header:
                client.send(bytes([byte]))
            client.upgrade("/echo")
        else:
            client.send(header + request_head("/echo"))
            assert client.read_head().startswith(b"HTTP/1.1 101 ")
        assert (peer or client.address) == running.wait_for("connection.opened")["peer"]
        client.assert_nothing_more()


def test_addresses_are_those_of_the_proxy_header(daemon):
    running = daemon(proxied(more="defaults: {addresses: {deny: [192.0.2.9]}}\n"))
    with raw_client(running.port) as client:
        client.send(V2 + request_head("/echo"))
        assert client.read_head().startswith(b"HTTP/1.1 403 ")
    record = running.wait_for("handshake.refused")
    assert ("192.0.2.9:5005", "addresses.deny has 192.0.2.9") == (record["peer"], record["fix"])


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (request_head("/echo"), "no PROXY header"),
        (b"PROXY TCP4 192.0.2.9 127.0.0.1 99999 80\r\n" + request_head("/echo"), "a port over 65535"),
        (SIGNATURE + b"\x21\x11" + struct.pack("!H", 600), "a header of 616 bytes; 536 are allowed"),
        (b"PROXY UNKNOWN " + b"x" * 300, "a line of over 107 bytes"),
    ],
)
def test_what_begins_otherwise_is_closed_without_an_answer_and_recorded(daemon, sent, detail):
    running = daemon(proxied())
    with raw_client(running.port) as client:
        client.send(sent)
        assert b"" == client.read_to_end()
        record = running.wait_for("proxy.header_refused")
        assert (client.address, detail) == (record["peer"], record["detail"])
    with raw_client(running.port) as client:
        client.send(V2)
        client.upgrade("/echo")


def test_half_a_proxy_header_is_waited_for_two_seconds(daemon):
    running = daemon(proxied())
    with raw_client(running.port) as client:
        client.send(V2[:20])
        assert b"" == client.read_to_end()
    assert "no PROXY header within 2 s, 20 bytes came" == running.wait_for("proxy.header_refused")["detail"]


def test_who_is_no_trusted_proxy_is_closed_before_anything_is_read(daemon):
    running = daemon(proxied("192.0.2.1"))
    with raw_client(running.port) as client:
        assert b"" == client.read_to_end()
    record = running.wait_for("proxy.header_refused")
    assert ("not a trusted proxy", "add 127.0.0.1 to server.trusted_proxies if it is your proxy") == (record["detail"], record["fix"])


@pytest.mark.parametrize("header", [b"PROXY TCP4 192.0.2.9 127.0.0.1 5005 80\r\n", V2])
def test_a_proxy_header_on_a_listener_without_is_refused_with_the_cure(daemon, header):
    running = daemon("server: {trusted_proxies: [127.0.0.1]}\n" + ROUTES)
    with raw_client(running.port) as client:
        client.send(header + request_head("/echo"))
        assert client.read_head().startswith(b"HTTP/1.1 400 ")
    assert "proxy_protocol: require" in running.wait_for("handshake.refused")["fix"]


def test_a_proxy_header_goes_before_tls(daemon, authority):
    cert, key = authority.sign("server")
    running = daemon(proxied(tls=f", tls: {{cert: '{cert}', key: '{key}'}}"))
    sock = socket.create_connection(("127.0.0.1", running.port), timeout=5)
    sock.sendall(V2)
    assert_echo(f"wss://localhost:{running.port}/echo", sock=sock, ssl=trusting(authority), server_hostname="localhost")
    assert "192.0.2.9:5005" == running.wait_for("connection.opened")["peer"]


# TLS.


def test_plain_text_on_a_tls_listener_is_recorded_with_the_cure(daemon, authority):
    cert, key = authority.sign("server")
    running = daemon(secure(cert, key))
    with raw_client(running.port) as client:
        client.send(request_head("/echo"))
        assert b"HTTP" not in client.read_to_end()
    record = running.wait_for("tls.handshake_failed")
    assert ("plain text on a TLS listener", "connect with wss://, or take tls: from the listener") == (record["detail"], record["fix"])


def test_tls_on_a_plain_listener_is_recorded_with_the_cure(daemon):
    running = daemon(ROUTES)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as plain, suppress(OSError):
        ssl._create_unverified_context().wrap_socket(plain)
    record = running.wait_for("handshake.refused")
    assert "TLS on a plain listener" == record["detail"]
    assert record["fix"].startswith("connect with ws://")


def test_a_silent_client_is_given_as_long_as_the_site_says_for_tls(daemon, authority):
    cert, key = authority.sign("server")
    running = daemon(secure(cert, key, ", handshake: 200ms"))
    with raw_client(running.port) as client:
        assert b"" == client.read_to_end()
    assert ("timeout", "not done within 0.2 s") == tuple(running.wait_for("tls.handshake_failed")[name] for name in ("reason", "detail"))


def test_many_failed_tls_handshakes_are_a_few_records_that_count_them(daemon, authority):
    cert, key = authority.sign("server")
    running = daemon(secure(cert, key))
    for _ in range(100):
        with raw_client(running.port) as client:
            client.send(request_head("/echo"))
            client.read_to_end()
    assert_echo(f"wss://localhost:{running.port}/echo", ssl=trusting(authority))
    running.stop()
    records = running.find_records("tls.handshake_failed")
    left_out = [record["suppressed"] for record in running.find_records("log.suppressed", of="tls.handshake_failed")]
    assert len(records) < 100
    assert 100 == len(records) + sum(record.get("suppressed", 0) for record in records) + sum(left_out)


def test_client_certificates_let_in_whose_authority_signed_them_and_tell_of_the_others(daemon, authority, tmp_path):
    cert, key = authority.sign("server")
    running = daemon(secure(cert, key, f", client_ca: '{authority.path}'"))
    url = f"wss://localhost:{running.port}/echo"
    assert_echo(url, ssl=trusting(authority, *authority.sign("client")))
    for own in ((), Authority(tmp_path / "other", "another authority").sign("stranger")):
        with pytest.raises((OSError, WebSocketException)):
            connect(url, ssl=trusting(authority, *own))
    running.wait_for("tls.handshake_failed", count=2)
    records = running.find_records("tls.handshake_failed")
    assert ["the client showed no certificate", "the client's certificate is not accepted"] == [record["detail"].split(":")[0] for record in records]
    assert all("tls.client_ca" in record["fix"] for record in records)


def test_a_renewed_certificate_is_shown_after_a_reload_and_fifty_connections_stay(daemon, authority, tmp_path):
    cert, key = authority.sign("first", folder=tmp_path)
    port = free_port()
    running = daemon(secure(cert.name, key.name, listener=f"127.0.0.1:{port}"))  # relative to the site's file
    url = f"wss://localhost:{port}/echo"
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(url, ssl=trusting(authority))) for _ in range(50)]
        first = serial(clients[0])

        shutil.copy(authority.sign("second")[0], cert)  # a certificate that does not belong to the key
        running.send_signal(signal.SIGHUP)
        running.wait_for("reload.failed")
        problem = running.wait_for("reload.problem")["problem"]
        assert problem.startswith("site.yaml:1:")
        assert "does not belong to the certificate" in problem
        assert first == shown_serial(url, authority)

        new_cert, new_key = authority.sign("second")
        shutil.copy(new_cert, cert)
        shutil.copy(new_key, key)
        running.send_signal(signal.SIGHUP)
        running.wait_for("reload.done")
        assert first != shown_serial(url, authority)
        for client in clients:
            client.send("still here")
            assert "still here" == client.recv(timeout=5)
        running.wait_for("connection.opened", count=52)
        assert 2 >= len(running.find_records("connection.closed"))


def serial(client):
    return client.socket.getpeercert()["serialNumber"]


def shown_serial(url, authority):
    with connect(url, ssl=trusting(authority)) as client:
        return serial(client)


# Refusals.


@pytest.mark.parametrize(("limit", "status"), [("connections: 1", 503), ("connections_per_address: 1", 429)])
def test_a_refusal_for_want_of_room_says_when_to_come_again_and_not_the_same_to_all(daemon, limit, status):
    running = daemon(f"server: {{limits: {{{limit}}}}}\n{ROUTES}")
    told = set()
    with connect(running.url("/echo")):
        for _ in range(20):
            with pytest.raises(InvalidStatus) as refused:
                connect(running.url("/echo"))
            assert status == refused.value.response.status_code
            told.add(int(refused.value.response.headers["Retry-After"]))
    assert len(told) > 1
    assert told <= (set(range(1, 11)) if status == 503 else set(range(5, 31)))


def test_a_crowd_that_reconnects_at_once_over_tls_is_all_let_in(daemon, authority):
    """200: each key exchange takes its time. Nobody of an honest crowd is cut off."""
    cert, key = authority.sign("server")
    running = daemon(secure(cert, key))

    async def crowd():
        context = trusting(authority)
        url = f"wss://localhost:{running.port}/echo"
        clients = await asyncio.gather(*(connect_async(url, ssl=context, proxy=None) for _ in range(200)))
        for client in clients:
            await client.send("x")
            assert "x" == await client.recv()
        await asyncio.gather(*(client.close() for client in clients))

    asyncio.run(crowd())
    assert [] == running.find_records("accept.shed")
