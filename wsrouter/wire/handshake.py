"""The protocol object of a socket before it is a WebSocket: reads the head, answers it, and makes way for a `Connection`.

The head is fed to `ServerProtocol` alone: it would answer frames that follow in the same read before the 101. What follows
is held until the 101 is written. Refusals have constant bodies, no `Server` header, and end the TCP connection.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from websockets.exceptions import HeaderLineTooLong, RequestLineTooLong, TooManyHeaders
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.http11 import Request
from websockets.server import ServerProtocol

from wsrouter.access.addresses import address_group
from wsrouter.access.retry import retry_header
from wsrouter.api.causes import Reason
from wsrouter.api.ports import Attempt, Failure, Refusal
from wsrouter.wire.connection import Connection
from wsrouter.wire.head import MAX_HEAD_BYTES, HeaderView, OrdinaryRequest, head_end, ordinary_response, parse_ordinary, to_request
from wsrouter.wire.proxy_header import SIGNATURE, V1_BEGIN
from wsrouter.wire.upgrade import Deflate, Upgrade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from websockets.typing import Subprotocol

    from wsrouter.pipeline.quarantine import Quarantine
    from wsrouter.wire.admission import Admitted
    from wsrouter.wire.hub import Hub

# After a refusal: how long the client may take to read it and hang up.
LINGER_S = 1.0
_EXPECT_PROXY = "set proxy_protocol: require on this listener, and the proxy in server.trusted_proxies"
# Precedent: nginx and browsers; 12 bits are 4 KiB a compression instead of 32.
WINDOW_BITS = 12

_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True, server_max_window_bits=WINDOW_BITS, compress_settings={"memLevel": 5}
)


class HandshakeProtocol(ServerProtocol):
    """The library's protocol, which agrees to a subprotocol that both know and refuses nobody for offering none."""

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """The first of the route's that the client offers."""
        return next((ours for ours in self.available_subprotocols or () if ours in subprotocols), None)


