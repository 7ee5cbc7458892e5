"""Listening sockets: TCP over IPv4 and IPv6, Unix sockets with mode and group, TLS on any of them."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import ssl
import stat
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.api.errors import StartError
from wsrouter.config.address import parse_address
from wsrouter.wire.handshake import Handshake

if TYPE_CHECKING:
    from wsrouter.config.address import Address
    from wsrouter.config.settings import Listen, Tls
    from wsrouter.wire.hub import Hub

# As many as the kernel admits (net.core.somaxconn is 4096 on Linux since 5.4); asyncio's 100 drops a reconnecting crowd.
BACKLOG = 4096
# struct ucred of SO_PEERCRED, unix(7): pid, uid and gid of whoever listens; the pid is 0 where it is of another namespace.
PEER_CREDENTIALS = struct.Struct("3i")
TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Listener:
    """One address that is listened on; `localhost` is two sockets."""

    def __init__(self, settings: Listen, hub: Hub) -> None:
        """Nothing is opened yet."""
        self.settings = settings
        self._hub = hub
        self._servers: list[asyncio.Server] = []
        self._path: str | None = None

    async def open(self, before: Listener | None = None) -> None:
        """Binds and accepts. With `before`, a listener of the same address, it takes over its sockets.

        Raises:
            StartError: if the address cannot be had; one line that says why.
        """
        address = parse_address(self.settings.address)
        context = server_context(self.settings.tls) if self.settings.tls is not None else None
        try:
            if before is not None:
                await self._take_over(before, context)
            elif address.kind == "unix":
                self._servers.append(await self._open_unix(address.path, context))
            else:
                await self._open_tcp(address, context)
        except OSError as error:
            self.close()
            raise StartError(f"cannot listen on {self.settings.address}: {_explain(error, address)}") from error

    @property
    def urls(self) -> list[str]:
        """Where clients find it: `ws://127.0.0.1:8765`, `wss://…`, `ws+unix:/path`."""
        if self._path is not None:
            return [f"ws+unix:{self._path}"]
        scheme = "wss" if self.settings.tls is not None else "ws"
        return [f"{scheme}://{_host_port(one.getsockname())}" for server in self._servers for one in server.sockets]

    def inherit_file(self, before: Listener) -> None:
        """The file of the Unix socket goes with this listener from now on, and no more with the one whose sockets it took over."""
        self._path, before._path = before._path, None

    async def _take_over(self, before: Listener, context: ssl.SSLContext | None) -> None:
        """Servers of its own on the same sockets, so that nothing that waits to be accepted is lost when `before` is closed."""
        for one in [one for server in before._servers for one in server.sockets]:
            shared = socket.socket(fileno=os.dup(one.fileno()))
            create = self._hub.loop.create_unix_server if shared.family is socket.AF_UNIX else self._hub.loop.create_server
            self._servers.append(
                await create(lambda: Handshake(self._hub), sock=shared, ssl=context, backlog=BACKLOG, ssl_handshake_timeout=self._handshake_s(context))
            )
        if before._path is not None:
            self._hand_over(before._path)

    def close(self) -> None:
        """Stops accepting. Open connections go on."""
        for server in self._servers:
            server.close()
        self._servers = []
        if self._path is not None:
            with suppress(OSError):
                Path(self._path).unlink()
            self._path = None

    async def _open_tcp(self, address: Address, context: ssl.SSLContext | None) -> None:
        """One socket a host; where the port is 0, all get the one that the first was given."""
        port = address.port
        for host in address.hosts:
            try:
                server = await self._hub.loop.create_server(
                    lambda: Handshake(self._hub), host or None, port, ssl=context, backlog=BACKLOG, ssl_handshake_timeout=self._handshake_s(context)
                )
            except OSError as error:
                # "localhost" where the machine has no IPv6: one of two is enough.
                if len(address.hosts) > 1 and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    continue
                raise
            self._servers.append(server)
            port = port or server.sockets[0].getsockname()[1]
        if not self._servers:
            raise OSError(errno.EADDRNOTAVAIL, "no such address on this machine")

    async def _open_unix(self, path: str, context: ssl.SSLContext | None) -> asyncio.Server:
        remove_stale_socket(path)
        old_umask = os.umask(0o177)  # nobody else may connect before mode and group are set
        try:
            server = await self._hub.loop.create_unix_server(
                lambda: Handshake(self._hub), path, ssl=context, backlog=BACKLOG, ssl_handshake_timeout=self._handshake_s(context)
            )
        finally:
            os.umask(old_umask)
        self._path = path
        self._hand_over(path)
        return server

    def _handshake_s(self, context: ssl.SSLContext | None) -> float | None:
        """How long TLS may take to begin: as long as a request, where the loops' own limit is a minute. None without TLS."""
        return self._hub.limits.handshake if context is not None else None

    def _hand_over(self, path: str) -> None:
        """Gives a Unix socket its group and mode."""
        if self.settings.group is not None:
            try:
                shutil.chown(path, group=self.settings.group)
            except LookupError as error:
                raise OSError(errno.EINVAL, f"there is no group {self.settings.group!r}") from error
        Path(path).chmod(int(self.settings.mode, 8) if self.settings.mode is not None else 0o600)


def remove_stale_socket(path: str) -> None:
    """Removes a socket file that nobody listens on any more. Never waits.

    Raises:
        OSError: if somebody does (EADDRINUSE; the text tells its pid), or if it is no socket.
    """
    try:
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            raise OSError(errno.EEXIST, f"{path} is there and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a Unix socket answers at once, or its backlog is full: then somebody listens, too
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
            return
        except BlockingIOError:
            raise OSError(errno.EADDRINUSE, "another process listens on it") from None
        pid, _, _ = PEER_CREDENTIALS.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size))
    raise OSError(errno.EADDRINUSE, f"another process listens on it (pid {pid})" if pid else "another process listens on it")


def server_context(tls: Tls) -> ssl.SSLContext:
    """The TLS context of a listener.

    Raises:
        StartError: if a file is missing or no certificate, or the key does not belong to it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = TLS_VERSIONS[tls.min_version]
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(tls.cert, tls.key)
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"cannot use the certificate {tls.cert} with the key {tls.key}: {error}") from error
    return context


def _explain(error: OSError, address: Address) -> str:
    """The error in words that say what to do."""
    if error.errno == errno.EADDRINUSE:
        return error.strerror if address.kind == "unix" and error.strerror else "another process listens on it"
    if error.errno == errno.EADDRNOTAVAIL:
        return "no such address on this machine"
    if error.errno == errno.EACCES and address.kind == "unix":
        return "permission denied; give the user that runs wsrouter the right to write in its folder"
    if error.errno == errno.EACCES:
        return "permission denied; ports below 1024 need CAP_NET_BIND_SERVICE"
    if error.errno == errno.ENOENT and address.kind == "unix":
        return "its folder is not there; make it first"
    return error.strerror or str(error)


def _host_port(name: tuple[str, int] | str) -> str:
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
