"""A chain with an async hook: a task for each connection runs its hooks, one at a time and in order."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Sequence

from wsrouter.api.causes import Cause
from wsrouter.api.messages import Message, Reply, to_message
from wsrouter.api.ports import ClientConnection
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.queue import HookQueue
from wsrouter.pipeline.step import Step
from wsrouter.pipeline.tasks import Tasks


class AsyncChain:
    """As `PlainChain`, for hooks of which some must be awaited."""

    __slots__ = ("_fence", "_queues", "_steps", "_tasks")

    def __init__(self, steps: Sequence[Step], fence: Fence, tasks: Tasks) -> None:
        """`tasks` runs the connections' hooks; they end with the route's generation."""
        self._steps = tuple(steps)
        self._fence = fence
        self._tasks = tasks
        self._queues: dict[ClientConnection, HookQueue] = {}

    def on_open(self, connection: ClientConnection) -> None:
        """Begins the connection's task."""
        queue = self._queues[connection] = HookQueue(connection)
        self._tasks.spawn(self._serve(connection, queue), f"hooks of {connection.id}")

    def on_messages(self, connection: ClientConnection, messages: list[Message]) -> None:
        """Puts the messages behind those that wait."""
        self._queues[connection].put(messages)

    def on_close(self, connection: ClientConnection, cause: Cause) -> None:
        """Lets the task hand on what waits, call `on_close` and end."""
        self._queues.pop(connection).close(cause)

    async def _serve(self, connection: ClientConnection, queue: HookQueue) -> None:
        opened = await self._open(connection)
        while (message := await queue.get()) is not None:
            if opened == len(self._steps):
                await self._run_from(0, connection, message)
        for step in reversed(self._steps[:opened]):
            if step.on_close is not None:
                await self._call(None, step, "on_close", step.on_close, connection, queue.cause)

    async def _open(self, connection: ClientConnection) -> int:
        """Runs `on_open`, first to last; tells how many steps were opened."""
        for index, step in enumerate(self._steps):
            if step.on_open is not None and not await self._call(connection, step, "on_open", step.on_open, connection):
                return index
        return len(self._steps)

    async def _call(
        self, connection: ClientConnection | None, step: Step, name: str, hook: Callable[..., Awaitable[None] | None], *arguments: object
    ) -> bool:
        """Calls a hook, awaiting it where it is async; tells whether it went well."""
        try:
            result = hook(*arguments)
            if result is not None:
                await result
        except CancelledError:
            raise
        except BaseException as error:  # SystemExit in a task would end the loop
            self._fence.failed(connection, step.name, name, error)
            return False
        return True

    async def _run_from(self, index: int, connection: ClientConnection, message: Message) -> None:
        """One message through the steps from `index` on; what the last one returns goes to the client."""
        for position in range(index, len(self._steps)):
            step = self._steps[position]
            try:
                answer = step.on_message(connection, message)
                reply: Reply = await answer if isinstance(answer, Awaitable) else answer
                if reply is None:
                    return
                if type(reply) is list:
                    for each in [to_message(item) for item in reply]:
                        await self._run_from(position + 1, connection, each)
                    return
                message = to_message(reply)
            except CancelledError:
                raise
            except BaseException as error:
                self._fence.failed(connection, step.name, "on_message", error)
                return
        connection.send(message)
