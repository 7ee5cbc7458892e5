"""A chain with an async hook: a task for each connection runs its hooks, one at a time and in order."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Sequence

from wsrouter.api.causes import Cause
from wsrouter.api.messages import Message, Reply, to_message
from wsrouter.api.ports import ClientConnection
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.queue import HookQueue, was_ended_here
from wsrouter.pipeline.step import Step
from wsrouter.pipeline.tasks import Tasks, is_cancelled


class AsyncChain:
    """As `PlainChain`, for hooks of which some must be awaited.

    `on_close` runs for each step that was opened, also when the generation ends before the connection does.
    """

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
        opened: list[Step] = []
        try:
            if not await self._open(connection, opened):
                queue.drop()
            while (message := await queue.get()) is not None:
                if not await self._run_from(0, connection, message):
                    queue.drop()
        except CancelledError:
            connection.end(Cause.SHUTDOWN)
            raise
        finally:
            await self._close(connection, queue, opened)

    async def _open(self, connection: ClientConnection, opened: list[Step]) -> bool:
        """Runs `on_open`, first to last, and notes each step that was opened; False if one failed."""
        for step in self._steps:
            if step.on_open is not None and not await self._call(connection, step, "on_open", step.on_open, connection):
                return False
            opened.append(step)
        return True

    async def _close(self, connection: ClientConnection, queue: HookQueue, opened: list[Step]) -> None:
        """Runs `on_close`, last to first. One that is cancelled does not keep the others from theirs."""
        if not opened:
            return
        step = opened.pop()
        try:
            if step.on_close is not None:
                await self._call(connection, step, "on_close", step.on_close, connection, queue.cause)
        finally:
            await self._close(connection, queue, opened)

    async def _call(self, connection: ClientConnection, step: Step, name: str, hook: Callable[..., Awaitable[None] | None], *arguments: object) -> bool:
        """Calls a hook, awaiting it where it is async; tells whether it went well."""
        try:
            result = hook(*arguments)
            if isinstance(result, Awaitable):  # a plain hook may return what it likes, as in a plain chain
                await result
        except BaseException as error:  # SystemExit in a task would end the loop
            if is_cancelled(error):
                raise
            self._fence.failed(connection, step.name, name, error)
            return False
        return True

    async def _run_from(self, index: int, connection: ClientConnection, message: Message) -> bool:
        """One message through the steps from `index` on; what the last one returns goes to the client. False if one failed."""
        for position in range(index, len(self._steps)):
            if was_ended_here(connection):
                return True
            step = self._steps[position]
            try:
                answer = step.on_message(connection, message)
                reply: Reply = await answer if isinstance(answer, Awaitable) else answer
                if reply is None:
                    return True
                if type(reply) is list:
                    return await self._run_each(position + 1, connection, [to_message(item) for item in reply])
                message = to_message(reply)
            except BaseException as error:
                if is_cancelled(error):
                    raise
                self._fence.failed(connection, step.name, "on_message", error)
                return False
        try:
            connection.send(message)
        except BaseException as error:  # text that no WebSocket can carry
            self._fence.failed(connection, self._steps[-1].name, "on_message", error)
            return False
        await connection.drained()
        return True

    async def _run_each(self, index: int, connection: ClientConnection, messages: list[Message]) -> bool:
        for message in messages:
            if not await self._run_from(index, connection, message):
                return False
        return True
