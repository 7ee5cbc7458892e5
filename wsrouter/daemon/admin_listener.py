"""The private side over TCP, at the address of the setting `admin`. What goes wrong here never stops the daemon: it goes on without, with one warning."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from wsrouter.config.address import parse_address
from wsrouter.daemon.reception import BACKLOG, Reception

if TYPE_CHECKING:
    from wsrouter.api.context import Log
    from wsrouter.daemon.private_http import PrivateHttp

# A daemon that is being replaced has the address until it ends.
RETRY_S: Final = 2.0
# A machine without IPv6: localhost and :9464 are there all the same.
_NO_FAMILY: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


class AdminListener:
    """Listens, and hands connections on. `open` and `close` never raise."""

    def __init__(self, address: str, http: PrivateHttp, log: Log) -> None:
        """Nothing is opened yet."""
        self._address = address
        self._log = log
        self._reception = Reception("admin", http.receive, log)

    async def open(self) -> None:
        """Listens, or warns why not. Where somebody else has the address, it waits for that one's end, and listens then."""
        try:
            await self._listen()
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            fix = "end what listens there, or give admin another address" if taken else "give admin an address of this machine that this user may have"
            self._log.warning("admin.unavailable", address=self._address, why=error.strerror or str(error), fix=fix)
            if taken:
                self._reception.tasks.spawn(self._retry(), "retry")

    async def close(self) -> None:
        """Stops listening, and ends all connections."""
        await self._reception.close()

    async def _retry(self) -> None:
        while not self._reception.is_open:
            await asyncio.sleep(RETRY_S)
            with suppress(OSError):
                await self._listen()

    async def _listen(self) -> None:
        """Binds all that the address stands for.

        Raises:
            OSError: if there is one that cannot be had; none is left open then.
        """
        address = parse_address(self._address)
        opened: list[socket.socket] = []
        try:
            for host in address.hosts:
                for family, _, _, _, name in await asyncio.get_running_loop().getaddrinfo(host, address.port, type=socket.SOCK_STREAM):
                    try:
                        opened.append(_bind(family, name))
                    except OSError as error:
                        if not (opened and error.errno in _NO_FAMILY):
                            raise
        except BaseException:
            for one in opened:
                one.close()
            raise
        for one in opened:
            self._reception.open(one)
        self._log.info("admin.listening", addresses=[_url(one) for one in opened])


def _bind(family: int, name: tuple[object, ...]) -> socket.socket:
    """A socket that listens.

    Raises:
        OSError: if the address cannot be had.
    """
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(name)
        one.listen(BACKLOG)
    except BaseException:
        one.close()
        raise
    return one


def _url(one: socket.socket) -> str:
    host, port = one.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
