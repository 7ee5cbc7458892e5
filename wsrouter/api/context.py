"""What a handler gets at its start: the site around it, its clock, its log, its background tasks."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from datetime import datetime
from typing import Protocol

from wsrouter.api.connection import Connection
from wsrouter.api.messages import Sendable
from wsrouter.api.topics import TopicSettings


class Clock(Protocol):
    """The time. Whatever waits or asks the time takes one, so that tests can own it."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC. For what people read; never for measuring."""

    def monotonic(self) -> float:
        """Seconds that only grow, whatever is done to the wall clock. For measuring and deadlines."""

    async def sleep(self, delay_s: float) -> None:
        """Waits; zero or less gives way once."""


class Log(Protocol):
    """A log that carries the route's and the handler's name in each record."""

    def debug(self, event: str, **facts: object) -> None:
        """Detail for whoever looks for a fault."""

    def info(self, event: str, **facts: object) -> None:
        """What happens in the normal course of things."""

    def warning(self, event: str, **facts: object) -> None:
        """Something that somebody should look at."""

    def error(self, event: str, **facts: object) -> None:
        """Something that failed."""


class Background(Protocol):
    """A task of the handler's own; it ends with the handler at the latest."""

    def cancel(self) -> object:
        """Ends it at its next await."""

    def done(self) -> bool:
        """Whether it has ended."""


class Context(Protocol):
    """What a handler may use of the site; one for each handler instance."""

    @property
    def route(self) -> str:
        """The pattern of its route."""

    @property
    def options(self) -> Mapping[str, object]:
        """Its options as checked."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def log(self) -> Log:
        """Its log."""

    def publish(
        self,
        topic: str,
        message: Sendable,
        *,
        sender: Connection | None = None,
        to_sender: bool = True,
        settings: TopicSettings | None = None,
    ) -> None:
        """Sends a message to all members of a topic, from any thread; a dict or list goes as JSON text.

        With `to_sender=False`, `sender` is left out; the message is in the history all the same. A topic that nobody has
        joined yet is made only where `settings` keep a history.
        """

    def members(self, topic: str) -> int:
        """How many connections are subscribed to a topic."""

    def forget(self, topic: str) -> None:
        """Drops what is kept of a topic that nobody is a member of; does nothing for another."""

    def connections(self) -> int:
        """How many connections the route has open now."""

    def spawn(self, coroutine: Coroutine[object, object, None], name: str = "") -> Background:
        """Runs a coroutine in the background; it is cancelled when the handler stops, its failure is recorded once."""