class Handshake(asyncio.Protocol):
    """One socket from its accept to the 101, or to a refusal."""

    __slots__ = ("_buffer", "_hub", "_is_answered", "_peername", "_transport", "slot")

    def __init__(self, hub: Hub, name: object = None) -> None:
        """Made by the listener for each socket. `name` is its other end where the socket itself does not tell: behind a PROXY header."""
        self._peername = name
        self.slot = 0
        self._hub = hub
        self._buffer = bytearray()
        self._is_answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there; its request must be whole within `server.limits.handshake`."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        if self._peername is None:
            self._peername = transport.get_extra_info("peername")  # asked once: uvloop makes it anew at each call
        if self._peername is None:  # reset while it waited to be accepted: who it was is not known any more
            self._transport.abort()
            return
        self._hub.half_opens.add(self)
        self._hub.timers.set(self, self._hub.loop.time() + self._hub.limits.handshake)

    def data_received(self, data: bytes) -> None:
        """Collects the head, and decides once it is whole."""
        if self._is_answered:
            return
        self._buffer += data
        if not 0x41 <= self._buffer[0] <= 0x5A:  # methods are upper-case letters; 0x16 begins a TLS hello
            self._refuse(_refuse_foreign(self._buffer))
            return
        end = head_end(self._buffer)
        if 0 <= end <= MAX_HEAD_BYTES:
            self._decide(bytes(self._buffer[:end]), bytes(self._buffer[end:]))
        elif len(self._buffer) > MAX_HEAD_BYTES:
            reason = Reason.HEADERS_TOO_LARGE if self._buffer.find(b"\r\n", 0, MAX_HEAD_BYTES) >= 0 else Reason.PATH_TOO_LONG
            self._refuse(Refusal(reason))

    def eof_received(self) -> bool:
        """The client hung up."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone before it became a WebSocket."""
        self._hub.timers.discard(self)
        self._hub.half_opens.discard(self)
        if not self._is_answered:
            self._is_answered = True
            if self._buffer:
                self._record(Refusal(Reason.MALFORMED, "gone before the request was whole"))
            else:
                self._hub.observer.vanished(self._peer)

    def shed(self) -> None:
        """Cuts it off: too many are half open, and it is the oldest."""
        self._is_answered = True
        self._transport.abort()

    def on_time(self, now: float) -> float | None:
        """The request took too long; or a refused client did not hang up."""
        if self._is_answered:
            self._transport.abort()
            return None
        self._refuse(Refusal(Reason.TIMEOUT, f"{len(self._buffer)} bytes in {self._hub.limits.handshake:g} s"))
        return now + LINGER_S

    def _decide(self, head: bytes, rest: bytes) -> None:
        try:
            self._answer(head, rest)
        except Exception as error:  # noqa: BLE001 -- whatever it is, this client gets a 500 and nobody else hears of it
            self._hub.observer.failed(Failure("", "wsrouter", "handshake", error, None))
            self._refuse(Refusal(Reason.ERROR))

    def _answer(self, head: bytes, rest: bytes) -> None:
        """The checks in the order of `Reason`; ordinary heads are read here, all others by `ServerProtocol`."""
        request: Request | OrdinaryRequest | None = parse_ordinary(head)
        protocol: HandshakeProtocol | None = None
        if request is None:
            protocol, request = _parse(head)
            if request is None:
                self._refuse(_parse_failure(protocol, head))
                return
        decision = self._hub.admission.decide(request, self._peer_ip)
        refusal = decision if isinstance(decision, Refusal) else self._room_for(decision)
        if refusal is not None or isinstance(decision, Refusal):
            self._refuse(refusal or Refusal(Reason.ERROR))
            return
        if isinstance(request, OrdinaryRequest) and not (decision.gate.endpoint.settings.compression and "sec-websocket-extensions" in request.headers):
            self._upgrade(decision, head, rest, ordinary_response(request))
            return
        self._negotiate(protocol, decision, head, rest)

    def _negotiate(self, protocol: HandshakeProtocol | None, admitted: Admitted, head: bytes, rest: bytes) -> None:
        """Has `ServerProtocol` agree on subprotocol and compression: only now is the route known that says which."""
        if protocol is None:
            protocol = _parse(head)[0]
        settings = admitted.gate.endpoint.settings
        protocol.available_extensions = [_DEFLATE] if settings.compression else None
        protocol.available_subprotocols = settings.subprotocols  # type: ignore[assignment]  # Subprotocol is a str
        response = protocol.accept(to_request(head))
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self._refuse(Refusal(Reason.MALFORMED, str(protocol.handshake_exc)))
            return
        protocol.send_response(response)
        deflate = None
        if protocol.extensions:
            extension = protocol.extensions[0]
            assert isinstance(extension, PerMessageDeflate)
            deflate = Deflate(extension.remote_max_window_bits, extension.local_max_window_bits)
        self._upgrade(admitted, head, rest, b"".join(protocol.data_to_send()), protocol.subprotocol, deflate)

    def _room_for(self, admitted: Admitted) -> Refusal | None:
        hub = self._hub
        most = hub.limits.connections_per_address
        if most and hub.by_address.get(address_group(admitted.client), 0) >= most:
            return Refusal(Reason.TOO_MANY, fix=f"server.limits.connections_per_address is {most}")
        if hub.limits.connections != "auto" and len(hub.connections) >= hub.limits.connections:
            return Refusal(Reason.FULL, fix=f"server.limits.connections is {hub.limits.connections}")
        if hub.draining or not admitted.gate.endpoint.accepts:
            return Refusal(Reason.DRAINING)
        return _refuse_quarantined(admitted.gate.endpoint.quarantine)

    def _upgrade(self, admitted: Admitted, head: bytes, rest: bytes, response: bytes, subprotocol: str | None = None, deflate: Deflate | None = None) -> None:
        """Writes the 101 and hands the socket over; this object is done."""
        self._is_answered = True
        self._hub.timers.discard(self)
        self._hub.half_opens.discard(self)
        upgrade = Upgrade(
            endpoint=admitted.gate.endpoint,
            head=head,
            path=admitted.path,
            params=admitted.params,
            peer=self._peer,
            client=admitted.client,
            subprotocol=subprotocol,
            deflate=deflate,
            response=response,
        )
        connection = Connection(self._hub, self._transport, upgrade)
        self._transport.set_protocol(connection)
        self._transport.write(response)
        connection.open()
        if rest:
            connection.data_received(rest)

    def _refuse(self, refusal: Refusal) -> None:
        """Answers with an error, and ends this direction; the client has a moment to read it."""
        self._is_answered = True
        self._record(refusal)
        transport = self._transport
        transport.write(_refusal_bytes(refusal))
        self._hub.timers.set(self, self._hub.loop.time() + LINGER_S)
        if not transport.can_write_eof():
            transport.close()
            return
        try:
            transport.write_eof()
        except (OSError, RuntimeError):  # uvloop raises RuntimeError on a socket that is gone
            transport.abort()

    def _record(self, refusal: Refusal) -> None:
        path, headers = _seen(bytes(self._buffer))
        self._hub.observer.refused(
            Attempt(
                peer=self._peer,
                path=path,
                host=headers.get("host", ""),
                origin=headers.get("origin", ""),
                user_agent=headers.get("user-agent", ""),
                request_id=headers.get("x-request-id", ""),
            ),
            refusal,
        )

    @property
    def _peer(self) -> str:
        return format_peer(self._peername)

    @property
    def _peer_ip(self) -> str:
        return str(self._peername[0]) if isinstance(self._peername, tuple) else "unix"


