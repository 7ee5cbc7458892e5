"""`Records`: one log record and one count for each thing that happens to a connection, a handshake or a handler.

Queries never appear: they carry tokens. Client-supplied text is cleaned by the chain of `logs`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from wsrouter.api.causes import Reason
from wsrouter.config.secrets import hide_secrets
from wsrouter.observe.counts import Counts
from wsrouter.observe.logs import get_record_logger
from wsrouter.observe.tracebacks import trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsrouter.api.context import Clock
    from wsrouter.api.ports import Attempt, DoorEvent, Ending, Failure, Losses, Quarantined, Recorded, Refusal

TRACEBACK_S: Final = 1.0

# As nginx, HAProxy, Envoy and W3C trace ids have them; anything else was not made by a proxy of ours.
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class Records:
    """Implements `api.ports.Observer`. Facts that are not there (no subprotocol, no user) are left out of a record."""

    def __init__(self, clock: Clock, connections: Literal["both", "closed", "none"] = "both") -> None:
        """`connections` is the setting `log.connections`: which of opened and closed are recorded."""
        self._clock = clock
        self.connections = connections
        self.counts = Counts()
        """What the metrics tell; also of what is not recorded."""
        self._log = get_record_logger()
        self._tracebacks: dict[str, tuple[float, int]] = {}  # handler -> when the last one was told, and how many were left out since

    def opened(self, connection: Recorded) -> None:
        """`connection.opened`."""
        self.counts.of(connection.route).opened += 1
        if self.connections == "both":
            self._log.record("connection.opened", _add_who({}, connection))

    def closed(self, connection: Recorded, ending: Ending) -> None:
        """`connection.closed`: why, who began it, how long it lasted and what went through."""
        duration_s = self._clock.monotonic() - connection.opened_monotonic
        self.counts.closed(connection.route, connection, ending.cause, duration_s)
        if self.connections == "none":
            return
        facts: dict[str, object] = {"cause": ending.cause.value}
        if ending.code is not None:
            facts["code"] = ending.code
        if ending.reason:
            facts["reason"] = hide_secrets(ending.reason)
        facts["by"] = ending.began
        facts["duration_s"] = round(duration_s, 3)
        facts["messages_in"] = connection.messages_in
        facts["messages_out"] = connection.messages_out
        facts["bytes_in"] = connection.bytes_in
        facts["bytes_out"] = connection.bytes_out
        if connection.losses is not None:
            facts |= _lost(connection.losses)
        self._log.record("connection.closed", _add_who(facts, connection))

    def behind(self, connection: Recorded, losses: Losses) -> None:
        """`connection.behind`: who reads too slowly, how much waits, what was dropped so far."""
        self.counts.of(connection.route).slow += 1
        fix = "the client reads too slowly; outbox.size is how much may wait for it, outbox.on_full what happens beyond"
        self._log.warning("connection.behind", **_add_who(_lost(losses), connection), fix=fix)

    def caught_up(self, connection: Recorded, losses: Losses) -> None:
        """`connection.caught_up`: what was dropped in all, and for how long the client was behind."""
        self._log.info("connection.caught_up", **_add_who(_lost(losses), connection))

    def refused(self, attempt: Attempt, refusal: Refusal) -> None:
        """`handshake.refused`: the status, why, and what would let it in."""
        self.counts.refused[refusal.reason] += 1
        facts = {
            "status": refusal.status,
            "reason": refusal.reason.value,
            "detail": refusal.detail,
            "fix": refusal.fix,
            "route": refusal.route,
            "handler": refusal.handler,
            "path": without_query(attempt.path),
            "peer": attempt.peer,
            "host": attempt.host,
            "origin": attempt.origin,
            "user_agent": attempt.user_agent,
            "request_id": attempt.request_id if _REQUEST_ID.fullmatch(attempt.request_id) else None,
        }
        write = self._log.error if refusal.reason is Reason.ERROR else self._log.info
        write("handshake.refused", **_present(facts))

    def vanished(self, peer: str) -> None:
        """`peer.vanished`, at debug: port scanners and health checks do nothing else."""
        self._log.debug("peer.vanished", peer=peer)

    def noticed(self, event: DoorEvent, facts: Mapping[str, object]) -> None:
        """`accept.shed` and the like: somebody was sent away, or will be, whoever it is."""
        write = self._log.warning if event.startswith("accept.") or event == "overload.began" else self._log.info
        write(event, **_present(facts))

    def failed(self, failure: Failure) -> None:
        """`handler.failed`: the error, and where in the plugin; the traceback once in `TRACEBACK_S` for a handler, the next says how many were left out."""
        self.counts.failed(failure)
        left_out = self._find_left_out(failure.handler)
        told = trace(failure.error, with_text=left_out is not None)
        facts = {
            "route": failure.route,
            "handler": failure.handler,
            "hook": failure.hook,
            "error": told.error,
            "at": told.at,
            "connection_id": failure.connection_id,
            "peer": failure.peer,
            "traceback": told.text,
            "tracebacks_left_out": left_out or None,
        }
        self._log.error("handler.failed", **_present(facts))

    def _find_left_out(self, handler: str) -> int | None:
        """How many tracebacks of a handler were left out since the last; None where this one is, too."""
        now = self._clock.monotonic()
        told_at, left_out = self._tracebacks.get(handler, (-TRACEBACK_S, 0))
        if now - told_at < TRACEBACK_S:
            self._tracebacks[handler] = (told_at, left_out + 1)
            return None
        self._tracebacks[handler] = (now, 0)
        return left_out

    def quarantined(self, quarantined: Quarantined) -> None:
        """`handler.quarantined`: what failed, how often, and for how long nobody is let in."""
        failure = quarantined.failure
        told = trace(failure.error)
        facts = {
            "route": failure.route,
            "handler": failure.handler,
            "failures": quarantined.failures,
            "connections": quarantined.connections,
            "pause_s": quarantined.pause_s,
            "error": told.error,
            "at": told.at,
            "fix": f"mend {told.at or failure.handler}; the setting plugins.failures says how many failures in a minute are too many",
        }
        self._log.error("handler.quarantined", **_present(facts))

    def released(self, route: str, handler: str) -> None:
        """`handler.released`: the route lets clients in again."""
        self._log.info("handler.released", route=route, handler=handler)


def find_request_id(given: str | None, default: str) -> str:
    """The `X-Request-ID` of a request where a proxy could have written it so, else the default."""
    return given if given is not None and _REQUEST_ID.fullmatch(given) else default


def without_query(target: str) -> str:
    """A request's target as far as it may be recorded."""
    return re.split(r"[?#]", target, maxsplit=1)[0]


