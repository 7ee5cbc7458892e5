"""What is looked at from time to time: whether a client still answers, reads, speaks, and how long it has been here."""

from __future__ import annotations

from random import getrandbits
from typing import TYPE_CHECKING, Protocol

from wsrouter.access.bounds import FRAME_BYTES_A_SECOND, FRAME_TIMEOUT_S
from wsrouter.api.causes import Cause
from wsrouter.wire.control import PING
from wsrouter.wire.frames import frame

if TYPE_CHECKING:
    from wsrouter.config.settings import RouteSettings
    from wsrouter.pipeline.endpoint import Endpoint


class Watched(Protocol):
    """A connection, as its watch sees it."""

    messages_in: int
    endpoint: Endpoint

    @property
    def unfinished(self) -> tuple[int, int] | None:
        """Where in the stream a frame has begun that is not finished, and how many bytes of it have come."""

    @property
    def is_held(self) -> bool:
        """Whether reading is paused from this side."""

    def send_control(self, data: bytes) -> None:
        """Sends a control frame."""

    def end(self, cause: Cause) -> None:
        """Begins the closing handshake."""

    def abort(self) -> None:
        """Cuts it off."""


class Watch:
    """The moments of one connection, in seconds of the loop's clock; 0 is never."""

    __slots__ = (
        "_age_at",
        "_close_by",
        "_expires_at",
        "_frame_at",
        "_frame_by",
        "_frame_seen_at",
        "_idle_at",
        "_look_at",
        "_messages_seen",
        "_ping_at",
        "_ping_payload",
        "_ping_sent_at",
        "_pong_by",
        "latency_s",
    )

    def __init__(self, settings: RouteSettings, now: float) -> None:
        """Nothing is outstanding. The first ping comes one interval after the opening."""
        self.latency_s = 0.0
        self._ping_at = now + settings.keepalive.ping if settings.keepalive.ping else 0.0
        self._pong_by = 0.0
        self._ping_payload = b""
        self._ping_sent_at = 0.0
        self._idle_at = now + settings.limits.idle if settings.limits.idle else 0.0
        self._messages_seen = 0
        # A tenth of spread either way, so that connections of one moment do not all end in one moment.
        self._age_at = now + settings.limits.age * (0.9 + 0.2 * getrandbits(16) / 65536) if settings.limits.age else 0.0
        self._close_by = 0.0
        self._frame_at = 0
        self._frame_seen_at = self._frame_by = 0.0
        # Frames that are not finished are looked for with each ping, and where there is none, at times of their own.
        self._look_at = 0.0 if 0 < settings.keepalive.ping <= FRAME_TIMEOUT_S else now + FRAME_TIMEOUT_S
        self._expires_at = 0.0

    def expire_at(self, moment: float) -> None:
        """Its credentials are good until then."""
        self._expires_at = moment

    def change(self, old: RouteSettings, new: RouteSettings, now: float, open_s: float, messages_in: int) -> None:
        """A reload changed the settings of a connection that is open for `open_s`: what differs counts from now, an age from its opening."""
        fresh = Watch(new, now)
        if new.keepalive.ping != old.keepalive.ping:
            self._ping_at, self._look_at = fresh._ping_at, fresh._look_at
        if new.limits.idle != old.limits.idle:
            self._idle_at, self._messages_seen = fresh._idle_at, messages_in
        if new.limits.age != old.limits.age:
            # Those that are too old already end within a tenth of the age, not in one moment.
            self._age_at = fresh._age_at and now + max(fresh._age_at - now - open_s, new.limits.age * getrandbits(16) / 655360)

    def close_within(self, now: float, timeout_s: float) -> None:
        """The closing handshake has begun: nothing else counts any more."""
        self._close_by = now + timeout_s

    def pong(self, payload: bytes, now: float) -> None:
        """A pong came; one that answers our latest ping says that the client is there."""
        if payload == self._ping_payload and self._pong_by:
            self._pong_by = 0.0
            self.latency_s = now - self._ping_sent_at

    def next_moment(self) -> float | None:
        """When to look next, stalled clients left out."""
        if self._close_by:
            return self._close_by
        moments = [moment for moment in (self._ping_at, self._pong_by, self._idle_at, self._age_at, self._expires_at, self._look_at, self._frame_by) if moment]
        return min(moments) if moments else None

    def look(self, connection: Watched, now: float) -> None:
        """Does what is due."""
        if self._close_by:
            if now >= self._close_by:
                connection.abort()
            return
        if self._expires_at and now >= self._expires_at:
            connection.end(Cause.AUTH_EXPIRED)
            return
        self._look_at_pong(connection, now)
        self._look_at_frame(connection, now)
        if self._idle_at and now >= self._idle_at:
            if connection.messages_in == self._messages_seen and not connection.is_held:
                connection.end(Cause.IDLE)
                return
            self._messages_seen = connection.messages_in
            self._idle_at = now + connection.endpoint.settings.limits.idle
        if self._age_at and now >= self._age_at:
            connection.end(Cause.MAX_AGE)

    def _look_at_frame(self, connection: Watched, now: float) -> None:
        """Ends a client that does not finish a frame. It is told by where it begins, so that reading need not note it."""
        if self._look_at and now >= self._look_at:
            self._look_at = now + FRAME_TIMEOUT_S
        unfinished = connection.unfinished
        if unfinished is None:
            self._frame_by = 0.0
            return
        begin, size_bytes = unfinished
        if not self._frame_by or begin != self._frame_at:
            self._frame_at, self._frame_seen_at, self._frame_by = begin, now, now + FRAME_TIMEOUT_S
        elif now >= self._frame_by:
            self._frame_by = self._frame_seen_at + FRAME_TIMEOUT_S + size_bytes / FRAME_BYTES_A_SECOND
            if now >= self._frame_by:
                connection.end(Cause.TIMEOUT)

    def _look_at_pong(self, connection: Watched, now: float) -> None:
        keepalive = connection.endpoint.settings.keepalive
        if self._pong_by and connection.is_held:
            self._pong_by = now + keepalive.pong  # we do not read: its pong may lie there
        if self._pong_by and now >= self._pong_by:
            connection.end(Cause.PING_TIMEOUT)
        elif self._ping_at and now >= self._ping_at:
            self._ping_at = now + keepalive.ping
            if not self._pong_by:
                self._ping_payload = getrandbits(32).to_bytes(4, "big")
                self._ping_sent_at = now
                self._pong_by = now + keepalive.pong
                connection.send_control(frame(PING, self._ping_payload))
            elif connection.is_held:  # only a write tells that the socket is gone: its end lies unread
                connection.send_control(frame(PING, self._ping_payload))
