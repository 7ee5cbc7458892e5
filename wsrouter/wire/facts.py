"""What is known of a connection: the read-only side of `api.Connection`, answered from its upgrade when asked."""

from __future__ import annotations

from random import getrandbits
from typing import TYPE_CHECKING

from wsrouter.routing.path import parse_query, split_target
from wsrouter.wire.head import HeaderView, find_field, target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsrouter.api.context import Clock
    from wsrouter.wire.upgrade import Upgrade


class ConnectionFacts:
    """The base of `Connection`: who it is, where it came in, since when."""

    __slots__ = ("_data", "_number", "endpoint", "opened_at", "opened_monotonic", "upgrade")

    def __init__(self, upgrade: Upgrade, clock: Clock) -> None:
        """`endpoint` begins as the upgrade's; a reload may give it another."""
        self.upgrade = upgrade
        self.endpoint = upgrade.endpoint
        self.opened_at = clock.now().timestamp()
        self.opened_monotonic = clock.monotonic()
        self._number = getrandbits(64)
        self._data: dict[str, object] | None = None

    @property
    def id(self) -> str:
        """A name of its own, the same in every record: 16 hexadecimal digits."""
        return f"{self._number:016x}"

    @property
    def path(self) -> str:
        """The path as matched: percent-decoded, without the query."""
        return self.upgrade.path

    @property
    def route(self) -> str:
        """The pattern of its route."""
        return self.endpoint.route

    @property
    def params(self) -> Mapping[str, str | int]:
        """What the pattern's parameters stand for."""
        return self.upgrade.params

    @property
    def query(self) -> Mapping[str, str]:
        """The query of the URL, parsed at each call."""
        return parse_query(split_target(target(self.upgrade.head))[1])

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's headers, parsed at each call."""
        return HeaderView(self.upgrade.head)

    def find_header(self, name: bytes) -> str | None:
        """One header of the request by its lower-case name."""
        return find_field(self.upgrade.head, name)

    @property
    def user(self) -> str | None:
        """Who it is, where the route has `auth`."""
        return self.upgrade.user

    @property
    def claims(self) -> Mapping[str, object]:
        """What the credentials say of the user."""
        return self.upgrade.claims

    @property
    def peer(self) -> str:
        """The other end of the socket."""
        return self.upgrade.peer

    @property
    def client(self) -> str:
        """The client's address without port."""
        return self.upgrade.client

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that was agreed on."""
        return self.upgrade.subprotocol

    @property
    def data(self) -> dict[str, object]:
        """A dict of the plugin's own, made when it is first asked for."""
        if self._data is None:
            self._data = {}
        return self._data
