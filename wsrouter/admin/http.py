"""The private side over HTTP: health, readiness, metrics, status, and publishing. It imports aiohttp: whoever needs it imports it when it is needed.

Guarantees: what comes over TCP shows the token where there is one; a web page gets nothing done, whatever address it was loaded from;
a request is bounded in size and time. Who may connect to the Unix socket may do everything here, as there.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from wsrouter.admin.commands import COMMANDS, RepeatError, RequestError, check_arguments, health, messages_of, publish

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler

    from wsrouter.admin.commands import Answer
    from wsrouter.admin.steering import Steering
    from wsrouter.api.context import Log
    from wsrouter.api.messages import Message

# As a line of the control socket: a message of 1 MiB fits, however it is escaped.
BODY_BYTES: Final = 8 << 20
BODY_S: Final = 10.0
"""How long a client may take for the body of a request."""
KEEP_ALIVE_S: Final = 75.0
"""For so long a connection may be quiet between two requests: longer than what Prometheus waits between two scrapes."""
CLOSE_S: Final = 1.0

_LOCAL_HOST: Final = re.compile(r"(localhost|[0-9.]+|\[[0-9a-fA-F:.]+\])(:\d+)?\.?")
_OPEN: Final = frozenset({"/healthz", "/readyz"})
"""What needs no token: it says nothing but whether to send clients here."""


class HttpSide:
    """Answers requests of connections that somebody else accepts."""

    def __init__(self, steering: Steering, log: Log, token: str | None) -> None:
        """`token` is what has to be shown over TCP. Made inside the loop."""
        self._steering = steering
        self._log = log
        self._token = token
        self._routes: Mapping[str, tuple[str, Callable[[web.BaseRequest], Awaitable[web.Response]]]] = {
            "/healthz": ("GET", self._healthz),
            "/readyz": ("GET", self._readyz),
            "/metrics": ("GET", self._metrics),
            "/status": ("GET", self._status),
            "/publish": ("POST", self._publish),
        }
        self.server = _Server(self._answer)

    async def receive(self, connection: socket.socket) -> HttpClient:
        """Takes over a connection that somebody has accepted."""
        transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(self.server, connection)
        return HttpClient(self.server, transport, protocol)

    async def close(self) -> None:
        """Ends all connections; requests that are being answered have a moment."""
        await self.server.shutdown(CLOSE_S)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        self.server.quiet_since[request.protocol] = float("inf")
        try:
            return await self._checked(request)
        except _Refusal as refusal:
            return refusal.response
        except web.HTTPRequestEntityTooLarge:
            return _too_large("more")
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001  a fault of ours must neither end the connection without a word nor go untold
            why = " ".join(f"{type(error).__name__}: {error}".split())
            self._log.error("admin.failed", path=request.path[:200], error=why)
            return _json({"error": f"the daemon failed to do this: {why}"}, 500)
        finally:
            self.server.quiet_since[request.protocol] = asyncio.get_running_loop().time()

    async def _checked(self, request: web.BaseRequest) -> web.Response:
        self._guard(request)
        route = self._routes.get(request.path)
        if route is None:
            raise _Refusal(404, f"there is nothing at this path; there are {', '.join(sorted(self._routes))}")
        method, answer = route
        if request.method not in ({"GET", "HEAD"} if method == "GET" else {method}):
            raise _Refusal(405, f"{request.path} takes {method}", {"Allow": "GET, HEAD" if method == "GET" else method})
        return await answer(request)

    def _guard(self, request: web.BaseRequest) -> None:
        """Who may ask. Browsers send `Origin` with whatever could change something, and `Host` as the page has named us.

        Raises:
            _Refusal: with what is missing.
        """
        transport = request.transport
        own = transport.get_extra_info("socket") if transport is not None else None
        if own is not None and own.family == socket.AF_UNIX:
            return
        if "Origin" in request.headers:
            raise _Refusal(403, "web pages are not served: this request has an Origin")
        if self._token is None:
            if not _LOCAL_HOST.fullmatch(request.headers.get("Host", "")):
                raise _Refusal(421, "ask for an IP address or for localhost: the Host of this request is a name, and there is no token")
        elif request.path not in _OPEN and not _shows(request, self._token):
            self._log.warning(
                "admin.refused", path=request.path[:200], peer=_peer(request), fix="send Authorization: Bearer with the token of the setting admin"
            )
            has = "a wrong" if "Authorization" in request.headers else "no"
            raise _Refusal(401, f"{has} token: send Authorization: Bearer with the token of the setting admin", {"WWW-Authenticate": "Bearer"})

    async def _healthz(self, request: web.BaseRequest) -> web.Response:
        answer = health(self._steering)
        return _json({"well": answer["well"], "lag_ms": answer["lag_ms"]}, 200 if answer["well"] else 500)

    async def _readyz(self, request: web.BaseRequest) -> web.Response:
        answer = health(self._steering)
        return _json({"ready": answer["ready"], "reasons": answer["reasons"]}, 200 if answer["ready"] else 503)

    async def _metrics(self, request: web.BaseRequest) -> web.Response:
        content_type, text = await self._steering.metrics(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={**_HEADERS, "Content-Type": content_type})

    async def _status(self, request: web.BaseRequest) -> web.Response:
        return _json(self._steering.status())

    async def _publish(self, request: web.BaseRequest) -> web.Response:
        body = await _read(request)
        try:
            topic, messages, key = _parse(request, body)
            return _json(publish(self._steering, topic, messages, request.headers.get("Idempotency-Key", key)))
        except RepeatError as error:
            raise _Refusal(422, str(error)) from None
        except RequestError as error:
            raise _Refusal(400, str(error)) from None


class HttpClient:
    """One connection, which is served already."""

    def __init__(self, server: _Server, transport: asyncio.Transport, protocol: RequestHandler) -> None:
        """Made by `HttpSide.receive`."""
        self._server = server
        self._transport = transport
        self._protocol = protocol

    @property
    def quiet_since(self) -> float:
        """The loop's time from which on nothing was asked; infinity while something is answered."""
        return self._server.quiet_since.get(self._protocol, 0.0)

    def abort(self) -> None:
        """Cuts it off."""
        self._transport.abort()

    async def serve(self) -> None:
        """Waits for its end."""
        try:
            await self._server.until_gone(self._protocol)
        finally:
            self._transport.close()


