"""`Reception`: accepts the connections of one private socket, a bounded number at once.

Where all places are taken, the client that has been quiet longest makes room for a new one: one that asks is always served.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from wsrouter.pipeline.tasks import Tasks

if TYPE_CHECKING:
    from wsrouter.api.context import Log

# An unfinished line may hold twice its length, see asyncio.StreamReader: 512 MiB in all, for somebody who may stop the daemon anyway.
MOST_CLIENTS: Final = 32
BACKLOG: Final = 128
# Where all places are taken, the client that has been quiet longest makes room for a new one, if it has been for so long.
QUIET_S: Final = 1.0


class Client(Protocol):
    """Whoever is served."""

    @property
    def quiet_since(self) -> float:
        """The loop's time from which on nothing was asked; infinity while something is answered."""

    def abort(self) -> None:
        """Cuts it off."""

    async def serve(self) -> None:
        """Answers until it leaves, is told to, or is cut off."""


Receive = Callable[[socket.socket], Awaitable[Client | None]]
"""Makes the client of a connection, which that takes over; None where there is nobody to be served."""


class Reception:
    """The accepting side of listening sockets."""

    def __init__(self, name: str, receive: Receive, log: Log) -> None:
        """`name` is for records and tasks. Nothing is accepted yet."""
        self.clients: set[Client] = set()
        self.tasks = Tasks(name, self._task_failed)
        self._name = name
        self._receive = receive
        self._log = log
        self._listening: list[socket.socket] = []
        self._connections: set[socket.socket] = set()

    @property
    def is_open(self) -> bool:
        """Whether it accepts."""
        return bool(self._listening)

    @property
    def sockets(self) -> list[socket.socket]:
        """What it listens on."""
        return list(self._listening)

    def open(self, listening: socket.socket) -> None:
        """Accepts on a socket that listens, which it takes over."""
        listening.setblocking(False)
        self._listening.append(listening)
        self.tasks.spawn(self._accept(listening), "accept")

    async def close(self) -> None:
        """Stops accepting, and ends all clients."""
        await self.tasks.cancel()
        for one in (*self._connections, *self._listening):  # also those that were accepted and not served yet
            one.close()
        self._listening.clear()

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            await self._make_room()
            try:
                connection, _ = listening.accept()  # not the loop's: a cancelled task would lose what that has accepted
            except BlockingIOError:
                await readable(listening)
                continue
            except OSError:  # no descriptor left: those that wait do so in the backlog
                await asyncio.sleep(QUIET_S)
                continue
            connection.setblocking(False)
            self._connections.add(connection)
            self.tasks.spawn(self._serve(connection), "client")

    async def _make_room(self) -> None:
        """Waits until there is a place for one more client."""
        now = asyncio.get_running_loop().time
        while len(self._connections) >= MOST_CLIENTS:
            longest = min(self.clients, key=lambda client: client.quiet_since, default=None)
            if longest is not None and now() - longest.quiet_since >= QUIET_S:
                longest.abort()
            await asyncio.sleep(QUIET_S / 20)

    async def _serve(self, connection: socket.socket) -> None:
        stranger = _Stranger(connection)
        client: Client = stranger
        self.clients.add(client)
        try:
            known = await self._receive(connection)
            if known is not None:
                self.clients.discard(client)
                client = known
                self.clients.add(client)
                await client.serve()
        finally:
            self._connections.discard(connection)
            self.clients.discard(client)
            if client is stranger:
                connection.close()

    def _task_failed(self, name: str, error: BaseException) -> None:
        self._log.error(f"{self._name}.failed", task=name, error=f"{type(error).__name__}: {error}")


class _Stranger:
    """A client that has not said anything yet."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.quiet_since = asyncio.get_running_loop().time()

    def abort(self) -> None:
        """It can be read then, and there is nothing."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    async def serve(self) -> None:
        """It is not served before it is known."""


async def readable(one: socket.socket) -> None:
    """Waits until there is something to read or to accept."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(one, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(one)
