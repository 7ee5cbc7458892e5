"""Why a connection ended, and why a handshake was refused: the two closed lists, with their codes.

One table for the whole project: log records, metrics, the admin side and the reference page read it.
A cause never goes away and never changes its meaning; a new one is added here first.
"""

from __future__ import annotations

from enum import Enum
from typing import Self


class Cause(Enum):
    """Why a connection ended. `value` is the word in records, `code` the close code that goes with it.

    `code` is None where the code is the client's, the handler's, or none was sent.
    """

    CLIENT_CLOSE = ("client_close", None, "the client closed it")
    CLIENT_ABORT = ("client_abort", None, "the client went away without a close frame")
    HANDLER_CLOSE = ("handler_close", None, "the handler closed it or returned (1000 unless it says otherwise)")
    SHUTDOWN = ("shutdown", 1001, "wsrouter is stopping")
    ROUTE_REMOVED = ("route_removed", 1001, "its route is no longer in the site")
    MAX_AGE = ("max_age", 1001, "it was open longer than limits.age")
    IDLE = ("idle", 1001, "it was silent longer than limits.idle")
    PROTOCOL_ERROR = ("protocol_error", 1002, "the client broke the WebSocket protocol")
    WRONG_TYPE = ("wrong_type", 1003, "text where the handler takes binary, or the other way round")
    INVALID_TEXT = ("invalid_text", 1007, "a text message that is not UTF-8")
    RATE_LIMIT = ("rate_limit", 1008, "more messages or bytes per second than its limits allow (4429 where limits.close_code says so)")
    FLOOD = ("flood", 1008, "more control frames than a client has use for")
    TIMEOUT = ("timeout", 1008, "a frame was begun and not finished in time")
    ACCESS_REVOKED = ("access_revoked", 1008, "a reload took its right to be here")
    TOO_BIG = ("too_big", 1009, "a message over limits.message_size, or of too many fragments")
    HANDLER_ERROR = ("handler_error", 1011, "a hook of its handler raised an exception")
    QUARANTINED = ("quarantined", 1011, "its handler failed too often")
    PING_TIMEOUT = ("ping_timeout", 1011, "no pong came back within keepalive.pong")
    ROUTE_CHANGED = ("route_changed", 1012, "its route was changed by a reload")
    RESTART = ("restart", 1012, "wsrouter is restarting")
    SLOW_CONSUMER = ("slow_consumer", 1013, "it read too slowly: outbox.size or outbox.stalled was passed")
    OVERLOAD = ("overload", 1013, "wsrouter has no room for it")
    AUTH_EXPIRED = ("auth_expired", 4401, "its credentials expired")
    KICKED = ("kicked", None, "an operator closed it")

    code: int | None
    help: str

    def __new__(cls, word: str, code: int | None, help_text: str) -> Self:
        """Makes `word` the member's value and hangs the rest on it."""
        member = object.__new__(cls)
        member._value_ = word
        member.code = code
        member.help = help_text
        return member

    def __str__(self) -> str:
        """The word, as in every record."""
        return str(self.value)


class Reason(Enum):
    """Why a handshake was refused, with its HTTP status. Checks run in the order of this list (RFC 9110 for the codes)."""

    TIMEOUT = ("timeout", 408, "the request was not finished within server.limits.handshake")
    MALFORMED = ("malformed", 400, "not a valid HTTP request for a WebSocket")
    PATH_TOO_LONG = ("path_too_long", 414, "a request line over 8,192 bytes")
    HEADERS_TOO_LARGE = ("headers_too_large", 431, "header lines over 8,192 bytes, over 128 of them, or over 32 KiB in all")
    METHOD = ("method", 405, "a method other than GET")
    HTTP_VERSION = ("http_version", 505, "HTTP/1.0 cannot upgrade; behind nginx: proxy_http_version 1.1")
    NOT_WEBSOCKET = ("not_websocket", 426, "a plain HTTP request without Upgrade: websocket")
    WS_VERSION = ("ws_version", 426, "a WebSocket version other than 13")
    HOST = ("host", 421, "a Host that is not in server.hosts")
    NO_ROUTE = ("no_route", 404, "no route serves this path")
    ORIGIN = ("origin", 403, "the page's origin is not among the route's origins")
    ADDRESS = ("address", 403, "the client's address is not admitted")
    UNAUTHENTICATED = ("unauthenticated", 401, "credentials are missing or wrong")
    FORBIDDEN = ("forbidden", 403, "this user may not use this route")
    AUTH_UNAVAILABLE = ("auth_unavailable", 503, "nobody could tell in time who this is")
    TOO_MANY = ("too_many", 429, "this client has too many connections or failures")
    FULL = ("full", 503, "no room for another connection")
    OVERLOAD = ("overload", 503, "wsrouter is behind with its work or short of memory, and takes nobody more meanwhile")
    DRAINING = ("draining", 503, "wsrouter is stopping")
    QUARANTINED = ("quarantined", 503, "the route's handler fails too often and is paused")
    REFUSED = ("refused", 403, "on_handshake of its handler refused it, with this status or its own")
    HANDLER_ERROR = ("handler_error", 500, "on_handshake of its handler raised an exception")
    UNDECIDED = ("undecided", 503, "on_handshake of its handler did not answer within server.limits.handshake")
    ERROR = ("error", 500, "wsrouter itself failed; the record has the traceback")

    status: int
    help: str

    def __new__(cls, word: str, status: int, help_text: str) -> Self:
        """Makes `word` the member's value and hangs the rest on it."""
        member = object.__new__(cls)
        member._value_ = word
        member.status = status
        member.help = help_text
        return member

    def __str__(self) -> str:
        """The word, as in every record."""
        return str(self.value)
