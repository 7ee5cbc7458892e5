"""How a request that is not let in is answered: by a status with a constant body, or by a close frame; and what is said of one that is no request."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from websockets.exceptions import HeaderLineTooLong, RequestLineTooLong, TooManyHeaders
from websockets.frames import Close

from wsrouter.access.retry import retry_header
from wsrouter.api.causes import Reason
from wsrouter.api.ports import Refusal
from wsrouter.wire.control import CLOSE
from wsrouter.wire.frames import frame
from wsrouter.wire.proxy_header import SIGNATURE, V1_BEGIN

if TYPE_CHECKING:
    from websockets.server import ServerProtocol

_PROXY: Final = Refusal(
    Reason.MALFORMED, "a PROXY header on a listener without", "set proxy_protocol: require on this listener, and the proxy in server.trusted_proxies"
)
_TLS: Final = Refusal(Reason.MALFORMED, "TLS on a plain listener", "connect with ws://, or give the listener tls: {cert: ..., key: ...}")


def may_be_http(data: bytes | bytearray) -> bool:
    """Whether these first bytes may begin a request: methods are upper-case letters; 0x16 begins a TLS hello."""
    return 0x41 <= data[0] <= 0x5A


def refuse_foreign(data: bytes | bytearray) -> Refusal:
    """What is no HTTP, and why it may have come."""
    if data[0] == 0x16:
        return _TLS
    if data.startswith(SIGNATURE[:4]):
        return _PROXY
    return Refusal(Reason.MALFORMED, "not HTTP")


def refuse_unparsed(protocol: ServerProtocol, head: bytes) -> Refusal:
    """What the library could not parse, and why."""
    if head.startswith(V1_BEGIN):
        return _PROXY
    error = protocol.handshake_exc
    if isinstance(error, RequestLineTooLong):
        return Refusal(Reason.PATH_TOO_LONG)
    if isinstance(error, HeaderLineTooLong | TooManyHeaders):
        return Refusal(Reason.HEADERS_TOO_LARGE)
    cause = error.__cause__ if error is not None else None
    return Refusal(Reason.MALFORMED, str(cause or error or "not HTTP"))


def http_refusal(refusal: Refusal) -> bytes:
    """The whole response: constant for each reason but for the headers that it asks for."""
    status = HTTPStatus(refusal.status)
    body = f"{status.value} {status.phrase}\n"
    headers = "".join(f"{name}: {value}\r\n" for name, value in retry_header(refusal.status, refusal.headers))
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n{headers}Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()


def close_refusal(refusal: Refusal) -> bytes:
    """The close frame that says it after a 101, for pages, which cannot read a status."""
    return frame(CLOSE, Close(close_code(refusal.status), refusal.reason.value).serialize())


def close_code(status: int) -> int:
    """What `refuse: close` says instead of a status."""
    if status < 500:
        return 4000 + status  # free for applications
    return 1013 if status == 503 else 1011
