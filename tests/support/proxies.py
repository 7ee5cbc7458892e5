"""Real proxies in front of the real daemon: nginx, HAProxy and Caddy on loopback, each with its file of `deploy/`.

    with run_proxy("nginx", upstream="127.0.0.1:40123", folder=tmp_path, authority=authority) as proxy:
        with proxy.connect("/echo") as client: ...

What is put in the place of what stands in the file is the table `_substitutions`, and whatever a test adds to it by name:
addresses, paths, the user, how many files may be open; a text that is not in the file any more fails the test.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from support.certificates import Authority
from support.client import connect
from support.daemon import ROOT, Daemon
from support.raw import RawClient, request_head
from support.waiting import until

FILES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile"}
PROGRAMS = tuple(FILES)
START_S = 10.0
STOP_S = 5.0
LOCALHOST = "127.0.0.1"
OTHER_CLIENT = "127.0.0.2"
"""An address of a client that is not the proxy's: all of 127.0.0.0/8 is loopback."""


class Proxy:
    """A running proxy. `port` speaks TLS, `plain_port` only redirects to it."""

    def __init__(self, name: str, folder: Path, authority: Authority, changes: Mapping[str, str], upstream: str) -> None:
        self.name = name
        self.folder = folder
        self.authority = authority
        self.port, self.plain_port, self.admin_port = free_ports(3)
        self.log = folder / "proxy.log"
        """What it logs of requests and of itself."""
        self.config = folder / FILES[name]
        self.config.write_text(fill(shipped(name), {**self._substitutions(upstream), **changes}), "utf-8")
        self.process = self._start()

    @property
    def host(self) -> str:
        """As a request's Host and a page's Origin name it."""
        return f"localhost:{self.port}"

    def url(self, path: str) -> str:
        """The address of a path, for a client."""
        return f"wss://{self.host}{path}"

    def head(self, path: str) -> bytes:
        """A request that is let in."""
        return request_head(path).replace(b"Host: a\r\n", f"Host: {self.host}\r\n".encode())

    def connect(self, path: str, *, client: str = LOCALHOST, **arguments: Any) -> ClientConnection:
        """A client of the address `client`, through the proxy."""
        sock = socket.create_connection((LOCALHOST, self.port), timeout=START_S, source_address=(client, 0))
        return connect(self.url(path), sock=sock, ssl=self.tls(), **arguments)

    @contextmanager
    def raw(self, path: str) -> Iterator[RawClient]:
        """A client that speaks bytes and has been let in."""
        with socket.create_connection((LOCALHOST, self.port), timeout=START_S) as plain, self.tls().wrap_socket(plain, server_hostname="localhost") as sock:
            client = RawClient(sock)
            client.send(self.head(path))
            head = client.read_head()
            assert head.startswith(b"HTTP/1.1 101 "), head
            yield client

    def ask(self, request: bytes, port: int | None = None) -> bytes:
        """The whole answer to a request, over TLS, or without it at the port that is named."""
        with ExitStack() as stack:
            sock = stack.enter_context(socket.create_connection((LOCALHOST, port or self.port), timeout=START_S))
            if port is None:
                sock = stack.enter_context(self.tls().wrap_socket(sock, server_hostname="localhost"))
            client = RawClient(sock)
            client.send(request)
            head = client.read_head()
            length = next(line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length:"))
            return head + client.read_exactly(int(length))

    def reload(self) -> None:
        """Reads its file again, as `systemctl reload` has it do."""
        if self.name == "caddy":
            command = ["caddy", "reload", "--config", str(self.config), "--adapter", "caddyfile", "--force"]
            subprocess.run(command, env=self._environment(), check=True, capture_output=True, timeout=START_S)
        elif self.name == "haproxy":
            self._ask_master("reload")
        else:
            self.process.send_signal(signal.SIGHUP)

    def workers(self) -> set[int]:
        """The processes that it has started."""
        return {int(child) for listing in Path(f"/proc/{self.process.pid}/task").glob("*/children") for child in listing.read_text().split()}

    def stop(self) -> None:
        """Ends it and whatever it started; asked first, so that it waits for its own processes."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def transcript(self) -> str:
        """What it has logged."""
        return self.log.read_text("utf-8", errors="replace") if self.log.exists() else ""

    def wait_until_serving(self) -> None:
        """Waits until it takes connections."""

        def is_serving() -> bool:
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}\n{self.transcript()}"
            with socket.socket() as probe:
                is_listening = probe.connect_ex((LOCALHOST, self.port)) == 0
            return is_listening and (self.name != "haproxy" or "worker" in self._ask_master("show proc"))

        until(is_serving, START_S)

    def tls(self) -> ssl.SSLContext:
        """What trusts the proxy's certificate."""
        return ssl.create_default_context(cafile=self.authority.path)

    def _ask_master(self, command: str) -> str:
        """What HAProxy's master process answers; nothing while it starts, when it would lose a signal, too."""
        with suppress(OSError), socket.create_connection((LOCALHOST, self.admin_port), timeout=1.0) as master:
            master.sendall(f"{command};quit\n".encode())
            master.shutdown(socket.SHUT_WR)
            return RawClient(master).read_to_end().decode()
        return ""

    def _substitutions(self, upstream: str) -> dict[str, str]:
        """What stands in the shipped file, and what the test has instead of it."""
        cert, key = self.authority.sign("localhost", folder=self.folder)
        both = self.folder / "both.pem"
        both.write_bytes(cert.read_bytes() + key.read_bytes())
        both.chmod(0o600)
        user = getpass.getuser()
        return {
            "nginx": {
                "user www-data;": f"user {user} {_group()};",
                "worker_rlimit_nofile 65536;": "worker_rlimit_nofile 4096;",
                "worker_connections 32768;": "worker_connections 1024;",
                "pid /run/nginx.pid;": f"pid {self.folder}/nginx.pid;",
                "/var/log/nginx/error.log": str(self.log),
                "/var/log/nginx/access.log": str(self.log),
                "listen 80;": f"listen {LOCALHOST}:{self.plain_port};",
                "listen [::]:80;": f"listen {OTHER_CLIENT}:{self.plain_port};",
                "listen 443 ssl;": f"listen {LOCALHOST}:{self.port} ssl;",
                "listen [::]:443 ssl;": f"listen {OTHER_CLIENT}:{self.port} ssl;",
                "/etc/ssl/ws.example.com.pem": str(cert),
                "/etc/ssl/private/ws.example.com-key.pem": str(key),
                "127.0.0.1:8765": upstream,
            },
            "haproxy": {
                "log /dev/log local0": "log stdout format raw local0",
                "user haproxy": f"user {user}",
                "group haproxy": f"group {_group()}",
                "maxconn 30000": "maxconn 1000",
                "bind :::80 v4v6": f"bind {LOCALHOST}:{self.plain_port}",
                "bind :::443 v4v6": f"bind {LOCALHOST}:{self.port}",
                "/etc/haproxy/ws.example.com.pem": str(both),
                "127.0.0.1:8765": upstream,
            },
            "caddy": {
                "admin localhost:2019": f"admin {LOCALHOST}:{self.admin_port}",
                "http_port 80": f"http_port {self.plain_port}",
                "https_port 443": f"https_port {self.port}",
                "ws.example.com {": f"localhost {{\n\tbind {LOCALHOST}\n\ttls {cert} {key}",  # a name of its own gets its certificate by itself
                "127.0.0.1:8765": upstream,
            },
        }[self.name]

    def _start(self) -> subprocess.Popen[bytes]:
        commands = {
            "nginx": ["nginx", "-p", str(self.folder), "-e", str(self.log), "-c", str(self.config), "-g", "daemon off;"],
            "haproxy": ["haproxy", "-W", "-S", f"{LOCALHOST}:{self.admin_port}", "-f", str(self.config)],
            "caddy": ["caddy", "run", "--config", str(self.config), "--adapter", "caddyfile"],
        }
        with self.log.open("ab") as log:
            return subprocess.Popen(
                commands[self.name], cwd=self.folder, env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder)}


