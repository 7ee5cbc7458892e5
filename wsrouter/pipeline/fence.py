"""What stands between a handler and everybody else: a hook that raises costs its own connection, and nothing more."""

from __future__ import annotations

from dataclasses import dataclass

from wsrouter.api.causes import Cause
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
        failure = Failure(self.route, handler, hook, error, connection.id if connection is not None else None)
        self.observer.failed(failure)
        if self.quarantine is not None:
            self.quarantine.failed(failure)
        if connection is not None:
            connection.end(Cause.HANDLER_ERROR)
