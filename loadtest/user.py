"""A Locust user for plain WebSockets: one connection, on which one greenlet sends and another receives, at the same time.

What it measures is told as Locust events, so that Locust's own statistics, web UI and workers have it too:

    request   request_type "WS", name "connect /echo", "round_trip /echo", "delivery /room": how long it took, in true milliseconds, from when the
              message was DUE by the schedule, not from when it could be sent: a server that stalls makes late messages, never fewer of them.
              "return /echo": from a lost connection until there is one again. "lost", "duplicated" and "out_of_order" are failed requests.
              The context holds `what`, `due_s` and `is_error`.
    ws_events what is no request: `opened`, `sent`, `closed`, `cut_off`; see WebSocketEvents.

A class of its own needs a `path` and perhaps a `rate`:

    class Echo(WebSocketUser):
        path = "/echo"
        rate = 10.0

Its messages carry a stamp (see loadtest/stamp.py). One's own that comes back ends a round trip, another's is a delivery. Override `make_message` and
`read_message` for a server that speaks otherwise, `receive` and `converse` for a user that does. Must be imported before websockets is, since Locust
makes sockets and threads those of gevent. Latency between machines is never told: their clocks are not one.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Mapping
from time import monotonic
from typing import Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

import gevent
import gevent.event
from locust import User, constant, task
from locust.event import EventHook
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from loadtest.alarms import alarms
from loadtest.gevent_connection import GeventConnection
from loadtest.ledger import Seen, Streams, Trips
from loadtest.stamp import Stamp, latency_s, read_stamp, write_stamp

OPEN_S = 10.0
CLOSE_S = 2.0
ANSWER_S = 5.0
"""How long a user that is done waits for what it has not got yet; then it is lost."""
LONGEST_BACK_OFF_S = 5.0


class MessageFault(Exception):  # noqa: N818 -- a word of the report
    """Something that happened to a message and must not: it was lost, duplicated or out of order."""


class WebSocketEvents:
    """What is no request. Listeners take keywords, as all of Locust's do."""

    def __init__(self) -> None:
        self.opened = EventHook()
        """A connection is open: `user`."""
        self.sent = EventHook()
        """A message was handed to the socket: `user`, `due_s`, `late_s` (how long after it was due)."""
        self.closed = EventHook()
        """A connection ended: `user`, `cause` (one line: who, code, reason), `is_error`."""
        self.cut_off = EventHook()
        """Messages that waited for an answer when the server closed the connection, or it broke: `user`, `count`, `is_error`."""


ws_events = WebSocketEvents()

_session_ids = itertools.count()
_last_sent: dict[str, dict[str, int]] = {}
"""For each topic the last number of each sender in this process: what receivers in this process must have got."""


class Session:
    """One connection of a user, from its opening to its end."""

    def __init__(self, user: WebSocketUser, websocket: ClientConnection) -> None:
        self.user = user
        self.websocket = websocket
        self.sender = f"{os.getpid()}-{next(_session_ids)}"
        self.trips = Trips()
        self.known = _last_sent.setdefault(user.topic, {}) if user.topic is not None else {}
        self.streams = Streams(self.known)
        self.wake = gevent.event.Event()
        """Wakes the sender: a message is due, or it has to stop."""
        self.may_send = True
        self.is_closed = False
        self.is_ours_to_close = False
        self.is_settled = False
        self.reader = gevent.spawn(self._read)

    def send(self, due_s: float) -> None:
        """Sends the next message, which is or was due then."""
        number = self.trips.sent(due_s)
        before = self.known.get(self.sender)
        if self.user.topic is not None:
            self.known[self.sender] = number  # before it goes: whoever has it must know of it
        message = self.user.make_message(self.sender, number, due_s)
        late_s = monotonic() - due_s
        try:
            self.websocket.send(message)
        except ConnectionClosed:  # the reader tells why
            self.trips.unsent(number)
            if before is not None:
                self.known[self.sender] = before
            else:
                self.known.pop(self.sender, None)
            return
        ws_events.sent.fire(user=self.user, due_s=due_s, late_s=late_s)

    def silence(self) -> None:
        """Sends no more."""
        self.may_send = False
        self.wake.set()

    def wait_until(self, moment_s: float) -> None:
        """Waits for a moment, or until it has to stop."""
        if self.may_send:
            self.wake.clear()
            alarms.wait(moment_s, self.wake)

    def missing(self) -> int:
        """How many messages are still to come, as far as can be known."""
        if self.is_closed or not self.user.counts_lost:
            return 0
        return len(self.trips) + self.streams.missing(self._others())

    def settle(self) -> None:
        """Tells what is lost: what has not come by now, on a connection that stayed open; a gap, on one that did not."""
        if self.is_settled:
            return
        self.is_settled = True
        unanswered = self.trips.take_unanswered()
        if not self.user.counts_lost:
            return
        lost = self.streams.missing({} if self.is_closed or self.is_ours_to_close else self._others())
        if self.is_closed:
            if unanswered:
                ws_events.cut_off.fire(user=self.user, count=len(unanswered), is_error=not self.user.expects_loss)
        else:
            for due_s in unanswered:
                self.user.tell_fault("lost", due_s)
        for _ in range(lost):
            self.user.tell_fault("lost")

    def leave(self) -> None:
        """Closes it, as a client does that is done; waits for what has not come yet, at most ANSWER_S."""
        end = monotonic() + ANSWER_S
        while not self.is_settled and self.trips and not self.is_closed and monotonic() < end:
            gevent.sleep(0.01)
        self.close()

    def close(self) -> None:
        """Closes it now."""
        self.is_ours_to_close = not self.is_closed
        self.settle()
        self.known.pop(self.sender, None)
        self.websocket.close()
        self.reader.join(CLOSE_S)
        self.reader.kill()

    def _others(self) -> dict[str, int]:
        """The last number of each other sender of the topic."""
        return {sender: number for sender, number in self.known.items() if sender != self.sender}

    def _read(self) -> None:
        try:
            while True:
                self.user.receive(self, self.websocket.recv())
        except ConnectionClosed as closed:
            self.is_closed = True
            cause = describe_close(closed)
            is_expected = self.is_ours_to_close or self.user.expects_close(closed.rcvd.code if closed.rcvd is not None else None)
            self.settle()
            self.known.pop(self.sender, None)
            ws_events.closed.fire(user=self.user, cause=cause, is_error=not is_expected)
            self.silence()


