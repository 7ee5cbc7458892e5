"""The order of async hooks: one at a time for a connection, messages waiting for `on_open`, `on_close` last."""

from __future__ import annotations

import asyncio
from collections import deque

from wsrouter.api.causes import Cause
from wsrouter.api.messages import Message
from wsrouter.api.ports import ClientConnection

# As `websockets` has it: reading pauses above 16 waiting messages and goes on at 4 (its max_queue).
HIGH = 16
LOW = 4


class HookQueue:
    """What waits for the async hooks of one connection. Reading pauses while too much does.

    Messages that wait are still handed on where the client ended the connection; where this side did, they are dropped.
    """

    __slots__ = ("_cause", "_connection", "_is_dropping", "_messages", "_paused", "_wake")

    def __init__(self, connection: ClientConnection) -> None:
        """Nothing waits yet."""
        self._connection = connection
        self._messages: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._paused = False
        self._is_dropping = False
        self._cause: Cause | None = None

    def put(self, messages: list[Message]) -> None:
        """Adds messages; above HIGH the connection stops reading."""
        if self._is_dropping:
            return
        self._messages.extend(messages)
        self._wake.set()
        if len(self._messages) > HIGH and not self._paused:
            self._paused = True
            self._connection.pause_reading()

    async def get(self) -> Message | None:
        """The next message, waiting for it; None once the connection is closed and nothing waits."""
        while not self._has_message():
            if self._cause is not None:
                return None
            self._wake.clear()
            await self._wake.wait()
        message = self._messages.popleft()
        self._resume_at(LOW)
        return message

    def drop(self) -> None:
        """A hook has failed: what waits and what comes is for nobody."""
        self._is_dropping = True
        self._messages.clear()
        self._resume_at(LOW)

    def close(self, cause: Cause) -> None:
        """No more will come."""
        self._cause = cause
        self._wake.set()

    @property
    def cause(self) -> Cause:
        """Why the connection ended; the shutdown of the handler where it has not."""
        return self._cause or Cause.SHUTDOWN

    def _has_message(self) -> bool:
        if self._messages and was_ended_here(self._connection):
            self.drop()
        return bool(self._messages)

    def _resume_at(self, waiting: int) -> None:
        if self._paused and len(self._messages) <= waiting:
            self._paused = False
            self._connection.resume_reading()


def was_ended_here(connection: ClientConnection) -> bool:
    """Whether this side began to close it: what the client has said before then is for nobody."""
    ending = connection.ending
    return ending is not None and ending.began == "server"
