"""The 101: what it says, and what is agreed on by it: subprotocol, compression, headers of the handler."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from msgspec import Struct
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request
from websockets.server import ServerProtocol

from wsrouter.access.credentials import BEARER
from wsrouter.api.causes import Reason
from wsrouter.api.ports import Refusal
from wsrouter.wire.head import OrdinaryRequest, ordinary_response, to_request
from wsrouter.wire.upgrade import Deflate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.typing import Subprotocol

    from wsrouter.access.door import Door
    from wsrouter.api.handshake import Accept
    from wsrouter.wire.admission import Admission, Admitted

# Precedent: nginx and browsers; 12 bits are 4 KiB a compression instead of 32.
WINDOW_BITS = 12

_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True, server_max_window_bits=WINDOW_BITS, compress_settings={"memLevel": 5}
)


Agreed = tuple[bytes, str | None, Deflate | None]
"""The 101, the subprotocol and the compression that it agrees to."""


class Newcomer(Struct, frozen=True):
    """A request that goes to a route, before it is known whether it comes in. One for each handshake: a Struct as `Upgrade` is."""

    admitted: Admitted
    head: bytes
    request: Request | OrdinaryRequest
    protocol: HandshakeProtocol | None
    """The library's, where it has read the request."""
    admission: Admission
    """Whose answer that was: a reload may bring another while somebody waits."""
    door: Door | None
    """The gate's when it came: a reload may give the same gate another."""


class HandshakeProtocol(ServerProtocol):
    """The library's protocol, which agrees to a subprotocol that both know and refuses nobody for offering none."""

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """The first of the route's that the client offers."""
        return next((ours for ours in self.available_subprotocols or () if ours in subprotocols), None)


def parse_head(head: bytes) -> tuple[HandshakeProtocol, Request | None]:
    """The library's protocol fed with a head alone, and the request that it read; None where it could not."""
    protocol = HandshakeProtocol()
    protocol.receive_data(head)
    events = protocol.events_received()
    request = events[0] if events else None
    return protocol, request if isinstance(request, Request) else None


def negotiate(newcomer: Newcomer, wanted: Accept | None = None) -> Agreed | Refusal:
    """The 101. Has `ServerProtocol` agree on subprotocol and compression: only now is the route known that says which.

    `wanted` is what the route's handlers want of it; a subprotocol there is one that the client offers.
    """
    settings, request = newcomer.admitted.gate.endpoint.settings, newcomer.request
    if isinstance(request, OrdinaryRequest) and not (settings.compression and "sec-websocket-extensions" in request.headers):
        return _add_headers(ordinary_response(request), wanted), None, None
    protocol = newcomer.protocol or parse_head(newcomer.head)[0]
    protocol.available_extensions = [_DEFLATE] if settings.compression else None
    # A page that offers subprotocols fails where none is agreed on, so one that brought a token this way gets `bearer`, never the token.
    known = settings.subprotocols if newcomer.door is None else [*settings.subprotocols, BEARER]
    if wanted is not None and wanted.subprotocol is not None:
        known = [wanted.subprotocol]
    protocol.available_subprotocols = known  # type: ignore[assignment]  # Subprotocol is a str
    response = protocol.accept(to_request(newcomer.head))
    if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        return Refusal(Reason.MALFORMED, str(protocol.handshake_exc))
    protocol.send_response(response)
    deflate = None
    if protocol.extensions:
        extension = protocol.extensions[0]
        assert isinstance(extension, PerMessageDeflate)
        deflate = Deflate(extension.remote_max_window_bits, extension.local_max_window_bits)
    return _add_headers(b"".join(protocol.data_to_send()), wanted), protocol.subprotocol, deflate


def _add_headers(response: bytes, wanted: Accept | None) -> bytes:
    """The 101 with the headers that a handler set; they were checked when it made them."""
    if wanted is None or not wanted.headers:
        return response
    lines = "".join(f"{name}: {value}\r\n" for name, value in wanted.lines())
    return response.removesuffix(b"\r\n") + lines.encode("ascii") + b"\r\n"
