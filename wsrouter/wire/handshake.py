"""The protocol object of a socket before it is a WebSocket: reads the head, answers it, and makes way for a `Connection`.

The head is fed to `ServerProtocol` alone: it would answer frames that follow in the same read before the 101. What follows
is held until the 101 is written. Refusals have constant bodies, no `Server` header, and end the TCP connection.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from dataclasses import replace as replace_facts
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, cast

from msgspec.structs import replace

from wsrouter.access.addresses import address_group
from wsrouter.access.bounds import MAX_HEAD_BYTES
from wsrouter.access.decision import Decision, Rejected, unavailable
from wsrouter.access.door import check_allowed
from wsrouter.api.causes import Reason
from wsrouter.api.ports import Attempt, Failure, Refusal
from wsrouter.api.user import User
from wsrouter.wire.connection import Connection
from wsrouter.wire.head import HeaderView, head_end, parse_ordinary
from wsrouter.wire.negotiation import Newcomer, negotiate, parse_head
from wsrouter.wire.refusals import close_refusal, http_refusal, may_be_http, refuse_foreign, refuse_unparsed
from wsrouter.wire.request import ClientRequest
from wsrouter.wire.room import find_refusal
from wsrouter.wire.upgrade import Upgrade
from wsrouter.wire.waiting_room import WaitingRoom

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from websockets.http11 import Request

    from wsrouter.access.door import Door
    from wsrouter.api.handshake import Accept
    from wsrouter.pipeline.newcomers import Verdict
    from wsrouter.wire.admission import Admitted
    from wsrouter.wire.head import OrdinaryRequest
    from wsrouter.wire.hub import Hub
    from wsrouter.wire.negotiation import Agreed, HandshakeProtocol

T = TypeVar("T")

# After a refusal: how long the client may take to read it and hang up.
LINGER_S = 1.0
_TOO_LATE: Final = Refusal(Reason.AUTH_UNAVAILABLE, "not known who it is")
_GONE_BEFORE: Final = {Reason.AUTH_UNAVAILABLE: "gone before it was known who it is", Reason.UNDECIDED: "gone before on_handshake had answered"}
# What may come before the 101 is there: hardly anybody sends anything then. More stays in the socket.
MOST_HELD_BYTES: Final = MAX_HEAD_BYTES


@dataclass(frozen=True, slots=True)
class Held:
    """A newcomer whose decision is waited for; what it sends meanwhile is kept. `late` is said where the decision does not come in time."""

    newcomer: Newcomer
    late: Refusal
    task: asyncio.Task[None]


class Handshake(asyncio.Protocol):
    """One socket from its accept to the 101, or to a refusal."""

    __slots__ = ("_buffer", "_held", "_hub", "_is_answered", "_peername", "_transport", "slot")

    def __init__(self, hub: Hub, name: object = None) -> None:
        """Made by the listener for each socket. `name` is its other end where the socket itself does not tell: behind a PROXY header."""
        self._peername = name
        self.slot = 0
        self._hub = hub
        self._buffer = bytearray()
        self._is_answered = False
        self._held: Held | None = None

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
        if self._held is not None:
            if len(self._buffer) > MAX_HEAD_BYTES + MOST_HELD_BYTES:
                self._transport.pause_reading()
            return
        if not may_be_http(self._buffer):
            self._refuse(refuse_foreign(self._buffer))
            return
        end = head_end(self._buffer)
        if 0 <= end <= MAX_HEAD_BYTES:
            self._decide(bytes(self._buffer[:end]))
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
            if self._held is not None:
                self._held.task.cancel()
                self._record(replace_facts(self._held.late, detail=_GONE_BEFORE[self._held.late.reason]))
            elif self._buffer:
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
        if self._held is not None:
            self._held.task.cancel()
            detail = f"{self._held.late.detail} after {self._hub.limits.handshake:g} s"
            self._turn_away(self._held.newcomer, replace_facts(self._held.late, detail=detail, fix="server.limits.handshake is how long"))
            return now + LINGER_S
        self._refuse(Refusal(Reason.TIMEOUT, f"{len(self._buffer)} bytes in {self._hub.limits.handshake:g} s"))
        return now + LINGER_S

    def _decide(self, head: bytes) -> None:
        try:
            self._answer(head)
        except Exception as error:  # noqa: BLE001 -- whatever it is, this client gets a 500 and nobody else hears of it
            self._hub.observer.failed(Failure("", "wsrouter", "handshake", error, None))
            self._refuse(Refusal(Reason.ERROR))

    def _answer(self, head: bytes) -> None:
        """The checks in the order of `Reason`; ordinary heads are read here, all others by `ServerProtocol`."""
        request: Request | OrdinaryRequest | None = parse_ordinary(head)
        protocol: HandshakeProtocol | None = None
        if request is None:
            probe = self._hub.probe
            if probe is not None and (answer := probe.answer(head)) is not None:
                self._finish(answer)
                return
            protocol, request = parse_head(head)
            if request is None:
                self._refuse(refuse_unparsed(protocol, head))
                return
        admission = self._hub.admission
        decision = admission.decide(request, self._peer_ip)
        if isinstance(decision, Refusal):
            self._refuse(decision)
        else:
            self._enter(Newcomer(decision, head, request, protocol, admission, decision.gate.door))

    def _enter(self, newcomer: Newcomer) -> None:
        """Somebody may come to this route; who it is comes next, where that is asked."""
        if newcomer.door is not None:
            self._ask_at(newcomer.door, newcomer)
        else:
            self._let_in(newcomer)

    # Decisions that must be waited for.

    def _hold(
        self, newcomer: Newcomer, late: Refusal, decide: Callable[[], Awaitable[T]], failed: Callable[[BaseException], T], go_on: Callable[[Newcomer, T], None]
    ) -> None:
        """Holds the handshake until there is a decision, and goes on with it. `late` is said without its detail where too many wait already."""
        hub = self._hub
        room = hub.waiting_room = hub.waiting_room or WaitingRoom()
        if room.is_full:
            self._turn_away(newcomer, replace_facts(late, detail=f"{room.waiting} others wait for a decision"))
            return
        hub.half_opens.discard(self)  # bounded as one who waits for a decision from now on

        async def wait() -> None:
            decision = await room.decide(decide, failed)
            self._held = None
            if self._is_answered:
                return
            try:
                go_on(newcomer, decision)
            except Exception as error:  # noqa: BLE001 -- as in _decide
                hub.observer.failed(Failure("", "wsrouter", "handshake", error, None))
                self._refuse(Refusal(Reason.ERROR))

        self._held = Held(newcomer, late, hub.loop.create_task(wait(), name="handshake"))

    def _readmit(self, newcomer: Newcomer) -> Newcomer | None:
        """The same newcomer by the site of now: a reload may have changed it meanwhile. None where it is refused by that."""
        admission = self._hub.admission
        if newcomer.admission is admission:
            return newcomer
        admitted = admission.decide(newcomer.request, self._peer_ip)
        if isinstance(admitted, Refusal):
            self._refuse(admitted)
            return None
        return Newcomer(admitted, newcomer.head, newcomer.request, newcomer.protocol, admission, admitted.gate.door)

    # Routes with `auth`.

    def _ask_at(self, door: Door, newcomer: Newcomer) -> None:
        """Has it decided who this is: at once where that can be, else held until it is."""
        hub, admitted = self._hub, newcomer.admitted
        wait_s = hub.failures.wait_s(address_group(admitted.client), hub.loop.time())
        if wait_s:
            headers = (("Retry-After", str(wait_s)),)
            self._turn_away(newcomer, Refusal(Reason.TOO_MANY, "too many wrong credentials from this address", f"it may try again in {wait_s} s", headers))
            return
        decision = door.decide(self._client_request(newcomer))
        if isinstance(decision, User | Rejected):
            self._decided(newcomer, decision)
            return
        refusal = self._room_for(admitted)
        if refusal is not None:
            self._turn_away(newcomer, refusal)
            return
        route = admitted.gate.endpoint.route

        def failed(error: BaseException) -> Decision:
            hub.observer.failed(Failure(route, "auth", "authenticate", error, None))
            return unavailable(f"telling who it is failed: {type(error).__name__}")

        self._hold(newcomer, _TOO_LATE, decision, failed, self._resume)

    def _resume(self, newcomer: Newcomer, decision: Decision) -> None:
        """Goes on with a decision that was waited for, unless a reload has changed the route's door meanwhile: then the new one is asked, if there is one."""
        again = self._readmit(newcomer)
        if again is None:
            return
        if again.door is newcomer.door:
            self._decided(again, decision)
        else:
            self._enter(again)

    def _decided(self, newcomer: Newcomer, decision: Decision) -> None:
        hub, admitted = self._hub, newcomer.admitted
        if isinstance(decision, Rejected):
            if decision.is_guess:
                hub.failures.add(address_group(admitted.client), hub.loop.time())
            self._turn_away(newcomer, decision.refusal)
            return
        refusal = self._check_user(admitted, decision)
        if refusal is not None:
            self._turn_away(newcomer, refusal)
            return
        self._let_in(newcomer, decision)

    def _check_user(self, admitted: Admitted, user: User) -> Refusal | None:
        """Why a user that is known does not come in."""
        if user.expires_at is not None and user.expires_at <= self._hub.clock.now().timestamp():
            return Refusal(Reason.UNAUTHENTICATED, "the credentials have expired")
        return check_allowed(admitted.gate.endpoint.settings.allow, user.name, user.claims, admitted.params)

    def _turn_away(self, newcomer: Newcomer, refusal: Refusal) -> None:
        """Refuses as the route does it: by a status, or by a close frame, as pages cannot read a status."""
        door = newcomer.door
        agreed = negotiate(newcomer) if door is not None and door.refuse == "close" else None
        if agreed is None or isinstance(agreed, Refusal):
            self._refuse(refusal)
        else:
            self._say_last(refusal, agreed[0] + close_refusal(refusal))

    # The last questions: whether there is room, and what the route's handlers say. Then the 101.

    def _let_in(self, newcomer: Newcomer, user: User | None = None) -> None:
        hub, endpoint = self._hub, newcomer.admitted.gate.endpoint
        refusal = self._room_for(newcomer.admitted, user)
        newcomers = endpoint.newcomers
        if refusal is not None:
            self._turn_away(newcomer, refusal)
        elif newcomers is None:
            self._welcome(newcomer, user, None)
        elif not newcomers.is_async:
            self._judged(newcomer, user, newcomers.ask(self._client_request(newcomer, user)))
        else:
            late = Refusal(Reason.UNDECIDED, "no answer of on_handshake", route=endpoint.route, handler=newcomers.names)

            def failed(error: BaseException) -> Verdict:
                hub.observer.failed(Failure("", "wsrouter", "handshake", error, None))  # what hooks raise is told where they are called
                return Refusal(Reason.ERROR)

            ask = partial(newcomers.ask_async, self._client_request(newcomer, user))
            self._hold(newcomer, late, ask, failed, partial(self._resume_judged, user))

    def _resume_judged(self, user: User | None, newcomer: Newcomer, verdict: Verdict) -> None:
        """Goes on with what the handlers said, unless a reload has put others in their place, or another door."""
        again = self._readmit(newcomer)
        if again is None:
            return
        if again.admitted.gate.endpoint is not newcomer.admitted.gate.endpoint or again.door is not newcomer.door:
            self._enter(again)
            return
        refusal = self._check_user(again.admitted, user) if user is not None else None
        refusal = refusal or self._room_for(again.admitted, user)
        self._judged(again, user, refusal or verdict)

    def _judged(self, newcomer: Newcomer, user: User | None, verdict: Verdict) -> None:
        if isinstance(verdict, Refusal):
            self._turn_away(newcomer, verdict)
        else:
            self._welcome(newcomer, user, verdict)

    def _welcome(self, newcomer: Newcomer, user: User | None, wanted: Accept | None) -> None:
        agreed = negotiate(newcomer, wanted)
        if isinstance(agreed, Refusal):
            self._refuse(agreed)
        else:
            self._upgrade(newcomer, agreed, user)

    def _client_request(self, newcomer: Newcomer, user: User | None = None) -> ClientRequest:
        """The request, as those see it who decide on it."""
        admitted = newcomer.admitted
        request = ClientRequest(newcomer.head, admitted.gate.endpoint.route, admitted.path, admitted.params, self._peer, admitted.client)
        if user is not None:
            request.user, request.claims = user.name, user.claims
        return request

    def _room_for(self, admitted: Admitted, user: User | None = None) -> Refusal | None:
        return find_refusal(self._hub, admitted.gate.endpoint, admitted.client, None if user is None else user.name)

    def _upgrade(self, newcomer: Newcomer, agreed: Agreed, user: User | None) -> None:
        """Writes the 101 and hands the socket over; this object is done."""
        self._is_answered = True
        self._hub.timers.discard(self)
        admitted, (response, subprotocol, deflate) = newcomer.admitted, agreed
        self._hub.half_opens.discard(self)
        upgrade = Upgrade(
            endpoint=admitted.gate.endpoint,
            head=newcomer.head,
            path=admitted.path,
            params=admitted.params,
            peer=self._peer,
            client=admitted.client,
            subprotocol=subprotocol,
            deflate=deflate,
            response=response,
        )
        if user is not None:
            expires_in_s = 0.0 if user.expires_at is None else max(0.001, user.expires_at - self._hub.clock.now().timestamp())
            upgrade = replace(upgrade, user=user.name, claims=user.claims, expires_in_s=expires_in_s)
        if len(self._buffer) > MAX_HEAD_BYTES + MOST_HELD_BYTES:  # too much came while it was decided
            self._transport.resume_reading()
        connection = Connection(self._hub, self._transport, upgrade)
        self._transport.set_protocol(connection)
        self._transport.write(response)
        connection.open()
        if rest := bytes(self._buffer[len(newcomer.head) :]):
            connection.data_received(rest)

    def _refuse(self, refusal: Refusal) -> None:
        """Answers with an error."""
        self._say_last(refusal, http_refusal(refusal))

    def _say_last(self, refusal: Refusal, answer: bytes) -> None:
        """Answers, and tells why."""
        self._record(refusal)
        self._finish(answer)

    def _finish(self, answer: bytes) -> None:
        """Answers, and ends this direction; the client has a moment to read it."""
        self._is_answered = True
        transport = self._transport
        transport.write(answer)
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
