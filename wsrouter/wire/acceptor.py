"""A listening socket whose connections begin with something else than a request: a PROXY header, TLS, or one and then the other.

The loops' own servers hide a socket until its TLS handshake is done, and cannot look at what comes before. So these are accepted
here: a task for each until it speaks HTTP. Where no more may be half open, or no file is to be had, nothing is accepted for a
moment: the kernel keeps who comes meanwhile.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from wsrouter.access.bounds import ACCEPTS_A_TURN, EXHAUSTED_PAUSE_S, PROXY_HEADER_S
from wsrouter.wire.handshake import Handshake, format_peer
from wsrouter.wire.proxy_header import ProxyHeaderError, bytes_wanted, parse_header
from wsrouter.wire.tls import explain_failure

if TYPE_CHECKING:
    import ssl

    from wsrouter.config.settings import Listen
    from wsrouter.wire.hub import Hub

_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing resets, and leaves nothing behind in the kernel


class Acceptor:
    """Accepts on the sockets of one listener; as much of `asyncio.Server` as that needs."""

    def __init__(self, sockets: list[socket.socket], hub: Hub, settings: Listen, context: ssl.SSLContext | None, backlog: int) -> None:
        """The sockets are bound, and closed with it. `context` may be replaced while it serves: it counts for whoever comes then."""
        self.sockets = sockets
        self.hub = hub
        self.settings = settings
        self.context = context
        self._backlog = backlog
        self._resume: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._is_exhausted = False

    async def start_serving(self) -> None:
        """Accepts from now on.

        Raises:
            OSError: if another process listens there.
        """
        for sock in self.sockets:
            sock.setblocking(False)
            sock.listen(self._backlog)
        self._watch()

    def close(self) -> None:
        """Accepts nobody any more; who came in goes on."""
        if self._is_closed:
            return
        self._is_closed = True
        self._unwatch()
        if self._resume is not None:
            self._resume.cancel()
        for sock in self.sockets:
            sock.close()

    def _watch(self) -> None:
        for sock in self.sockets:
            self.hub.loop.add_reader(sock.fileno(), self._accept, sock)

    def _unwatch(self) -> None:
        for sock in self.sockets:
            self.hub.loop.remove_reader(sock.fileno())

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_A_TURN):
            if self._resume is not None:  # another socket's turn has found that there is no room
                return
            if wait_s := self.hub.half_opens.wait_s():
                self._pause(wait_s)
                return
            try:
                sock, name = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._exhausted(error)
                return
            self._is_exhausted = False
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Entrance(self, sock, name if isinstance(name, tuple) else None).begin()

    def _exhausted(self, error: OSError) -> None:
        """Told once, until somebody could be accepted again."""
        if not self._is_exhausted:
            self._is_exhausted = True
            self.hub.observer.noticed("accept.failed", {"error": error.strerror, "fix": "raise the limit of open files"})
        self._pause(EXHAUSTED_PAUSE_S)

    def _pause(self, wait_s: float) -> None:
        self._unwatch()
        self._resume = self.hub.loop.call_later(wait_s, self._go_on)

    def _go_on(self) -> None:
        self._resume = None
        if not self._is_closed:
            self._watch()


class Entrance:
    """One accepted socket until it speaks HTTP."""

    def __init__(self, acceptor: Acceptor, sock: socket.socket, name: tuple[object, ...] | None) -> None:
        """`name` is its other end; None for a Unix socket."""
        self._hub = acceptor.hub
        self._settings = acceptor.settings
        self._context = acceptor.context
        self._sock = sock
        self._name = name
        self._is_shed = False
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Goes on by itself, and ends by itself."""
        self._task = self._hub.loop.create_task(self._run())  # a task holds on to what it runs, and this to the task
        self._hub.half_opens.add(self)

    def shed(self) -> None:
        """Resets it; whoever reads or writes it now finds that out."""
        self._is_shed = True
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._sock.shutdown(socket.SHUT_RDWR)

    async def _run(self) -> None:
        is_handed_over = False
        try:
            if self._settings.proxy_protocol is not None and not await self._read_proxy_header():
                return
            is_handed_over = True  # from here on the socket is the loop's, also where this raises
            tls = self._settings.tls
            await self._hub.loop.connect_accepted_socket(
                lambda: Handshake(self._hub, self._name), self._sock, ssl=self._context, ssl_handshake_timeout=None if tls is None else tls.handshake
            )
        except Exception as error:  # noqa: BLE001 -- whatever a stranger's bytes bring about ends this socket and nothing else
            self._failed(error)
        finally:
            self._hub.half_opens.discard(self)
            if not is_handed_over:
                self._sock.close()

    def _failed(self, error: Exception) -> None:
        tls = self._settings.tls
        facts = None if tls is None or self._is_shed else explain_failure(error, tls)
        if facts is not None:
            self._hub.observer.noticed("tls.handshake_failed", {"peer": self._peer, **facts})
        elif not self._is_shed:
            self._hub.observer.vanished(self._peer)

    async def _read_proxy_header(self) -> bool:
        """Whether there was one. Who is not trusted to send one is not read from."""
        ip = str(self._name[0]) if self._name is not None else "unix"
        if not self._hub.admission.trusts(ip):
            self._refuse("not a trusted proxy", f"add {ip} to server.trusted_proxies if it is your proxy")
            return False
        data = bytearray()
        try:
            async with asyncio.timeout(PROXY_HEADER_S):
                while wanted := bytes_wanted(data):
                    piece = await self._read(wanted)
                    if not piece:
                        return self._ended_early(data)
                    data += piece
            source = parse_header(data)
        except TimeoutError:
            self._refuse(f"no PROXY header within {PROXY_HEADER_S:g} s, {len(data)} bytes came", "have the proxy send one")
        except ProxyHeaderError as error:
            fix = "have the proxy send one (HAProxy: send-proxy-v2), or delete proxy_protocol" if str(error) == "no PROXY header" else ""
            self._refuse(str(error), fix)
        else:
            self._name = source or self._name
            return True
        return False

    def _ended_early(self, data: bytearray) -> bool:
        if not self._is_shed:
            if data:
                self._refuse(f"gone after {len(data)} bytes of a PROXY header", "")
            else:
                self._hub.observer.vanished(self._peer)
        return False

    async def _read(self, most: int) -> bytes:
        """What is there, without a turn of the loop; else what comes."""
        try:
            return self._sock.recv(most)
        except BlockingIOError:
            return await self._hub.loop.sock_recv(self._sock, most)

    def _refuse(self, detail: str, fix: str) -> None:
        self._hub.observer.noticed("proxy.header_refused", {"peer": self._peer, "listener": self._settings.address, "detail": detail, "fix": fix})

    @property
    def _peer(self) -> str:
        return format_peer(self._name) if self._name is not None else "unix"
