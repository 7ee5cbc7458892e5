"""`ClientRequest`: a request that is not let in yet, or that once was, as those see it who decide on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrouter.access.credentials import offered, without_tokens
from wsrouter.routing.path import parse_query, split_target
from wsrouter.wire.head import HeaderView, target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ClientRequest:
    """Implements `api.HandshakeRequest` and `access.door.Request`. Fields are read from the head when asked for."""

    __slots__ = ("_fields", "claims", "client", "head", "params", "path", "peer", "route", "user")

    def __init__(self, head: bytes, route: str, path: str, params: Mapping[str, str | int], peer: str, client: str) -> None:
        """`head` is a whole, checked request head."""
        self.head = head
        self.route = route
        self.path = path
        self.params = params
        self.peer = peer
        self.client = client
        self.user: str | None = None
        self.claims: Mapping[str, object] = {}
        self._fields: HeaderView | None = None

    @property
    def fields(self) -> HeaderView:
        """The headers; all values of a name."""
        if self._fields is None:
            self._fields = HeaderView(self.head)
        return self._fields

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; of a repeated name the first value."""
        return self.fields

    @property
    def query(self) -> Mapping[str, str]:
        """The query of the URL."""
        return parse_query(split_target(target(self.head))[1])

    @property
    def target(self) -> str:
        """The request's target with its query, as sent."""
        return target(self.head)

    @property
    def subprotocols(self) -> Sequence[str]:
        """The subprotocols that the client offers, in its order, without the tokens among them: nothing that is chosen or told of these is a secret."""
        return without_tokens(offered(self.fields))
