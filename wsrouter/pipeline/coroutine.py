"""Coroutines as handlers: `async def handler(websocket)`, written for the `websockets` library, one task a connection."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping

from wsrouter.api.causes import Cause
from wsrouter.api.handler import Handler
from wsrouter.api.messages import Message
from wsrouter.api.ports import ClientConnection, Inbox, OpenInbox
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.tasks import Tasks, is_cancelled

CoroutineFunction = Callable[..., Coroutine[object, object, object]]


class CoroutineHandler(Handler[Message]):
    """Runs the function for each connection; returning closes with 1000, raising with 1011.

    It is not cancelled when the client leaves: its next `recv` or `send` raises ConnectionClosed, which is never a failure, also
    not when another connection raised it: then it closes as if it had returned. It is cancelled when its generation ends.
    """

    def __init__(
        self, name: str, function: CoroutineFunction, options: Mapping[str, object], *, with_path: bool, open_inbox: OpenInbox, fence: Fence, tasks: Tasks
    ) -> None:
        """`with_path`: the two-argument form `handler(websocket, path)` of older versions. `tasks` runs the function."""
        self._name = name
        self._function = function
        self._options = options
        self._with_path = with_path
        self._open_inbox = open_inbox
        self._fence = fence
        self._tasks = tasks
        self._inboxes: dict[object, Inbox] = {}

    def on_open(self, connection: ClientConnection) -> None:  # type: ignore[override]  # wire's connections are all of this kind
        """Begins the connection's task."""
        inbox = self._inboxes[connection] = self._open_inbox(connection)
        self._tasks.spawn(self._serve(connection, inbox), f"{self._name} {connection.id}")

    def on_message(self, connection: ClientConnection, message: Message) -> None:  # type: ignore[override]
        """Puts the message where `recv` finds it."""
        self._inboxes[connection].put(message)

    def on_fragment(self, connection: ClientConnection, data: bytes, *, text: bool, first: bool, final: bool) -> None:
        """Puts a fragment where `recv_streaming` finds it; `recv` joins them."""
        self._inboxes[connection].put_fragment(data, text=text, first=first, final=final)

    def on_close(self, connection: ClientConnection, cause: Cause) -> None:  # type: ignore[override]
        """Lets the task find out."""
        self._inboxes.pop(connection).connection_closed()

    async def _serve(self, connection: ClientConnection, inbox: Inbox) -> None:
        arguments = (inbox, inbox.path) if self._with_path else (inbox,)
        try:
            await self._function(*arguments, **self._options)
        except BaseException as error:  # SystemExit in a task would end the loop
            if is_cancelled(error):
                connection.end(Cause.SHUTDOWN)
                raise
            if not is_only(error, self._open_inbox.closed_errors):
                self._fence.failed(connection, self._name, "coroutine", error)
        await inbox.finish()


def is_only(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether an error is of these kinds; of a group, as a TaskGroup raises it, whether all of it is."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(kinds)[1] is None
    return isinstance(error, kinds)
