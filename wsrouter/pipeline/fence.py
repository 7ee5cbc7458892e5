"""What stands between a handler and everybody else: a hook that raises costs its own connection, and nothing more."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass

from wsrouter.api.causes import Cause
from wsrouter.api.errors import HandlerError
from wsrouter.api.ports import ClientConnection, Failure, Observer
from wsrouter.pipeline.quarantine import Quarantine


class WrongTypeError(Exception):
    """Text where the handler takes bytes, or the other way round: the client's fault, not the handler's."""


@dataclass(frozen=True, slots=True)
class Fence:
    """Tells of failures of one route's handlers and closes the connection that met them."""

    route: str
    observer: Observer
    quarantine: Quarantine | None = None
    """Counts the failures; None counts none."""

    def failed(self, connection: ClientConnection | None, handler: str, hook: str, error: BaseException) -> None:
        """A hook raised `error`: told once, counted, and its connection closed with 1011 unless it is gone already."""
        if isinstance(error, WrongTypeError):
            if connection is not None:
                connection.end(Cause.WRONG_TYPE, reason=str(error))
            return
        self._tell(Failure(self.route, handler, hook, error, connection.id if connection is not None else None))
        if connection is not None:
            connection.end(Cause.HANDLER_ERROR)

    def failed_before(self, peer: str, handler: str, hook: str, error: BaseException) -> None:
        """A hook raised `error` over a client that is not let in yet: told once, and counted."""
        self._tell(Failure(self.route, handler, hook, error, None, peer))

    def _tell(self, failure: Failure) -> None:
        self.observer.failed(failure)
        if self.quarantine is not None:
            self.quarantine.failed(failure)


def no_coroutine(returned: object, hook: str) -> HandlerError:
    """What is wrong where a plain hook returned what must be awaited, which nobody does."""
    if isinstance(returned, Coroutine):
        returned.close()  # Python would warn of it, long after
    return HandlerError(f"{hook} returned {type(returned).__name__}, which must be awaited: write async def {hook}, and await it there")