class _Server(web.Server):
    """aiohttp's, which tells when a connection is gone, and knows since when each is quiet."""

    def __init__(self, answer: Callable[[web.BaseRequest], Awaitable[web.Response]]) -> None:
        super().__init__(answer, request_factory=_make_request, access_log=None, keepalive_timeout=KEEP_ALIVE_S)
        self.quiet_since: dict[RequestHandler, float] = {}
        """On the loop's clock; infinity while a request is answered."""
        self._gone: dict[RequestHandler, asyncio.Event] = {}

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self.quiet_since[handler] = asyncio.get_running_loop().time()
        self._gone[handler] = asyncio.Event()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self.quiet_since.pop(handler, None)
        if (gone := self._gone.pop(handler, None)) is not None:
            gone.set()

    async def until_gone(self, handler: RequestHandler) -> None:
        """Waits for the end of a connection."""
        if (gone := self._gone.get(handler)) is not None:
            await gone.wait()


class _Refusal(Exception):  # noqa: N818  an answer, not a fault
    """A request that is answered with an error."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.response = _json({"error": error}, status, headers)


# Nobody caches what is here, and no browser makes anything else of it.
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "wsrouter"}


def _make_request(
    message: RawRequestMessage, payload: StreamReader, protocol: RequestHandler, writer: AbstractStreamWriter, task: asyncio.Task[None]
) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=BODY_BYTES)


def _json(answer: Answer, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    body = orjson.dumps(answer, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)
    return web.Response(body=body, status=status, content_type="application/json", headers={**_HEADERS, **(headers or {})})


def _too_large(size: object) -> web.Response:
    response = _json({"error": f"a request may have {BODY_BYTES} bytes, and this one has {size}"}, 413)
    response.force_close()
    return response


def _shows(request: web.BaseRequest, token: str) -> bool:
    """Whether a request shows the token; how long it takes says nothing of it."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    return hmac.compare_digest(shown.strip().encode(errors="replace"), token.encode()) and scheme.lower() == "bearer"


def _peer(request: web.BaseRequest) -> str | None:
    return request.remote


async def _read(request: web.BaseRequest) -> bytes:
    """The body.

    Raises:
        _Refusal: if it is too large, or does not come in time.
    """
    if request.content_length is not None and request.content_length > BODY_BYTES:
        refusal = _Refusal(413, "")
        refusal.response = _too_large(request.content_length)
        raise refusal
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise _Refusal(408, f"the body did not come within {BODY_S:g} s") from None


def _parse(request: web.BaseRequest, body: bytes) -> tuple[str, list[Message], str | None]:
    """Topic, messages and key: with `?topic=` the body is the message as it is, else it is a JSON object.

    Raises:
        RequestError: if it is neither.
        _Refusal: for a type of content that is not known.
    """
    topic, kind = request.query.get("topic"), request.content_type if "Content-Type" in request.headers else None
    if topic is not None and kind == "application/octet-stream":
        return topic, [body], None
    if topic is not None and kind == "text/plain":
        return topic, [_text(body)], None
    if kind != "application/json":
        types = "text/plain, application/json or application/octet-stream with ?topic=, application/json without"
        raise _Refusal(415, f"what is sent must have its Content-Type: {types}, not {kind or 'none'}")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"this is no JSON: {error}") from None
    if topic is not None:
        return topic, [_text(body)], None
    if not isinstance(value, dict):
        raise RequestError('a request is an object, as {"topic": "/room/red", "message": "hi"}; with ?topic= any JSON is a message')
    check_arguments(COMMANDS["publish"], value)
    return value["topic"], messages_of(value), value.get("key")


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise RequestError(f"the text is not UTF-8 (byte {error.start}); send other bytes as application/octet-stream") from None
