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


def must_be_plain(returned: object, hook: str) -> None:
    """Looks whether a plain hook returned a coroutine, which nobody awaits.

    Raises:
        HandlerError: if it did.
    """
    if returned is not None and isinstance(returned, Coroutine):
        raise _not_awaited(returned, hook)


def as_told(error: BaseException, reply: object) -> BaseException:
    """The error of an `on_message`: where its reply could not be sent since it is a coroutine, one that says so."""
    return _not_awaited(reply, "on_message") if isinstance(reply, Coroutine) else error


def _not_awaited(returned: Coroutine[object, object, object], hook: str) -> HandlerError:
    returned.close()  # Python would warn of it, long after
    return HandlerError(f"{hook} returned a coroutine, which must be awaited: write async def {hook}, and await it there")
