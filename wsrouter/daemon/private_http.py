"""The HTTP side of the private sockets. aiohttp takes 200 ms and 20 MiB: it is imported by the first who asks, in a thread, and never before."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from wsrouter.daemon.side_thread import SideThread

if TYPE_CHECKING:
    from aiohttp.web_protocol import RequestHandler

    from wsrouter.admin.http import HttpSide
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
        side = await self.load()
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_accepted_socket(side.server, connection)
        return HttpClient(side, transport, protocol)

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


class HttpClient:
    """One connection that speaks HTTP."""

    def __init__(self, side: HttpSide, transport: asyncio.BaseTransport, protocol: RequestHandler) -> None:
        """It is served already."""
        self._side = side
        self._transport = transport
        self._protocol = protocol

    @property
    def quiet_since(self) -> float:
        """See `reception.Client`."""
        return self._side.server.quiet_since.get(self._protocol, 0.0)

    def abort(self) -> None:
        """Cuts it off."""
        cast("asyncio.Transport", self._transport).abort()

    async def serve(self) -> None:
        """Waits for its end."""
        try:
            await self._side.server.until_gone(self._protocol)
        finally:
            self._transport.close()


def _import() -> type[HttpSide]:
    from wsrouter.admin.http import HttpSide  # in a thread: see above

    return HttpSide
