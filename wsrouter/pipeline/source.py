"""Async generators as handlers: one production for all listeners of a route, restarted with back-off when it fails."""

from __future__ import annotations

from asyncio import CancelledError, current_task
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from itertools import count

from wsrouter.api.causes import Cause
from wsrouter.api.connection import Connection
from wsrouter.api.context import Background, Context
from wsrouter.api.handler import Handler
from wsrouter.api.messages import Message, Sendable
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.tasks import is_cancelled

SourceFunction = Callable[..., AsyncGenerator[Sendable, None]]

# Doubling from a quarter of a second to half a minute, as Kubernetes and systemd do in spirit; a production that lasted longer
# than the longest pause starts from the beginning again.
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
# So many messages may come without a wait of the generator's own before others get their turn.
BURST = 100


_INSTANCES = count(1)


class SourceHandler(Handler[Message]):
    """Publishes what the generator yields to everybody on the route. It runs from the first listener to the last.

    When the generator ends by itself, its listeners are closed with 1000. What clients send is dropped.
    """

    def __init__(self, name: str, function: SourceFunction, options: Mapping[str, object], *, fence: Fence) -> None:
        """`fence` is told of failures."""
        self._name = name
        self._function = function
        self._options = options
        self._fence = fence
        self._listeners: dict[Connection, None] = {}
        self._production: Background | None = None

    def start(self, context: Context) -> None:
        """Names the topic; nothing is produced before somebody listens."""
        self._context = context
        self._topic = f"source:{next(_INSTANCES)}:{context.route}"  # after a reload the old one still produces for its own listeners

    def on_open(self, connection: Connection) -> None:
        """Adds a listener, the first of which starts the production."""
        connection.join(self._topic)
        self._listeners[connection] = None
        if self._production is None:
            self._production = self._context.spawn(self._produce(), f"source {self._name}")

    def on_message(self, connection: Connection, message: Message) -> None:
        """Drops what a listener sends."""

    def on_close(self, connection: Connection, cause: Cause) -> None:
        """Takes a listener out, the last of which stops the production."""
        self._listeners.pop(connection, None)
        if not self._listeners and self._production is not None:
            self._production.cancel()
            self._production = None

    async def _produce(self) -> None:
        clock, pause_s = self._context.clock, FIRST_PAUSE_S
        while True:
            begun = clock.monotonic()
            try:
                await self._run()
                break
            except BaseException as error:  # SystemExit in a task would end the loop
                if is_cancelled(error):
                    raise
                self._fence.failed(None, self._name, "source", error)
            if clock.monotonic() - begun > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            await clock.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._production = None
        for listener in list(self._listeners):
            listener.close(1000, "the source has ended")

    async def _run(self) -> None:
        """One run of the generator, to its end.

        Raises:
            CancelledError: if it was cancelled, whatever the generator made of that.
        """
        task = current_task()
        assert task is not None
        published = 0
        try:
            async with aclosing(self._function(self._context, **self._options)) as source:
                async for message in source:
                    if task.cancelling():
                        break
                    self._context.publish(self._topic, message)
                    published += 1
                    if published % BURST == 0:  # one that never waits must not stop everything else
                        await self._context.clock.sleep(0)
        finally:
            if task.cancelling():
                raise CancelledError
