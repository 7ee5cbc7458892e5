"""The Protocols that join the layers: what a lower layer needs from a higher one is declared here and handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from wsrouter.api.causes import Cause, Reason
from wsrouter.api.connection import Connection
from wsrouter.api.messages import Message
from wsrouter.api.topics import Subscriber


class ClientConnection(Connection, Subscriber, Protocol):
    """A connection as the pipeline drives it: what handlers see, and how it is ended with a cause or held back."""

    @property
    def closing(self) -> bool:
        """Whether the closing handshake has begun, from either side; no message is handed on after that."""

    @property
    def ending(self) -> Ending | None:
        """How it ends, once that has begun."""

    def end(self, cause: Cause, code: int | None = None, reason: str = "") -> None:
        """Closes it for this cause; `code` only where the cause leaves it open."""

    def pause_reading(self) -> None:
        """Stops taking messages from the client until `resume_reading`; the pong deadline does not run meanwhile."""

    def resume_reading(self) -> None:
        """Takes messages again."""

    async def drained(self) -> None:
        """Waits while the client is behind with what was sent to it; returns at once if it is gone."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended. `began` tells which side began it; code and reason are those of the close frame, if there was one."""

    cause: Cause
    code: int | None
    reason: str
    began: Literal["client", "server"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a handshake was refused: the reason, what was seen, and how to cure it."""

    reason: Reason
    detail: str = ""
    fix: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that the response needs besides the constant ones."""
    own_status: int | None = None
    """Where it is not the reason's."""
    route: str = ""
    handler: str = ""
    """Whose decision it was, where a handler decided."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.own_status or self.reason.status


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of a handshake that was refused; client-supplied text is as received, the log escapes and cuts it."""

    peer: str
    path: str
    host: str
    origin: str
    user_agent: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A hook, a coroutine or a background task of a handler that raised."""

    route: str
    handler: str
    hook: str
    error: BaseException
    connection_id: str | None
    peer: str = ""
    """Of whom, where there is no connection yet: in a handshake."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A route that takes no new connections for a while, since its handlers failed too often."""

    failure: Failure
    """The last one."""
    failures: int
    """How many there were in the last minute, as far as they were counted: one more than allowed is enough."""
    connections: int
    """Of how many connections."""
    pause_s: float


@dataclass(slots=True)
class Losses:
    """What did not go through a connection. There is none where nothing was lost."""

    dropped_in: int = 0
    """Messages from the client over its rates (`on_exceed: drop`)."""
    dropped_out: int = 0
    """Messages for the client that waited too long or too many (`on_full`)."""
    waiting_bytes: int = 0
    """How much waited for it when this was told last."""
    behind_s: float = 0.0
    """For how long it had been behind then."""
    told_at: float | None = None
    """When it was told of last, on the loop's clock."""


class Traffic(Protocol):
    """What the record of a closed connection counts."""

    opened_monotonic: float
    """When it was opened on the monotonic clock, in seconds: for how long it lasted, whatever is done to the wall clock."""
    messages_in: int
    bytes_in: int
    losses: Losses | None

    @property
    def messages_out(self) -> int:
        """How many messages it was sent."""

    @property
    def bytes_out(self) -> int:
        """How many bytes it was sent, frames and all."""


class Recorded(Connection, Traffic, Protocol):
    """A connection with its counters, as records are made of it."""

    def find_header(self, name: bytes) -> str | None:
        """One header of the request by its lower-case name, without parsing the others; None where it is not there."""


DoorEvent = Literal["accept.shed", "accept.failed", "overload.began", "overload.ended", "proxy.header_refused", "tls.handshake_failed"]
"""What happens at the door, whoever it is that comes."""


class Observer(Protocol):
    """Who is told what happened to a connection. Called once for each; must not raise or wait."""

    def opened(self, connection: Recorded) -> None:
        """The upgrade was accepted."""

    def closed(self, connection: Recorded, ending: Ending) -> None:
        """It is gone; the counters are final."""

    def behind(self, connection: Recorded, losses: Losses) -> None:
        """The client reads too slowly, and begins to lose messages. Told at most once in ten seconds of one connection."""

    def caught_up(self, connection: Recorded, losses: Losses) -> None:
        """It has taken what waited, after `behind`."""

    def refused(self, attempt: Attempt, refusal: Refusal) -> None:
        """A handshake was answered with an error."""

    def vanished(self, peer: str) -> None:
        """A peer connected and left without a byte."""

    def noticed(self, event: DoorEvent, facts: Mapping[str, object]) -> None:
        """Something at the door. Strangers can bring it about as often as they like."""

    def failed(self, failure: Failure) -> None:
        """A handler raised."""

    def quarantined(self, quarantined: Quarantined) -> None:
        """A route takes no new connections for a while."""

    def released(self, route: str, handler: str) -> None:
        """It takes them again; `handler` is the one that failed last."""


class OnFragment(Protocol):
    """How a coroutine gets the fragments of a message as they come, instead of the whole."""

    def __call__(self, connection: ClientConnection, data: bytes, *, text: bool, first: bool, final: bool) -> None:
        """One fragment's payload, not yet decoded."""


class Inbox(Protocol):
    """What a coroutine receives from, seen from the pipeline: wire's object with the interface of `websockets`."""

    @property
    def path(self) -> str:
        """The request's target with its query: the second argument of `handler(websocket, path)`."""

    def put(self, message: Message) -> None:
        """A whole message came."""

    def put_fragment(self, data: bytes, *, text: bool, first: bool, final: bool) -> None:
        """A fragment came."""

    def connection_closed(self) -> None:
        """The connection is gone."""

    async def finish(self) -> None:
        """The coroutine returned: closes with 1000 unless it is closed, and waits until it is."""


class OpenInbox(Protocol):
    """Makes the inbox of a connection; handed in by `wire`. `closed_errors` are what its calls raise once it is closed."""

    closed_errors: tuple[type[BaseException], ...]

    def __call__(self, connection: ClientConnection) -> Inbox:
        """The inbox of a connection that was just opened."""
