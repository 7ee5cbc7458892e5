"""The HTTP side of the private sockets. aiohttp takes 200 ms and 13 MiB: it is imported by the first who asks, in a thread, and never before."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from wsrouter.daemon.side_thread import SideThread

if TYPE_CHECKING:
    from wsrouter.admin.http import HttpClient, HttpSide
    from wsrouter.admin.steering import Steering
    from wsrouter.api.context import Log


class PrivateHttp:
    """Makes clients of connections that speak HTTP."""

    def __init__(self, steering: Steering, thread: SideThread, log: Log, token: str | None = None) -> None:
        """`token` is what has to be shown over TCP. Nothing is imported yet."""
        self._steering = steering
        self._thread = thread
        self._log = log
        self._token = token
        self._loading: asyncio.Task[HttpSide] | None = None

    async def load(self) -> HttpSide:
        """The server, once it is imported."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._load(), name="loading the private side")
        return await asyncio.shield(self._loading)

    async def receive(self, connection: socket.socket) -> HttpClient:
        """Takes over a connection."""
        return await (await self.load()).receive(connection)

    async def close(self) -> None:
        """Ends all requests and connections."""
        if self._loading is None:
            return
        if not self._loading.done():
            self._loading.cancel()
            await asyncio.wait({self._loading})
        elif self._loading.exception() is None:
            await self._loading.result().close()

    async def _load(self) -> HttpSide:
        make = await self._thread.run(_import)
        return make(self._steering, self._log, self._token)


def _import() -> type[HttpSide]:
    from wsrouter.admin.http import HttpSide  # in a thread: see above

    return HttpSide
