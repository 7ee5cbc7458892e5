"""[hot] A chain whose hooks are all plain: each runs inside the read that brought the message.

A route of one step is its own case: between the read and the hook stands the fence alone (echo of 16 messages in one read,
without the socket: 0.6 µs a message, 0.85 µs through the general loop).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wsrouter.api.causes import Cause
from wsrouter.api.messages import Message, Reply, to_message
from wsrouter.api.ports import ClientConnection
from wsrouter.pipeline.fence import Fence, as_told, must_be_plain
from wsrouter.pipeline.step import Step


class PlainChain:
    """Calls the hooks of its steps in order; what one raises is fenced and ends the connection."""

    __slots__ = ("_fence", "_opened", "_steps", "on_messages")

    def __init__(self, steps: Sequence[Step], fence: Fence) -> None:
        """`steps` in the order of the site, at least one."""
        self._steps = tuple(steps)
        self._fence = fence
        self._opened: dict[ClientConnection, int] = {}
        self.on_messages = self._compile_single(self._steps[0]) if len(self._steps) == 1 else self._run_all

    def on_open(self, connection: ClientConnection) -> None:
        """First to last; a step that raises is the end of it, and only those before it will see `on_close`."""
        for index, step in enumerate(self._steps):
            if step.on_open is None:
                continue
            try:
                must_be_plain(step.on_open(connection), "on_open")
            except BaseException as error:  # a plugin's sys.exit() must not end the daemon
                self._opened[connection] = index
                self._fence.failed(connection, step.name, "on_open", error)
                return

    def on_close(self, connection: ClientConnection, cause: Cause) -> None:
        """Last to first, for the steps that were opened."""
        opened = self._opened.pop(connection, len(self._steps))
        for step in reversed(self._steps[:opened]):
            if step.on_close is None:
                continue
            try:
                must_be_plain(step.on_close(connection, cause), "on_close")
            except BaseException as error:
                self._fence.failed(connection, step.name, "on_close", error)

    def _compile_single(self, step: Step) -> Callable[[ClientConnection, list[Message]], None]:
        on_message, name, failed = step.on_message, step.name, self._fence.failed

        def run_single(connection: ClientConnection, messages: list[Message]) -> None:
            reply: Reply = None
            try:
                for message in messages:
                    if connection.closing:
                        return
                    reply = on_message(connection, message)
                    if reply is None:
                        continue
                    if type(reply) is list:
                        for each in reply:
                            connection.send(each)
                    else:
                        connection.send(reply)
            except BaseException as error:
                failed(connection, name, "on_message", as_told(error, reply))

        return run_single

    def _run_all(self, connection: ClientConnection, messages: list[Message]) -> None:
        for message in messages:
            self._run_from(0, connection, message)

    def _run_from(self, index: int, connection: ClientConnection, message: Message) -> None:
        """One message through the steps from `index` on; what the last one returns goes to the client."""
        for position in range(index, len(self._steps)):
            if connection.closing:
                return
            step = self._steps[position]
            reply: Reply = None
            try:
                reply = step.on_message(connection, message)
                if reply is None:
                    return
                if type(reply) is list:
                    for each in [to_message(item) for item in reply]:
                        self._run_from(position + 1, connection, each)
                    return
                message = to_message(reply)
            except BaseException as error:
                self._fence.failed(connection, step.name, "on_message", as_told(error, reply))
                return
        try:
            connection.send(message)
        except BaseException as error:  # text that no WebSocket can carry
            self._fence.failed(connection, self._steps[-1].name, "on_message", error)
