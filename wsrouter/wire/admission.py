"""Whether a request is let in, and to which route: every check of a handshake, in the order of `api.causes.Reason`. No I/O.

What the library leaves open is checked here: the path, Host, control bytes in headers (RFC 6455, section 4.2.1; RFC 9112,
section 3.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct

from wsrouter.access.addresses import client_address, is_within
from wsrouter.access.hosts import admits_host, valid_host
from wsrouter.api.causes import Reason
from wsrouter.api.ports import Refusal
from wsrouter.routing.path import PathError, split_target
from wsrouter.wire.head import OrdinaryRequest

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from websockets.http11 import Request

    from wsrouter.access.addresses import AddressPolicy
    from wsrouter.access.door import Door
    from wsrouter.access.origins import OriginPolicy
    from wsrouter.pipeline.endpoint import Endpoint
    from wsrouter.routing.router import Router
    from wsrouter.wire.upgrade import Upgrade

FEW_ROUTES = 5
"""So many at the most are all named where no route is near."""

# C0, DEL and C1 bytes: `websockets` lets 0x80 to 0x9f through, and NEL (0x85) ends a line for many a reader.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_WS_VERSION = (("Sec-WebSocket-Version", "13"),)
_UPGRADE = (("Upgrade", "websocket"),)


class Gate(Protocol):
    """A route at the door: its endpoint with its settings, and which pages may come."""

    @property
    def endpoint(self) -> Endpoint:
        """Who gets the connection."""

    @property
    def origins(self) -> OriginPolicy:
        """Which web pages may connect."""

    @property
    def door(self) -> Door | None:
        """Who may come in; None is everybody."""

    @property
    def addresses(self) -> AddressPolicy | None:
        """Which clients may connect; None is all."""


class Known(Protocol):
    """An open connection, as far as its admission goes."""

    upgrade: Upgrade

    @property
    def client(self) -> str:
        """The client's address."""

    def find_header(self, name: bytes) -> str | None:
        """One header of its request by its lower-case name."""


GateT = TypeVar("GateT", bound=Gate)


class Admitted(Struct, frozen=True):
    """A request that is let in, as far as the checks before `websockets`' own go. One for each handshake: a Struct as `Upgrade` is."""

    gate: Gate
    path: str
    params: Mapping[str, str | int]
    client: str


class Admission:
    """The checks of one generation. Replaced as a whole by a reload."""

    def __init__(self, router: Router[GateT], *, hosts: Sequence[str] = (), trusted: Sequence[IPv4Network | IPv6Network] = ()) -> None:
        """`hosts` empty admits any; `trusted` are the proxies whose forwarding headers are believed."""
        self.router = router
        self._hosts = tuple(hosts)
        self._trusted = tuple(trusted)

    def decide(self, request: Request | OrdinaryRequest, peer_ip: str) -> Admitted | Refusal:
        """Lets a request in, or says why not. `peer_ip` is the socket's other end, without port."""
        unusual = None if isinstance(request, OrdinaryRequest) else request
        refusal = _check_http(unusual) if unusual is not None else None
        if refusal is not None:
            return refusal
        if not valid_host(request.headers["Host"]):
            return Refusal(Reason.MALFORMED, "a Host header that names no host")
        path = split_target(request.path)[0]
        try:
            match = self.router.match(path)
        except PathError as error:
            return Refusal(Reason.MALFORMED, str(error))
        refusal = (_check_websocket(unusual) if unusual is not None else None) or self._check_host(request)
        if refusal is not None:
            return refusal
        if match is None:
            return Refusal(Reason.NO_ROUTE, fix=self._routes_near(path))
        gate = match.value
        origin = request.headers.get("Origin")
        if not gate.origins.admits(origin, request.headers["Host"]):
            return Refusal(Reason.ORIGIN, fix=gate.origins.cure(origin or ""))
        client = self._client(request, peer_ip)
        fix = gate.addresses.cure(client) if gate.addresses is not None else None
        if fix is not None:
            return Refusal(Reason.ADDRESS, f"client {client}", fix)
        return Admitted(gate, match.path, match.params, client)

    def trusts(self, peer_ip: str) -> bool:
        """Whether a socket's other end, or `unix`, is a trusted proxy."""
        return is_within(peer_ip, self._trusted)

    def still_admits(self, connection: Known, gate: Gate, door_before: Door | None = None) -> bool:
        """Whether an open connection could come again: asked when a reload has changed who may. `door_before` is the one it came through."""
        if gate.door is not None and not _still_known(connection.upgrade, gate, gate.door, door_before):
            return False
        host = connection.find_header(b"host") or ""
        if self._hosts and not admits_host(host, self._hosts):
            return False
        if gate.addresses is not None and gate.addresses.cure(connection.client) is not None:
            return False
        return gate.origins.admits(connection.find_header(b"origin"), host)

    def _routes_near(self, path: str) -> str:
        """What to ask for instead: the nearest route, or all where there are few."""
        nearest = self.router.nearest(path)
        if nearest is not None:
            return f"the nearest route is {nearest}"
        patterns = [str(pattern) for pattern in self.router.patterns]
        return f"the routes are {', '.join(patterns)}" if len(patterns) <= FEW_ROUTES else ""

    def _check_host(self, request: Request | OrdinaryRequest) -> Refusal | None:
        if self._hosts and not admits_host(request.headers["Host"], self._hosts):
            return Refusal(Reason.HOST, fix="add it to server.hosts if it is yours")
        return None

    def _client(self, request: Request | OrdinaryRequest, peer_ip: str) -> str:
        if not self._trusted:
            return peer_ip
        headers = request.headers
        return client_address(peer_ip, headers.get_all("X-Forwarded-For"), headers.get_all("Forwarded"), self._trusted)


