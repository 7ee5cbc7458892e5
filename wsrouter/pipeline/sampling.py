"""How long hooks take, by samples: now and then the next call of an `on_message` is timed, and all others run as if nobody ever asked.

What is sampled stands in the place of the hook until it is called once, and puts the hook back. A coroutine or a source has no
`on_message` that would tell anything, and is not timed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter
from typing import TYPE_CHECKING

from wsrouter.pipeline.coroutine import CoroutineHandler
from wsrouter.pipeline.source import SourceHandler
from wsrouter.pipeline.step import Step, overrides

if TYPE_CHECKING:
    from wsrouter.api.connection import Connection
    from wsrouter.api.messages import Message, Reply
    from wsrouter.api.ports import ClientConnection
    from wsrouter.pipeline.endpoint import Endpoint

Tell = Callable[[str, str, float], None]
"""Takes route, handler and seconds."""


def sample_next(endpoints: Iterable[Endpoint], tell: Tell) -> None:
    """Has the next message of each of these routes timed, in each of its steps; `tell` is called when it was."""
    for endpoint in endpoints:
        if len(endpoint.steps) == 1 and not endpoint.steps[0].is_async:
            step = endpoint.steps[0]
            if is_timed(step) and not isinstance(endpoint.on_messages, _TimedRead):
                endpoint.on_messages = _TimedRead(endpoint, step.name, tell)
            continue
        for step in endpoint.steps:
            if is_timed(step) and not isinstance(step.on_message, _TimedHook):
                step.on_message = _TimedHook(endpoint.route, step, tell)


def is_timed(step: Step) -> bool:
    """Whether the time of its `on_message` tells something."""
    return not isinstance(step.handler, CoroutineHandler | SourceHandler) and overrides(step.handler, "on_message")


class _TimedRead:
    """Stands in for `on_messages` of a route with one plain step, whose hook is compiled into it: the time for a message is the mean of a read."""

    def __init__(self, endpoint: Endpoint, handler: str, tell: Tell) -> None:
        self._endpoint = endpoint
        self._handler = handler
        self._on_messages = endpoint.on_messages
        self._tell = tell

    def __call__(self, connection: ClientConnection, messages: list[Message]) -> None:
        endpoint = self._endpoint
        endpoint.on_messages = self._on_messages
        count, began = len(messages), perf_counter()
        self._on_messages(connection, messages)
        self._tell(endpoint.route, self._handler, (perf_counter() - began) / count)


class _TimedHook:
    """Stands in for one step's hook."""

    def __init__(self, route: str, step: Step, tell: Tell) -> None:
        self._route = route
        self._step = step
        self._hook = step.on_message
        self._tell = tell

    def __call__(self, connection: Connection, message: Message) -> Reply:
        self._step.on_message = self._hook
        began = perf_counter()
        answer = self._hook(connection, message)
        if isinstance(answer, Awaitable):
            return self._finish(answer, began)  # as an async hook's
        self._tell(self._route, self._step.name, perf_counter() - began)
        return answer

    async def _finish(self, answer: Awaitable[Reply], began: float) -> Reply:
        reply = await answer
        self._tell(self._route, self._step.name, perf_counter() - began)
        return reply
