from __future__ import annotations

import grp
import os
import socket
import ssl
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import unix_connect

from support.client import connect
from support.daemon import START_S

ROUTES = "routes: {/echo: echo}\n"


def can_bind(family, address):
    try:
        with socket.socket(family) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not can_bind(socket.AF_INET6, "::1"), reason="this machine has no IPv6")


def assert_echo(url, **arguments):
    with connect(url + "/echo", **arguments) as client:
        client.send("hello")
        assert "hello" == client.recv(timeout=5)


def assert_unix_echo(path):
    with unix_connect(str(path), "ws://localhost/echo") as client:
        client.send("hello")
        assert "hello" == client.recv(timeout=5)


def start_in_vain(daemon, site, **arguments):
    """The one line that says why it did not start."""
    running = daemon(site, listening=False, **arguments)
    assert 1 == running.wait(START_S)
    assert [] == running.find_records("listening")
    lines = [*running.stray, *(str(record) for record in running.records)]
    assert 1 == len(lines), lines
    return lines[0]


def test_an_ipv4_address_is_listened_on(daemon):
    running = daemon("server: {listen: 127.0.0.1:0}\n" + ROUTES)
    (url,) = running.addresses
    assert url == f"ws://127.0.0.1:{running.port}"
    assert_echo(url)
    assert "127.0.0.1" == running.wait_for("connection.opened")["peer"].split(":")[0]


@needs_ipv6
def test_an_ipv6_address_is_listened_on(daemon):
    running = daemon('server: {listen: "[::1]:0"}\n' + ROUTES)
    (url,) = running.addresses
    assert url == f"ws://[::1]:{running.port}"
    assert_echo(url)
    assert running.wait_for("connection.opened")["peer"].startswith("[::1]:")


@needs_ipv6
def test_localhost_is_both_families_on_one_port(daemon):
    running = daemon("server: {listen: localhost:0}\n" + ROUTES)
    assert {f"ws://127.0.0.1:{running.port}", f"ws://[::1]:{running.port}"} == set(running.addresses)
    for url in running.addresses:
        assert_echo(url)


def test_several_addresses_are_listened_on_at_once(daemon, tmp_path):
    running = daemon(f"server: {{listen: [127.0.0.1:0, 127.0.0.1:0, 'unix:{tmp_path}/ws.sock']}}\n{ROUTES}")
    first, second, third = running.addresses
    assert first != second
    assert_echo(first)
    assert_echo(second)
    assert f"ws+unix:{tmp_path}/ws.sock" == third
    assert_unix_echo(tmp_path / "ws.sock")


def test_the_address_of_the_command_line_stands_instead_of_the_sites(daemon):
    running = daemon("server: {listen: 127.0.0.1:1}\n" + ROUTES, args=["--listen", "127.0.0.1:0"])
    (url,) = running.addresses
    assert_echo(url)


def test_a_unix_socket_is_for_its_owner_alone_unless_the_site_says_otherwise(daemon, tmp_path):
    path = tmp_path / "ws.sock"
    running = daemon(f"server: {{listen: 'unix:{path}'}}\n{ROUTES}")
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert_unix_echo(path)
    assert "unix" == running.wait_for("connection.opened")["peer"]
    assert 0 == running.stop()
    assert not path.exists()


def test_a_unix_socket_gets_its_mode_and_its_group(daemon, tmp_path):
    path = tmp_path / "ws.sock"
    group = grp.getgrgid((os.getgroups() or [os.getgid()])[-1])
    daemon(f"server: {{listen: {{address: 'unix:{path}', mode: '0660', group: {group.gr_name}}}}}\n{ROUTES}")
    assert 0o660 == stat.S_IMODE(path.stat().st_mode)
    assert group.gr_gid == path.stat().st_gid
    assert_unix_echo(path)


def test_an_unknown_group_is_one_line(daemon, tmp_path):
    line = start_in_vain(daemon, f"server: {{listen: {{address: 'unix:{tmp_path}/ws.sock', group: nobody-knows-it}}}}\n{ROUTES}")
    assert "there is no group 'nobody-knows-it'" in line
    assert not (tmp_path / "ws.sock").exists()


def test_a_socket_that_nobody_listens_on_any_more_is_taken_over(daemon, tmp_path):
    path = tmp_path / "ws.sock"
    first = daemon(f"server: {{listen: 'unix:{path}'}}\n{ROUTES}")
    first.kill()
    assert stat.S_ISSOCK(path.stat().st_mode)
    daemon(f"server: {{listen: 'unix:{path}'}}\n{ROUTES}")
    assert_unix_echo(path)