def format_peer(name: object) -> str:
    """A socket's other end as text: `127.0.0.1:50210`, `[::1]:50210`, or `unix`; `gone` for one that was reset."""
    if isinstance(name, tuple):
        host, port = str(name[0]), name[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return "unix" if name is not None else "gone"


def _parse(head: bytes) -> tuple[HandshakeProtocol, Request | None]:
    """The library's protocol fed with a head alone, and the request that it read; None where it could not."""
    protocol = HandshakeProtocol()
    protocol.receive_data(head)
    events = protocol.events_received()
    request = events[0] if events else None
    return protocol, request if isinstance(request, Request) else None


def _parse_failure(protocol: ServerProtocol, head: bytes) -> Refusal:
    """Why the library could not parse the head."""
    if head.startswith(V1_BEGIN):
        return Refusal(Reason.MALFORMED, "a PROXY header on a listener without", _EXPECT_PROXY)
    error = protocol.handshake_exc
    if isinstance(error, RequestLineTooLong):
        return Refusal(Reason.PATH_TOO_LONG)
    if isinstance(error, HeaderLineTooLong | TooManyHeaders):
        return Refusal(Reason.HEADERS_TOO_LARGE)
    cause = error.__cause__ if error is not None else None
    return Refusal(Reason.MALFORMED, str(cause or error or "not HTTP"))


def _seen(head: bytes) -> tuple[str, HeaderView | dict[str, str]]:
    """What a record shows of a request that may be broken: its path without the query, and its headers."""
    if not head[:1].isalpha():  # not HTTP: its bytes say nothing to a reader
        return "", {}
    words = head.split(b"\r\n", 1)[0].split(b" ")
    path = words[1].split(b"?")[0].decode("latin-1") if len(words) > 1 else ""
    try:
        return path, HeaderView(head)
    except (UnicodeDecodeError, ValueError):
        return path, {}


def _refuse_foreign(data: bytearray) -> Refusal:
    """What is no HTTP, and why it may have come."""
    if data[0] == 0x16:
        return Refusal(Reason.MALFORMED, "TLS on a plain listener", "connect with ws://, or give the listener tls: {cert: ..., key: ...}")
    if data.startswith(SIGNATURE[:4]):
        return Refusal(Reason.MALFORMED, "a PROXY header on a listener without", _EXPECT_PROXY)
    return Refusal(Reason.MALFORMED, "not HTTP")


def _refuse_quarantined(quarantine: Quarantine | None) -> Refusal | None:
    """Keeps newcomers out of a route that fails too often, and says when to come again (RFC 9110, section 10.2.3)."""
    if quarantine is None or not quarantine.is_on:
        return None
    fix = "mend the handler: handler.quarantined and handler.failed of this route say where it fails"
    return Refusal(Reason.QUARANTINED, fix=fix, headers=(("Retry-After", str(quarantine.retry_after_s())),))


def _refusal_bytes(refusal: Refusal) -> bytes:
    """The whole response: constant for each reason but for the headers that it asks for."""
    status = HTTPStatus(refusal.reason.status)
    body = f"{status.value} {status.phrase}\n"
    headers = "".join(f"{name}: {value}\r\n" for name, value in retry_header(refusal.reason, refusal.headers))
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n{headers}Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()
