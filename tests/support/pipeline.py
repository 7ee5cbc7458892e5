"""A client as the pipeline drives it, in memory, and a fence whose records can be looked at."""

from __future__ import annotations

import asyncio
from typing import Any

from support.wire import Notes
from wsrouter.api.causes import Cause
from wsrouter.api.handler import Handler
from wsrouter.api.ports import Ending
from wsrouter.pipeline.async_chain import AsyncChain
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.plain_chain import PlainChain
from wsrouter.pipeline.step import Step
from wsrouter.pipeline.tasks import Tasks
from wsrouter.testing import MemoryConnection


class MemoryClient(MemoryConnection):
    """A `ClientConnection`: `calls` holds what the pipeline did to its reading, `ending` how it ends."""

    variant = 0

    def __init__(self, path: str = "/", **facts: Any) -> None:
        super().__init__(path, **facts)
        self.ending: Ending | None = None
        self.calls: list[str] = []
        self.room = asyncio.Event()
        self.room.set()

    @property
    def closing(self) -> bool:
        return self.ending is not None

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.end(Cause.HANDLER_CLOSE, code, reason)

    def end(self, cause: Cause, code: int | None = None, reason: str = "") -> None:
        if self.ending is None:
            self.ending = Ending(cause, code or cause.code, reason, "server")
            super().close(code or cause.code or 1000, reason)

    def leave_as_client(self) -> None:
        """The client has sent its close frame."""
        self.ending = Ending(Cause.CLIENT_CLOSE, 1000, "", "client")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    async def drained(self) -> None:
        await self.room.wait()


class Chain:
    """A chain of handlers with everything around it; `notes.failures` are what its fence told."""

    def __init__(self, *handlers: Handler[Any]) -> None:
        self.notes = Notes()
        self.fence = Fence("/route", self.notes)
        self.task_failures: list[tuple[str, BaseException]] = []
        self.tasks = Tasks("/route", lambda name, error: self.task_failures.append((name, error)))
        steps = [Step(type(handler).__name__, handler) for handler in handlers]
        self.chain = AsyncChain(steps, self.fence, self.tasks) if any(step.is_async for step in steps) else PlainChain(steps, self.fence)

    def open(self, client: MemoryClient | None = None) -> MemoryClient:
        client = client or MemoryClient()
        self.chain.on_open(client)
        return client

    def read(self, client: MemoryClient, *messages: Any) -> None:
        """One read of these messages."""
        self.chain.on_messages(client, list(messages))

    def lose(self, client: MemoryClient) -> None:
        """The connection is gone; by the client's close unless it was ended before."""
        if client.ending is None:
            client.leave_as_client()
        self.chain.on_close(client, client.ending.cause)

    @property
    def failures(self) -> list[tuple[str, str, type[BaseException]]]:
        """(handler, hook, type of error) of each failure."""
        return [(failure.handler, failure.hook, type(failure.error)) for failure in self.notes.failures]