class WebSocketUser(User):
    """One WebSocket client that comes again when it loses its connection. See the module."""

    abstract = True
    wait_time = constant(0)

    path: ClassVar[str] = "/"
    """Where it connects, on the server that `host` names."""
    topic: str | None = None
    """What it has in common with those who receive what it sends; None for who talks to the server alone."""
    rate: float = 10.0
    """Messages a second; 0 sends none."""
    batch: int = 1
    """How many messages are due at the same moment."""
    size_bytes: int = 64
    """How large a message is; never less than its stamp."""
    first_back_off_s: float = 0.2
    """At most so long it waits before it connects again; then twice that, and so on up to 5 s; each time a random share of it."""
    counts_lost: bool = True
    """False for who receives so slowly that messages are dropped on purpose."""
    expects_loss: bool = False
    """True where the connection is lost on purpose: that, and what it cuts off, is no error then."""
    connect_arguments: Mapping[str, Any] = {}
    """More arguments of websockets.sync.client.connect."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.session: Session | None = None
        self.is_hushed = False
        self._is_leaving = gevent.event.Event()
        self._lost_at: float | None = None
        self._back_off_s = self.first_back_off_s

    # What a class of its own may say otherwise

    def make_message(self, sender: str, number: int, due_s: float) -> str | bytes:
        """The message with this number."""
        return write_stamp(sender, number, due_s, self.size_bytes)

    def read_message(self, message: str | bytes) -> Stamp | None:
        """The stamp of a message that came; None where it has none."""
        return read_stamp(message)

    def expects_close(self, code: int | None) -> bool:
        """Whether it is no error that the server ends the connection, with this code or without one."""
        return self.expects_loss

    def target(self) -> str:
        """The path of the next connection: `path`, with what it may vary filled in."""
        return self.path

    def address(self) -> str:
        """The URL of the next connection."""
        base = urlsplit(self.environment.host or self.host or "ws://127.0.0.1:8765")
        scheme = {"http": "ws", "https": "wss"}.get(base.scheme, base.scheme)
        path = base.path if base.path not in {"", "/"} else self.target()
        return urlunsplit((scheme, base.netloc, path, base.query, ""))

    def host_and_port(self) -> tuple[str, int]:
        """Where the server is."""
        parts = urlsplit(self.address())
        return parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)

    def is_done(self) -> bool:
        """Whether it has sent enough, and leaves to come again."""
        return False

    def open(self) -> ClientConnection:
        """Connects."""
        defaults: dict[str, Any] = {
            "create_connection": GeventConnection,
            "proxy": None,
            "compression": None,
            "ping_interval": None,
            "max_size": None,
            "open_timeout": OPEN_S,
            "close_timeout": CLOSE_S,
        }
        return connect(self.address(), legacy=True, **(defaults | dict(self.connect_arguments)))

    def converse(self, session: Session) -> None:
        """Sends by the schedule until the connection is closed or it shall send no more. The k-th message is due at start + k / rate, whatever happens."""
        if self.rate <= 0:
            while session.may_send:
                session.wake.wait()
            return
        period_s = self.batch / self.rate
        due_s = monotonic() + random.random() * period_s
        while session.may_send and not self.is_done():
            if due_s > monotonic():
                session.wait_until(due_s)
                continue
            for _ in range(self.batch):
                session.send(due_s)
            due_s += period_s
            gevent.sleep(0)  # lets others of this process send too, when all are behind

    def receive(self, session: Session, message: str | bytes) -> None:
        """A message came: the answer to one's own, or another's."""
        stamp = self.read_message(message)
        if stamp is None:
            self.tell_fault("unreadable")
        elif stamp.sender == session.sender:
            seen, due_s = session.trips.answered(stamp.number)
            if due_s is not None:
                self.tell("round_trip", monotonic() - due_s, due_s, len(message))
            self.tell_seen(seen)
        else:
            seen = session.streams.see(stamp.sender, stamp.number, is_known=stamp.sender in session.known)
            took_s = latency_s(stamp)
            if took_s is not None and seen is not Seen.DUPLICATED:
                self.tell("delivery", took_s, stamp.due_s, len(message))
            self.tell_seen(seen)

    # Telling

    def tell(self, what: str, took_s: float, due_s: float, size_bytes: int = 0, error: Exception | None = None) -> None:
        """Fires Locust's request event."""
        self.environment.events.request.fire(
            request_type="WS",
            name=f"{what} {self.path}",
            response_time=took_s * 1000,
            response_length=size_bytes,
            exception=error,
            context={**self.context(), "what": what, "due_s": due_s, "is_error": error is not None and not (what == "connect" and self.expects_loss)},
        )

    def tell_fault(self, what: str, due_s: float | None = None) -> None:
        """Fires it for something that must not happen to a message."""
        now = monotonic()
        since_s = now if due_s is None else due_s
        self.tell(what, now - since_s, since_s, error=MessageFault(what))

    def tell_seen(self, seen: Seen) -> None:
        """Tells what is wrong with an arrival, if anything."""
        if seen is not Seen.IN_ORDER:
            self.tell_fault(seen.value)

    # Its life

    @task
    def live(self) -> None:
        """One connection, from its opening to its end; Locust calls it again."""
        session = self._connect()
        if session is None:
            self._is_leaving.wait(self._next_back_off())
            return
        if self.is_hushed:
            session.silence()
        self.converse(session)
        if self._is_leaving.is_set() or session.is_closed:
            session.leave()
            self.session = None
        elif self.is_hushed:
            self._is_leaving.wait()
        else:  # it leaves by itself, to come again
            session.leave()
            self.session = None
            return
        if session.is_closed and not session.is_ours_to_close:
            self._lost_at = self._lost_at or monotonic()
            self._is_leaving.wait(self._next_back_off())

    def hush(self) -> None:
        """Sends no more; the connection stays."""
        self.is_hushed = True
        if self.session is not None:
            self.session.silence()

    def stop(self, force: bool = False) -> bool:
        """Locust has it end: by itself, or at once."""
        self._is_leaving.set()
        self.hush()
        return bool(super().stop(force))

    def on_stop(self) -> None:
        """Closes what is open."""
        if self.session is not None:
            self.session.close()
            self.session = None

    def _connect(self) -> Session | None:
        begun_at = monotonic()
        try:
            websocket = self.open()
        except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
            self.tell("connect", monotonic() - begun_at, begun_at, error=describe_failure(error))
            self._lost_at = self._lost_at or begun_at
            return None
        now = monotonic()
        self.tell("connect", now - begun_at, begun_at)
        if self._lost_at is not None:
            self.tell("return", now - self._lost_at, self._lost_at)
        self._lost_at, self._back_off_s = None, self.first_back_off_s
        ws_events.opened.fire(user=self)
        self.session = Session(self, websocket)
        return self.session

    def _next_back_off(self) -> float:
        most_s, self._back_off_s = self._back_off_s, min(LONGEST_BACK_OFF_S, 2 * self._back_off_s)
        return random.uniform(0.1, 1.0) * most_s


