"""Listening sockets: TCP over IPv4 and IPv6, Unix sockets with mode and group, TLS on any of them."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import stat
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsrouter.api.errors import StartError
from wsrouter.config.address import ALL_HOSTS, parse_address
from wsrouter.wire.acceptor import Acceptor
from wsrouter.wire.handshake import Handshake
from wsrouter.wire.passed import PassedSockets
from wsrouter.wire.reuse_port import steer_to_successor, stop_steering
from wsrouter.wire.tls import server_context

if TYPE_CHECKING:
    import ssl

    from wsrouter.config.address import Address
    from wsrouter.config.settings import Listen
    from wsrouter.wire.hub import Hub
    from wsrouter.wire.passed import PassedSocket

# As many as the kernel admits (net.core.somaxconn is 4096 on Linux since 5.4); asyncio's 100 drops a reconnecting crowd.
BACKLOG = 4096
# struct ucred of SO_PEERCRED, unix(7): pid, uid and gid of whoever listens; the pid is 0 where it is of another namespace.
PEER_CREDENTIALS = struct.Struct("3i")
# What the loop's servers have in common: they do not serve yet.
COMMON: dict[str, Any] = {"backlog": BACKLOG, "start_serving": False}
# The file of a Unix socket is ours to remove: from Python 3.13 on, a server that is closed would take it away from the one that took over.
KEEP_FILE: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}


class Listener:
    """One address that is listened on; `localhost` is two sockets."""

    def __init__(self, settings: Listen, hub: Hub, passed: PassedSockets | None = None, *, reuse_port: bool = False) -> None:
        """Nothing is opened yet. `passed` are sockets that need not be opened; with `reuse_port` another process may have the same TCP address."""
        self.settings = settings
        self.uses: list[PassedSocket] = []
        """Those of the passed sockets that it accepts from."""
        self._hub = hub
        self._passed = passed or PassedSockets()
        self._reuse_port = reuse_port
        self._servers: list[asyncio.Server | Acceptor] = []
        self._path: str | None = None

    async def bind(self, before: Listener | None = None) -> None:
        """Takes the address; nobody is accepted before `serve`. With `before`, a listener of the same address, it shares its sockets.

        Raises:
            StartError: if the address cannot be had; one line that says why.
        """
        address = parse_address(self.settings.address)
        context = server_context(self.settings.tls) if self.settings.tls is not None else None
        try:
            if before is not None:
                await self._share(before, context)
            elif address.kind == "unix":
                self._servers.append(await self._bind_unix(address.path, context))
            else:
                await self._bind_tcp(address, context)
        except OSError as error:
            self.close()
            raise StartError(f"cannot listen on {self.settings.address}: {_explain(error, address)}") from error

    async def serve(self) -> None:
        """Accepts from now on.

        Raises:
            StartError: if another process has begun to listen on the address meanwhile.
        """
        try:
            for server in self._servers:
                await server.start_serving()
        except OSError as error:
            raise StartError(f"cannot listen on {self.settings.address}: {_explain(error, parse_address(self.settings.address))}") from error

    @property
    def urls(self) -> list[str]:
        """Where clients find it: `ws://127.0.0.1:8765`, `wss://…`, `ws+unix:/path`."""
        address = parse_address(self.settings.address)
        if address.kind == "unix":
            return [f"ws+unix:{address.path}"] if self._servers else []
        scheme = "wss" if self.settings.tls is not None else "ws"
        return [f"{scheme}://{_host_port(one.getsockname())}" for server in self._servers for one in server.sockets]

    def inherit_file(self, before: Listener) -> None:
        """The file of the Unix socket goes with this listener from now on, and no more with the one whose sockets it shares."""
        self._path, before._path = before._path, None

    def restore_file(self) -> None:
        """Gives the file of the Unix socket its mode and group again, after another listener was to take over and did not."""
        if self._path is not None:
            with suppress(OSError):
                self._hand_over_again(self._path)

    async def _share(self, before: Listener, context: ssl.SSLContext | None) -> None:
        """Servers of its own on the same sockets, so that nothing that waits to be accepted is lost when `before` is closed."""
        for shared in _copies(*before._servers):
            if shared.family is socket.AF_UNIX:
                self._servers.append(await self._create_unix(context, sock=shared))
            else:
                self._servers.append(await self._create_tcp(context, sock=shared))
        self.uses = list(before.uses)
        if before._path is not None:
            self._hand_over_again(before._path)

    def steer_to_successor(self) -> bool:
        """Has the kernel give newcomers to another process that listens on the same port; whether there may be one."""
        if not self._reuse_port or self.uses or parse_address(self.settings.address).kind == "unix":
            return False
        for sock in _copies(*self._servers):
            with sock:
                steer_to_successor(sock)
        return True

    def next_context(self) -> ssl.SSLContext | None:
        """What its certificate's files hold now; None without TLS.

        Raises:
            StartError: if they cannot be used; nothing has changed then.
        """
        return server_context(self.settings.tls) if self.settings.tls is not None else None

    def take_context(self, context: ssl.SSLContext | None) -> None:
        """Shows this certificate to whoever comes from now on; those who are in stay."""
        for server in self._servers:
            if isinstance(server, Acceptor):
                server.context = context

    def close(self) -> None:
        """Stops accepting. Open connections go on."""
        for server in self._servers:
            server.close()
        self._servers = []
        if self._path is not None:
            with suppress(OSError):
                Path(self._path).unlink()
            self._path = None

    async def _bind_tcp(self, address: Address, context: ssl.SSLContext | None) -> None:
        """One socket a host; where the port is 0, all get the one that the first was given."""
        port = address.port
        for host in await self._hosts(address):
            try:
                server = await self._bind_host(host, port, context)
            except OSError as error:
                # "localhost" where the machine has no IPv6: one of two is enough.
                if len(address.hosts) > 1 and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    continue
                raise
            self._servers.append(server)
            port = port or server.sockets[0].getsockname()[1]
        if not self._servers:
            raise OSError(errno.EADDRNOTAVAIL, "no such address on this machine")

    async def _hosts(self, address: Address) -> tuple[str, ...]:
        """What to bind: numeric addresses, where sockets were passed that may have them."""
        if not self._passed:
            return address.hosts
        if address.hosts == ALL_HOSTS and (both := self._passed.find(socket.AF_INET6, "::", address.port)) is not None and both.is_for_both:
            return ("::",)
        infos = [info for host in address.hosts for info in await self._hub.loop.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)]
        return tuple(dict.fromkeys(str(name[0]) for _, _, _, _, name in infos))

    async def _bind_host(self, host: str, port: int, context: ssl.SSLContext | None) -> asyncio.Server | Acceptor:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        passed = self._passed.find(family, host, port) if self._passed else None
        if passed is not None:
            self.uses.append(passed)
            return await self._create_tcp(context, sock=passed.copy())
        if not self._reuse_port:
            return await self._create_tcp(context, host=host or None, port=port)
        server = await self._create_tcp(context, host=host or None, port=port, reuse_port=True)
        for sock in _copies(server):
            with sock:
                stop_steering(sock)
        return server

    async def _bind_unix(self, path: str, context: ssl.SSLContext | None) -> asyncio.Server | Acceptor:
        if (passed := self._passed.find_unix(path)) is not None:  # its file, mode and group are the business of whoever passed it
            self.uses.append(passed)
            return await self._create_unix(context, sock=passed.copy())
        remove_stale_socket(path)
        old_umask = os.umask(0o177)  # nobody else may connect before mode and group are set
        try:
            server = await self._create_unix(context, path=path)
        finally:
            os.umask(old_umask)
        self._path = path
        self._hand_over(path, self.settings.group)
        return server

    async def _create_tcp(self, context: ssl.SSLContext | None, **where: Any) -> asyncio.Server | Acceptor:
        """A server that does not serve yet: the loop's own, which is the fastest, where a connection begins with its request."""
        if self._begins_with_request:
            return await self._hub.loop.create_server(lambda: Handshake(self._hub), **where, **COMMON)
        sockets = [where["sock"]] if "sock" in where else await self._bound(where["host"], where["port"], reuse_port=self._reuse_port)
        return Acceptor(sockets, self._hub, self.settings, context, BACKLOG)

    async def _create_unix(self, context: ssl.SSLContext | None, **where: Any) -> asyncio.Server | Acceptor:
        if self._begins_with_request:
            return await self._hub.loop.create_unix_server(lambda: Handshake(self._hub), **where, **COMMON, **KEEP_FILE)
        sock = where.get("sock")
        if sock is None:
            sock = socket.socket(socket.AF_UNIX)
            _bind(sock, where["path"])
        return Acceptor([sock], self._hub, self.settings, context, BACKLOG)

    @property
    def _begins_with_request(self) -> bool:
        return self.settings.tls is None and self.settings.proxy_protocol is None

    async def _bound(self, host: str | None, port: int, *, reuse_port: bool) -> list[socket.socket]:
        """A bound socket for each address of a host."""
        infos = await self._hub.loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        sockets: list[socket.socket] = []
        for family, kind, protocol, _, name in dict.fromkeys(infos):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if reuse_port:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if family is socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                _bind(sock, name)
            except OSError:
                for one in sockets:
                    one.close()
                raise
            sockets.append(sock)
        return sockets

    def _hand_over(self, path: str, group: str | int | None) -> None:
        """Gives a Unix socket a group, if there is one to give, and its mode."""
        if group is not None:
            try:
                shutil.chown(path, group=group)
            except LookupError as error:
                raise OSError(errno.EINVAL, f"there is no group {group!r}") from error
        Path(path).chmod(int(self.settings.mode, 8) if self.settings.mode is not None else 0o600)

    def _hand_over_again(self, path: str) -> None:
        """The same where another listener had it: without a group of ours it goes back to that of this process."""
        self._hand_over(path, os.getegid() if self.settings.group is None else self.settings.group)


def _copies(*servers: asyncio.Server | Acceptor) -> list[socket.socket]:
    """Their sockets once more, each to be closed by itself."""
    return [socket.socket(fileno=os.dup(one.fileno())) for server in servers for one in server.sockets]


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


def _bind(sock: socket.socket, name: Any) -> None:
    """Binds a socket, or closes it.

    Raises:
        OSError: if the name cannot be had.
    """
    try:
        sock.bind(name)
    except OSError:
        sock.close()
        raise


def _explain(error: OSError, address: Address) -> str:
    """The error in words that say what to do."""
    if error.errno == errno.EADDRINUSE:
        return (
            error.strerror
            if address.kind == "unix" and error.strerror
            else "another process listens on it; stop that, or take another port (--listen, server.listen)"
        )
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
