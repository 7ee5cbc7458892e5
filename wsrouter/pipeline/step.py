"""One handler's place in a chain: which of its hooks do anything, and which must be awaited."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from wsrouter.api.handler import Handler
from wsrouter.pipeline.fence import WrongTypeError

if TYPE_CHECKING:
    from wsrouter.api.connection import Connection
    from wsrouter.api.messages import Message, Reply

    AnyHandler = Handler[Message]
    Hook = Callable[[Connection, Message], Reply]


class Step:
    """A handler with what the chain needs to know of its hooks, found out once."""

    __slots__ = ("handler", "is_async", "name", "on_close", "on_handshake", "on_message", "on_open")

    def __init__(self, name: str, handler: AnyHandler) -> None:
        """`name` is the handler's name as the site writes it."""
        self.name = name
        self.handler = handler
        self.on_handshake = handler.on_handshake if overrides(handler, "on_handshake") else None
        self.on_open = handler.on_open if overrides(handler, "on_open") else None
        self.on_close = handler.on_close if overrides(handler, "on_close") else None
        self.on_message: Hook = guarded(handler)
        self.is_async = any(inspect.iscoroutinefunction(getattr(handler, hook)) for hook in ("on_open", "on_message", "on_close"))


def overrides(handler: AnyHandler, hook: str) -> bool:
    """Whether a handler has a hook of its own, so that the chain need not call one that does nothing."""
    return getattr(type(handler), hook) is not getattr(Handler, hook)


def guarded(handler: AnyHandler) -> Hook:
    """The handler's `on_message`; for `Handler[str]` and `Handler[bytes]` with the check of the type before it."""
    hook: Hook = handler.on_message  # type: ignore[assignment]  # an awaitable reply is awaited by the queue
    accepts = handler.accepts
    if accepts is None:
        return hook
    wanted = "text" if accepts is str else "binary"

    def only(connection: Connection, message: Message) -> Reply:
        if type(message) is not accepts:
            raise WrongTypeError(f"this route takes {wanted} messages only")
        return hook(connection, message)

    if not inspect.iscoroutinefunction(handler.on_message):
        return only

    async def only_async(connection: Connection, message: Message) -> Reply:
        reply = only(connection, message)
        return await reply  # type: ignore[misc,no-any-return]  # it is a coroutine here

    return only_async  # type: ignore[return-value]
