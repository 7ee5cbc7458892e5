"""What is known of a client by its request: the same before it is let in and as long as it is connected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class ClientFacts(Protocol):
    """The part that `Connection` and `HandshakeRequest` share."""

    @property
    def path(self) -> str:
        """The path as matched: percent-decoded, without the query."""

    @property
    def route(self) -> str:
        """The pattern of its route, as in the site: `/rooms/{room}`."""

    @property
    def params(self) -> Mapping[str, str | int]:
        """What the pattern's parameters stand for in this path; `{id:int}` gives an int."""

    @property
    def query(self) -> Mapping[str, str]:
        """The query of the URL; of a repeated name the first value."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers; names in any case; of a repeated name the first value."""

    @property
    def user(self) -> str | None:
        """Who it is, where the route has `auth`; None without, and while that is not found out yet."""

    @property
    def claims(self) -> Mapping[str, object]:
        """What the credentials say of the user, where the route has `auth`; else empty."""

    @property
    def peer(self) -> str:
        """The other end of the socket: `127.0.0.1:50210`, `[::1]:50210`, or `unix`."""

    @property
    def client(self) -> str:
        """The client's address without port, as told by a trusted proxy; else the peer's."""
