"""The `Context` that a handler gets at its start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, cast

from wsrouter.api.messages import to_message

if TYPE_CHECKING:
    import asyncio

    from wsrouter.api.connection import Connection
    from wsrouter.api.context import Clock, Log
    from wsrouter.api.messages import Message, Sendable
    from wsrouter.api.topics import Subscriber, TopicSettings
    from wsrouter.pipeline.tasks import Tasks
    from wsrouter.topics.registry import Topics


class HandlerContext:
    """What one handler instance may use of the site; implements `api.Context`."""

    def __init__(
        self,
        *,
        route: str,
        options: Mapping[str, object],
        clock: Clock,
        log: Log,
        topics: Topics,
        tasks: Tasks,
        loop: asyncio.AbstractEventLoop,
        connections: Callable[[], int],
    ) -> None:
        """Made in the thread of the loop, which `publish` compares with."""
        self.route = route
        self.options = options
        self.clock = clock
        self.log = log
        self.connections = connections
        self._topics = topics
        self._tasks = tasks
        self._loop = loop
        self._thread = threading.get_ident()

    def publish(
        self,
        topic: str,
        message: Sendable,
        *,
        sender: Connection | None = None,
        to_sender: bool = True,
        settings: TopicSettings | None = None,
    ) -> None:
        """See `api.Context.publish`. From another thread the message is handed to the loop, in the order of the calls.

        Raises:
            TypeError: if the message cannot be JSON.
            UnicodeEncodeError: if it is text with a lone surrogate.
        """
        ready: Message = to_message(message)
        exclude = None if to_sender else cast("Subscriber | None", sender)
        if threading.get_ident() == self._thread:
            self._topics.publish(topic, ready, exclude, settings)
            return
        if isinstance(ready, str):
            ready.encode()  # tell the caller, not the loop
        self._loop.call_soon_threadsafe(self._topics.publish, topic, ready, exclude, settings)

    def members(self, topic: str) -> int:
        """See `api.Context.members`."""
        return self._topics.members(topic)

    def forget(self, topic: str) -> None:
        """See `api.Context.forget`."""
        self._topics.forget(topic)

    def spawn(self, coroutine: Coroutine[object, object, None], name: str = "") -> asyncio.Task[None]:
        """See `api.Context.spawn`."""
        return self._tasks.spawn(coroutine, name)
