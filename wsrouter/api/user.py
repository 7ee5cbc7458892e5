"""Who a client is, and what is known of it before it is let in: `User` and `HandshakeRequest`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is known. `claims` is what is known of them; `expires_at` when that ends, in seconds since the epoch."""

    name: str
    claims: Mapping[str, object] = field(default_factory=dict)
    expires_at: float | None = None


class HandshakeRequest(Protocol):
    """A client's request before it is let in. It holds the client's credentials: record nothing of its headers and query."""

    @property
    def path(self) -> str:
        """The path as matched: percent-decoded, without the query."""

    @property
    def route(self) -> str:
        """The pattern of its route."""

    @property
    def params(self) -> Mapping[str, str | int]:
        """What the pattern's parameters stand for."""

    @property
    def query(self) -> Mapping[str, str]:
        """The query of the URL; of a repeated name the first value."""

    @property
    def target(self) -> str:
        """The request's target with its query, as sent."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers; names in any case; of a repeated name the first value."""

    @property
    def peer(self) -> str:
        """The other end of the socket."""

    @property
    def client(self) -> str:
        """The client's address without port, as told by a trusted proxy; else the peer's."""

    @property
    def subprotocols(self) -> Sequence[str]:
        """The subprotocols that the client offers, in its order."""