def test_a_socket_that_somebody_listens_on_is_left_alone_with_one_line(daemon, tmp_path):
    path = tmp_path / "ws.sock"
    site = f"server: {{listen: 'unix:{path}'}}\n{ROUTES}"
    daemon(site)
    line = start_in_vain(daemon, site)
    assert f"cannot listen on unix:{path}: another process listens on it" in line
    assert_unix_echo(path)


def test_a_file_that_is_no_socket_is_left_alone_with_one_line(daemon, tmp_path):
    path = tmp_path / "ws.sock"
    path.write_text("precious")
    line = start_in_vain(daemon, f"server: {{listen: 'unix:{path}'}}\n{ROUTES}")
    assert "is there and is no socket" in line
    assert "precious" == path.read_text()


def test_a_port_in_use_is_one_line(daemon):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = start_in_vain(daemon, f"server: {{listen: 127.0.0.1:{port}}}\n{ROUTES}")
    assert f"cannot listen on 127.0.0.1:{port}: another process listens on it" in line


def test_where_one_address_cannot_be_had_the_others_are_given_back(daemon, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        start_in_vain(daemon, f"server: {{listen: ['unix:{tmp_path}/ws.sock', 127.0.0.1:{port}]}}\n{ROUTES}")
    assert not (tmp_path / "ws.sock").exists()


def test_an_address_of_another_machine_is_one_line(daemon):
    line = start_in_vain(daemon, f"server: {{listen: 192.0.2.1:8765}}\n{ROUTES}")
    assert "cannot listen on 192.0.2.1:8765: no such address on this machine" in line


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A folder with cert.pem and key.pem for localhost and 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
    ]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
    return folder


def tls_site(certificate, more=""):
    return f"server: {{listen: {{address: 127.0.0.1:0, tls: {{cert: '{certificate}/cert.pem', key: '{certificate}/key.pem'{more}}}}}}}\n{ROUTES}"


def test_a_tls_listener_speaks_tls_and_refuses_plain_text(daemon, certificate):
    running = daemon(tls_site(certificate))
    (url,) = running.addresses
    assert url == f"wss://127.0.0.1:{running.port}"
    context = ssl.create_default_context(cafile=certificate / "cert.pem")
    assert_echo(url, ssl=context)
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as plain:
        plain.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        with suppress(ConnectionResetError):
            assert b"HTTP" not in plain.recv(1000)
    assert_echo(url, ssl=context)


def test_a_tls_handshake_has_no_longer_than_any_other(daemon, certificate):
    running = daemon(tls_site(certificate).replace("tls: {", "tls: {handshake: 300ms, "))
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as silent, suppress(ConnectionResetError):
        assert b"" == silent.recv(1)


def test_a_tls_listener_serves_rooms_and_large_messages(daemon, certificate):
    running = daemon(tls_site(certificate).replace("{/echo: echo}", "{/echo: echo, /room: broadcast}"))
    context = ssl.create_default_context(cafile=certificate / "cert.pem")
    with connect(running.url("/room"), ssl=context) as one, connect(running.url("/room"), ssl=context) as two:
        for number in range(50):
            one.send(str(number) * 30_000)
        for client in (one, two):
            assert [str(number) * 30_000 for number in range(50)] == [client.recv(timeout=5) for _ in range(50)]


def test_a_tls_listener_speaks_nothing_older_than_its_site_says(daemon, certificate):
    running = daemon(tls_site(certificate, ", min_version: '1.3'"))
    context = ssl.create_default_context(cafile=certificate / "cert.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        connect(running.url("/echo"), ssl=context)
    context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert_echo(running.addresses[0], ssl=context)


def test_a_tls_listener_with_client_ca_admits_only_clients_with_a_certificate_of_it(daemon, certificate):
    running = daemon(tls_site(certificate, f", client_ca: '{certificate}/cert.pem'"))
    context = ssl.create_default_context(cafile=certificate / "cert.pem")
    with pytest.raises((ssl.SSLError, ConnectionError, WebSocketException)):  # in TLS 1.3 the client hears of it when it reads
        connect(running.url("/echo"), ssl=context)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    assert_echo(running.addresses[0], ssl=context)


def test_a_certificate_that_cannot_be_used_is_a_problem_at_its_place(daemon, certificate, tmp_path):
    (tmp_path / "key.pem").write_text("nonsense")
    (tmp_path / "cert.pem").write_bytes((certificate / "cert.pem").read_bytes())
    running = daemon(tls_site(tmp_path), listening=False)
    assert 78 == running.wait(START_S)
    assert any("site.yaml:1:" in line and "key.pem holds no private key in PEM" in line for line in running.stray), running.stray