def assert_old_workers_end(proxy: Proxy, daemon: Daemon) -> None:
    """After a reload, an open connection is cut together with the old worker that has it, once that one's time is over."""
    with proxy.connect("/echo") as client:
        before = proxy.workers()
        proxy.reload()
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=5)
        assert closed.value.rcvd is None
        assert daemon.wait_for("connection.closed")["cause"] == "client_abort"
        until(lambda: not before & proxy.workers())


@contextmanager
def run_proxy(name: str, *, upstream: str, folder: Path, authority: Authority, changes: Mapping[str, str] | None = None) -> Iterator[Proxy]:
    """Runs a proxy of `PROGRAMS` in front of `upstream` while the body lasts; skips the test where it is not installed.

    Args:
        name: which one.
        upstream: where the daemon is: `127.0.0.1:40123`.
        folder: where its file and its log are written; it is made.
        authority: signs its certificate.
        changes: more texts of the shipped file, such as a time, and what stands there instead.
    """
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    proxy = Proxy(name, folder, authority, changes or {}, upstream)
    try:
        proxy.wait_until_serving()
        yield proxy
    finally:
        proxy.stop()


def shipped(name: str) -> str:
    """The file of `deploy/`."""
    return (ROOT / "deploy" / FILES[name]).read_text("utf-8")


def fill(text: str, substitutions: Mapping[str, str]) -> str:
    """The text with each key replaced, wherever it stands.

    Raises:
        AssertionError: where a key is not in the text.
    """
    for before, after in substitutions.items():
        assert before in text, f"{before!r} is not in the file any more"
        text = text.replace(before, after)
    return text


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on, all different."""
    sockets = [socket.create_server((LOCALHOST, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _group() -> str:
    from grp import getgrgid

    return getgrgid(os.getgid()).gr_name