def _add_who(facts: dict[str, object], connection: Recorded) -> dict[str, object]:
    """What tells one connection from another, as far as it is there."""
    peer, client, name = connection.peer, connection.client, connection.id
    facts["route"] = connection.route
    facts["path"] = connection.path
    facts["peer"] = peer
    if client and client != _host_of(peer):
        facts["client"] = client
    if subprotocol := connection.subprotocol:
        facts["subprotocol"] = subprotocol
    if user := connection.user:
        facts["user"] = user
    if user_agent := connection.find_header(b"user-agent"):
        facts["user_agent"] = user_agent
    facts["connection_id"] = name
    facts["request_id"] = find_request_id(connection.find_header(b"x-request-id"), name)
    return facts


def _lost(losses: Losses) -> dict[str, object]:
    """What was lost, and how far behind the client was; what is nothing is left out."""
    facts: dict[str, object] = {"dropped_in": losses.dropped_in, "dropped_out": losses.dropped_out, "waiting_bytes": losses.waiting_bytes}
    facts["behind_s"] = round(losses.behind_s, 3)
    return {name: value for name, value in facts.items() if value}


def _host_of(peer: str) -> str:
    """A peer's address without port: `127.0.0.1:50210`, `[::1]:50210`, or `unix`."""
    host, colon, _ = peer.rpartition(":")
    return host.strip("[]") if colon else peer


def _present(facts: Mapping[str, object]) -> dict[str, object]:
    """The facts that are there."""
    return {name: value for name, value in facts.items() if value is not None and value != ""}