def describe_close(closed: ConnectionClosed) -> str:
    """Why a connection ended, in one line: `server 1013 slow_consumer`, `client 1000`, `lost without a close frame`."""
    if closed.rcvd is None and closed.sent is None:
        return "lost without a close frame"
    by_server = closed.rcvd is not None and closed.rcvd_then_sent
    frame = closed.rcvd if by_server else closed.sent
    if frame is None:
        return "lost without a close frame"
    return f"{'server' if by_server else 'client'} {frame.code} {frame.reason}".rstrip()


def describe_failure(error: Exception) -> Exception:
    """Why a connection could not be opened, in words that are the same for all who failed alike."""
    if isinstance(error, InvalidStatus):
        return ConnectionError(f"refused with {error.response.status_code}")
    if isinstance(error, TimeoutError):
        return ConnectionError(f"not open within {OPEN_S:g} s")
    return ConnectionError(f"{type(error).__name__}: {error}")


def hush_all(users: list[WebSocketUser]) -> None:
    """Nobody sends from now on."""
    for user in users:
        user.hush()


def settle_all(users: list[WebSocketUser]) -> None:
    """When nobody sends any more: waits for what has not come, at most ANSWER_S, and tells what is lost."""
    hush_all(users)
    end = monotonic() + ANSWER_S
    gevent.sleep(0.3)  # what other processes and the server still send
    while monotonic() < end and any(user.session is not None and user.session.missing() for user in users):
        gevent.sleep(0.05)
    for user in users:
        if user.session is not None and not user.session.is_closed:
            user.session.settle()