def _still_known(upgrade: Upgrade, gate: Gate, door: Door, before: Door | None) -> bool:
    """Whether the user of an open connection is still known, and still allowed."""
    allow = gate.endpoint.settings.allow
    if upgrade.user is None or (allow is not None and not allow.admits(upgrade.user, upgrade.claims, upgrade.params)):
        return False
    if door is before:
        return True
    from wsrouter.wire.request import ClientRequest

    request = ClientRequest(upgrade.head, gate.endpoint.route, upgrade.path, upgrade.params, upgrade.peer, upgrade.client)
    return door.still_admits(request, upgrade.user, before)


def _check_http(request: Request) -> Refusal | None:
    headers = request.headers
    hosts = headers.get_all("Host")
    if len(hosts) != 1 or not hosts[0]:
        return Refusal(Reason.MALFORMED, "no Host header" if not hosts else "more than one Host header")
    for name, value in headers.raw_items():
        if _CONTROL.search(value):
            return Refusal(Reason.MALFORMED, f"a control byte in the header {name}")
    if len(headers.get_all("Origin")) > 1:
        return Refusal(Reason.MALFORMED, "more than one Origin header")
    return None


def _check_websocket(request: Request) -> Refusal | None:
    if request.method != "GET":
        return Refusal(Reason.METHOD, f"method {request.method}", headers=(("Allow", "GET"),))
    if request.protocol != "HTTP/1.1":
        return Refusal(Reason.HTTP_VERSION, request.protocol, fix="behind nginx: proxy_http_version 1.1")
    headers = request.headers
    if not _has_token(headers.get_all("Connection"), "upgrade"):
        fix = "behind a proxy: pass on Upgrade and Connection" if headers.get_all("Upgrade") else ""
        return Refusal(Reason.NOT_WEBSOCKET, "no Connection: Upgrade", fix, _UPGRADE + _WS_VERSION)
    if not _has_token(headers.get_all("Upgrade"), "websocket"):
        return Refusal(Reason.NOT_WEBSOCKET, "no Upgrade: websocket", headers=_UPGRADE + _WS_VERSION)
    versions = headers.get_all("Sec-WebSocket-Version")
    if versions != ["13"]:
        return Refusal(Reason.WS_VERSION, f"version {', '.join(versions) or 'missing'}", headers=_UPGRADE + _WS_VERSION)
    return None


def _has_token(values: Sequence[str], token: str) -> bool:
    """Whether a comma-separated header has this token, in any case."""
    return any(part.strip().lower() == token for value in values for part in value.split(","))
