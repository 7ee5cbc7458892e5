"""`MemoryContext`: what a handler gets at its start, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Self

from wsrouter.api.connection import Connection
from wsrouter.api.context import Clock
from wsrouter.api.messages import Sendable
from wsrouter.api.topics import TopicSettings
from wsrouter.testing.clock import ManualClock
from wsrouter.testing.connection import MemoryConnection
from wsrouter.testing.topics import MemoryTopics


class MemoryLog:
    """A `Log` that remembers: `records` holds (level, event, facts)."""

    def __init__(self) -> None:
        self.records: list[tuple[str, str, dict[str, object]]] = []

    def debug(self, event: str, **facts: object) -> None:
        """Remembers it."""
        self.records.append(("debug", event, facts))

    def info(self, event: str, **facts: object) -> None:
        """Remembers it."""
        self.records.append(("info", event, facts))

    def warning(self, event: str, **facts: object) -> None:
        """Remembers it."""
        self.records.append(("warning", event, facts))

    def error(self, event: str, **facts: object) -> None:
        """Remembers it."""
        self.records.append(("error", event, facts))


class MemoryContext:
    """A `Context` with topics in memory and a clock that the test owns.

    As `async with` it cancels, at its end, what the handler spawned. `failures` holds what spawned coroutines raised.
    """

    def __init__(self, route: str = "/", *, options: Mapping[str, object] | None = None, clock: Clock | None = None) -> None:
        """`clock` is a new ManualClock unless it is given."""
        self.route = route
        self.options: Mapping[str, object] = dict(options or {})
        self.clock: Clock = ManualClock() if clock is None else clock
        self.log = MemoryLog()
        self.topics = MemoryTopics(self.clock.monotonic)
        self.failures: list[BaseException] = []
        self._connections: list[MemoryConnection] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def connection(
        self,
        path: str | None = None,
        *,
        params: Mapping[str, str | int] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        user: str | None = None,
        claims: Mapping[str, object] | None = None,
        subprotocol: str | None = None,
    ) -> MemoryConnection:
        """A client of this route; its path is the route's pattern unless it is given."""
        connection = MemoryConnection(
            self.route if path is None else path,
            route=self.route,
            params=params,
            query=query,
            headers=headers,
            user=user,
            claims=claims,
            subprotocol=subprotocol,
            opened_at=self.clock.now().timestamp(),
            topics=self.topics,
        )
        self._connections.append(connection)
        return connection

    def publish(
        self,
        topic: str,
        message: Sendable,
        *,
        sender: Connection | None = None,
        to_sender: bool = True,
        settings: TopicSettings | None = None,
    ) -> None:
        """Sends to all members at once, except to a sender that is left out."""
        self.topics.publish(topic, message, without=None if to_sender else sender, settings=settings)

    def members(self, topic: str) -> int:
        """How many connections are subscribed."""
        return self.topics.members(topic)

    def forget(self, topic: str) -> None:
        """Drops what is kept of a topic without members."""
        self.topics.forget(topic)

    def connections(self) -> int:
        """How many of the connections made here are open."""
        return sum(1 for connection in self._connections if connection.closed is None)

    def spawn(self, coroutine: Coroutine[object, object, None], name: str = "") -> asyncio.Task[None]:
        """Runs it as a task until the context ends."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name or None)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks that run, sorted."""
        return sorted(task.get_name() for task in self._tasks)

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Cancels what still runs and waits for its end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Forgets a task and keeps its failure."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failures.append(error)
