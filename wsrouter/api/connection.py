"""What a handler sees of one client: the `Connection` that every hook gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from wsrouter.api.client_facts import ClientFacts
from wsrouter.api.messages import Sendable

if TYPE_CHECKING:
    from wsrouter.api.topics import TopicSettings


class Connection(ClientFacts, Protocol):
    """One client's WebSocket, from the accepted upgrade until it is closed.

    All of it is plain calls: nothing here waits. It is valid until `on_close` returns; sending to a closed connection does
    nothing, as the client could not have received it anyway.
    """

    @property
    def id(self) -> str:
        """A name of its own, the same in every record: 16 hexadecimal digits."""

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed on, or None."""

    @property
    def opened_at(self) -> float:
        """When it was opened, in seconds since the epoch."""

    @property
    def data(self) -> dict[str, object]:
        """A dict of the plugin's own; wsrouter never looks into it."""

    def send(self, message: Sendable) -> None:
        """Sends a message to the client, past any later step; a dict or list goes as JSON text.

        Never waits: what the client does not take yet waits in its outbox, under the route's `outbox` limits.
        """

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begins the closing handshake with this code (1000, 1001 to 1014 where allowed, 3000 to 4999) and reason (123 bytes)."""

    def join(self, topic: str, settings: TopicSettings | None = None) -> None:
        """Subscribes it to a topic; its history, if it keeps one, is sent first. Joining twice is joining once."""

    def leave(self, topic: str) -> None:
        """Ends a subscription; all end by themselves when the connection closes."""
