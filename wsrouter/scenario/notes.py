"""`Notes`: what happened to a site's connections and handlers during a scenario, for those that ask why a step failed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.config.problems import relative_to_here
from wsrouter.observe.text import clean_facts, to_pretty_lines
from wsrouter.observe.tracebacks import trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsrouter.api.context import Clock, Log
    from wsrouter.api.ports import Attempt, DoorEvent, Ending, Failure, Losses, Quarantined, Recorded, Refusal
    from wsrouter.scenario.client import Client

SHOWN_LEVELS = ("warning", "error")
"""The records that are kept: what the daemon says of each connection is not among them."""


@dataclass(frozen=True, slots=True)
class NotedFailure:
    """A handler that raised."""

    client: Client | None
    """Whose connection it was, where it was one's."""
    text: str
    """One line: `echo on_message: ValueError: no (plugins/echo.py:7)`."""
    traceback: str


class Notes:
    """An `Observer`, and the log of the handlers. Nothing is printed."""

    def __init__(self, clock: Clock) -> None:
        """`clock` stamps the records."""
        self.failures: list[NotedFailure] = []
        self._records: list[dict[str, object]] = []
        self._clock = clock
        self._clients: dict[str, Client] = {}
        self._by_id: dict[str, Client] = {}

    def watch(self, client: Client) -> None:
        """Has what the daemon says of this client hung on it."""
        self._clients[client.peer] = client

    def records(self) -> str:
        """The records of the handlers from warning up, as the daemon shows them on a terminal."""
        return "\n".join(to_pretty_lines(dict(record), colours=False).decode() for record in self._records)

    def note(self, level: str, event: str, **facts: object) -> None:
        """Keeps a record, if it is of a level that is shown."""
        if level in SHOWN_LEVELS:
            moment = self._clock.now().isoformat(timespec="milliseconds")
            record: dict[str, object] = {**facts, "event": event, "ts": moment, "level": level}
            clean_facts(record)
            self._records.append(record)

    def make_log(self, **bound: object) -> Log:
        """The log of a handler."""
        return _HandlerLog(self, bound)

    # api.ports.Observer.

    def opened(self, connection: Recorded) -> None:
        """The upgrade was accepted."""
        client = self._clients.get(connection.peer)
        if client is not None:
            client.connection_id = connection.id
            self._by_id[connection.id] = client

    def closed(self, connection: Recorded, ending: Ending) -> None:
        """It is gone."""
        client = self._clients.get(connection.peer)
        if client is not None:
            client.ending = ending

    def refused(self, attempt: Attempt, refusal: Refusal) -> None:
        """A handshake was answered with an error."""
        client = self._clients.get(attempt.peer)
        if client is not None:
            client.refusal = refusal

    def behind(self, connection: Recorded, losses: Losses) -> None:
        """A client reads too slowly; those of scenarios do not."""

    def caught_up(self, connection: Recorded, losses: Losses) -> None:
        """It has taken what waited."""

    def vanished(self, peer: str) -> None:
        """A peer left without a byte; clients in memory do not."""

    def noticed(self, event: DoorEvent, facts: Mapping[str, object]) -> None:
        """Something at the door; there are no sockets here."""

    def failed(self, failure: Failure) -> None:
        """A handler raised."""
        self._add(self._by_id.get(failure.connection_id or ""), f"{failure.handler} {failure.hook}", failure.error)

    def quarantined(self, quarantined: Quarantined) -> None:
        """A route takes no new connections for a while."""
        last = quarantined.failure
        self.note("error", "handler.quarantined", route=last.route, handler=last.handler, failures=quarantined.failures, pause_s=quarantined.pause_s)

    def released(self, route: str, handler: str) -> None:
        """It takes them again."""
        self.note("warning", "handler.released", route=route, handler=handler)

    def failed_outside(self, error: BaseException) -> None:
        """A task or callback raised that a plugin made by itself, past `context.spawn`: whose it is cannot be told."""
        self._add(None, "a task or callback of its own", error)

    def _add(self, client: Client | None, what: str, error: BaseException) -> None:
        told = trace(error)
        where = f" ({_short(told.at)})" if told.at else ""
        self.failures.append(NotedFailure(client, f"{what}: {' '.join(told.error.split())}{where}", told.text))


class _HandlerLog:
    """A `Log` that keeps what is worth being shown when a scenario fails."""

    def __init__(self, notes: Notes, bound: dict[str, object]) -> None:
        self.debug = partial(self._note, notes, "debug", bound)
        self.info = partial(self._note, notes, "info", bound)
        self.warning = partial(self._note, notes, "warning", bound)
        self.error = partial(self._note, notes, "error", bound)

    @staticmethod
    def _note(notes: Notes, level: str, bound: dict[str, object], event: str, **facts: object) -> None:
        notes.note(level, event, **{**bound, **facts})


def _short(place: str) -> str:
    """`file:line` with the file as it is seen from here."""
    file, _, line = place.rpartition(":")
    return f"{relative_to_here(Path(file))}:{line}"
