"""What each trick of the [hot] files pays: the same work with it and without it, side by side in one process.

    ./dev bench --micro            all
    ./dev bench --micro topic      only those whose line holds this

Both ways are timed in turn, some dozens of times, and the least time of each counts: whatever disturbs only adds. Times are
nanoseconds for one of what the line names. `docs/cost.md` has the results and says what follows from them.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from struct import Struct
from time import perf_counter_ns

import uvloop
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from loadtest.generator import TEXT, masked_frame
from wsrouter.api.messages import Message, Sendable, to_message
from wsrouter.api.topics import TopicSettings
from wsrouter.config.settings import RouteSettings, ServerLimits
from wsrouter.daemon.clock import SystemClock
from wsrouter.handlers.echo import Echo
from wsrouter.pipeline.endpoint import Endpoint
from wsrouter.pipeline.fence import Fence
from wsrouter.pipeline.plain_chain import PlainChain
from wsrouter.pipeline.step import Step
from wsrouter.pipeline.tasks import Tasks
from wsrouter.topics.topic import Topic
from wsrouter.wire.connection import Connection
from wsrouter.wire.control import CLOSE, PING, PONG, parse_close, parse_ping
from wsrouter.wire.frames import TEXT_HEADERS, cut, encode, frame
from wsrouter.wire.head import HeaderView, find_field, parse_ordinary
from wsrouter.wire.hub import Hub
from wsrouter.wire.slow_lane import SlowLane
from wsrouter.wire.upgrade import Upgrade

ROUNDS = 40
ROUND_NS = 4_000_000
LIMIT_BYTES = 64 * 1024
MEMBERS = 500
TEXT_64 = "a" * 64
# What a browser's page sends.
HEAD = (
    b"GET /echo HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n"
    b"Upgrade: websocket\r\nOrigin: https://www.example.com\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-GB,en;q=0.9\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)

Work = Callable[[], object]
Measured = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Trick:
    """One line of the table; `measure` answers with the figure of the code as it is, and of the plain way."""

    where: str
    name: str
    measure: Callable[[], Measured]
    unit: str = "ns"


def compare(trick: Work, plain: Work, per: int = 1) -> Measured:
    """The least nanoseconds of either, for one of the `per` things that a call does."""
    number = max(1, ROUND_NS // max(1, time_ns(plain, 3) // 3))
    times = [(time_ns(trick, number), time_ns(plain, number)) for _ in range(ROUNDS)]
    return tuple(min(column) / number / per for column in zip(*times, strict=True))


def time_ns(work: Work, number: int) -> int:
    """How long so many calls take."""
    begin = perf_counter_ns()
    for _ in range(number):
        work()
    return perf_counter_ns() - begin


def compare_memory(trick: Work, plain: Work, count: int = 200) -> Measured:
    """KiB that Python allocates for what either returns."""
    return held_kib(trick, count), held_kib(plain, count)


def held_kib(make: Work, count: int) -> float:
    """KiB of one of many."""
    make()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = [make() for _ in range(count)]
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / len(held) / 1024


# Stand-ins: what surrounds a connection, doing nothing.


class Silence:
    """An observer that hears everything and does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


class Sink:
    """A transport that takes everything and sends nothing."""

    def write(self, data: bytes) -> None:
        """Forgets it."""

    def set_write_buffer_limits(self, high: int) -> None:
        """There is no buffer."""

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def is_closing(self) -> bool:
        """Never."""
        return False

    def get_extra_info(self, name: str) -> None:
        """There is no socket."""


class PlainSend(Connection):
    """A connection whose `send` calls `encode` for every message."""

    __slots__ = ()

    def send(self, message: Sendable) -> None:
        """As `Writer.send`, without the frame made in line."""
        if self.closing:
            return
        if self._topics is not None:
            self._flush_topics()
        out = self._out
        out.append(encode(to_message(message), self.variant))
        if not self._corked and len(out) == 1:
            self._hub.flush_soon(self)


class Member:
    """A subscriber that takes a batch and does nothing with it."""

    variant = 0
    direct = None

    def deliver(self, payload: bytes, messages: int) -> None:
        """Forgets it."""


def make_endpoint() -> Endpoint:
    """A route of one step, `echo`."""
    observer = Silence()
    return Endpoint("/echo", RouteSettings(), [Step("echo", Echo())], Fence("/echo", observer), Tasks("/echo", lambda *_: None))


def make_hub(loop: asyncio.AbstractEventLoop) -> Hub:
    """What the connections of a daemon share."""
    return Hub(loop=loop, clock=SystemClock(), observer=Silence(), limits=ServerLimits())


def make_connection(loop: asyncio.AbstractEventLoop, transport: object, kind: type[Connection] = Connection, hub: Hub | None = None) -> Connection:
    """An open connection of that route."""
    hub = hub or make_hub(loop)
    upgrade = Upgrade(endpoint=make_endpoint(), head=HEAD, path="/echo", params={}, peer="127.0.0.1:5", client="127.0.0.1")
    connection = kind(hub, transport, upgrade)  # type: ignore[arg-type]  # as much of a transport as is used
    connection.open()
    return connection


# The tricks, by the file where each stands.


def frames_tricks() -> list[Trick]:
    """`wire/frames.py`."""
    pack, pack16 = Struct("!BB").pack, Struct("!BBH").pack
    short, long = b"a" * 64, b"a" * 4096

    def joined() -> bytes:
        return b"".join((pack16(0x81, 126, len(long)), long))

    def added() -> bytes:
        return pack16(0x81, 126, len(long)) + long

    assert frame(0x81, long) == joined() == added()
    return [
        *(
            Trick("wire/frames.py", f"a message of {size} B, {count} in a read: cut, not ServerProtocol", partial(compare, *lanes(size, count), count))
            for size, count in ((64, 1), (64, 16), (4096, 1))
        ),
        Trick("wire/frames.py", "a header: looked up, not packed", partial(compare, lambda: TEXT_HEADERS[64], lambda: pack(0x81, 64))),
        Trick(
            "wire/frames.py", "a frame of 64 B: +, not join", partial(compare, lambda: TEXT_HEADERS[64] + short, lambda: b"".join((TEXT_HEADERS[64], short)))
        ),
        Trick("wire/frames.py", "a frame of 4 KiB: +, not join", partial(compare, added, joined)),
    ]


def lanes(size: int, count: int) -> tuple[Work, Work]:
    """One read with so many messages, through the fast lane, and all of it through the library."""
    data = masked_frame(b"a" * size) * count
    lane = SlowLane(LIMIT_BYTES, None)

    def fast() -> list[Message]:
        messages: list[Message] = []
        cut(data, 0, LIMIT_BYTES, messages)
        return messages

    def slow() -> list[Message | None]:
        return [lane.assemble(event) for event in lane.feed(data)]

    assert fast() == slow()
    return fast, slow


def connection_tricks(loop: asyncio.AbstractEventLoop) -> list[Trick]:
    """`wire/connection.py`: the whole path of a read with the echo route behind it."""
    connection = make_connection(loop, Sink())

    def make_protocol() -> ServerProtocol:
        return ServerProtocol(state=State.OPEN, max_size=LIMIT_BYTES)

    def make_used() -> SlowLane:
        lane = SlowLane(LIMIT_BYTES, None)
        lane.feed(masked_frame(b"", TEXT))
        return lane

    def by_library(data: bytes, end: Callable[[SlowLane], object]) -> bytes:
        lane = SlowLane(LIMIT_BYTES, None)
        lane.feed(data)
        end(lane)
        return lane.to_send()

    bye, ping = masked_frame(b"\x03\xe8", CLOSE), masked_frame(b"ping", PING)
    answer_by_library = partial(by_library, bye, SlowLane.ending)
    pong_by_library = partial(by_library, ping, SlowLane.release)

    def answer() -> bytes | None:
        parsed = parse_close(bye)
        return frame(CLOSE, parsed[1]) if parsed is not None else None

    def pong() -> bytes | None:
        payload = parse_ping(ping)
        return frame(PONG, payload) if payload is not None else None

    assert (answer(), pong()) == (answer_by_library(), pong_by_library())
    one = masked_frame(b"a" * 64)
    sixteen = one * 16

    def one_by_one() -> None:
        for _ in range(16):
            connection.data_received(one)

    return [
        Trick("wire/connection.py", "an echo of 64 B: 16 in a read, not one", partial(compare, lambda: connection.data_received(sixteen), one_by_one, 16)),
        Trick("wire/control.py", "a client's close: answered here, not by a slow lane made for it", partial(compare, answer, answer_by_library)),
        Trick("wire/control.py", "a ping: answered here, not by a slow lane made for it", partial(compare, pong, pong_by_library)),
        Trick("wire/connection.py", "the slow lane: not there, not made for each connection", partial(compare, lambda: None, make_protocol)),
        Trick("wire/connection.py", "the slow lane: not there, not kept", partial(compare_memory, lambda: None, make_used), "KiB"),
    ]


def writer_tricks(loop: asyncio.AbstractEventLoop) -> list[Trick]:
    """`wire/writer.py`."""

    def sending(kind: type[Connection]) -> Work:
        connection = make_connection(loop, Sink(), kind)
        connection._corked = True

        def work() -> None:
            for _ in range(16):
                connection.send(TEXT_64)
            connection._out.clear()

        return work

    return [
        Trick("wire/writer.py", "a message sent: encoded in line, not by encode()", partial(compare, sending(Connection), sending(PlainSend), 16)),
        Trick("wire/writer.py", "a reply of 16: one write, not 16", compare_joined),
    ]


def compare_joined() -> Measured:
    """Sixteen replies into a socket, at once and one by one."""
    one = encode(TEXT_64)
    replies = [one] * 16
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(each) for each in socket.socketpair())
        fd = ours.fileno()

        def joined() -> None:
            os.write(fd, b"".join(replies))
            theirs.recv(1 << 16)

        def single() -> None:
            for reply in replies:
                os.write(fd, reply)
            theirs.recv(1 << 16)

        return compare(joined, single, 16)


def chain_tricks(loop: asyncio.AbstractEventLoop) -> list[Trick]:
    """`pipeline/plain_chain.py`: with the whole path of a read, as its comment tells."""

    def echoing(*, general: bool) -> Work:
        connection = make_connection(loop, Sink())
        if general:
            chain = connection.endpoint._chain
            assert isinstance(chain, PlainChain)
            connection.endpoint.on_messages = chain._run_all
        data = masked_frame(b"a" * 64) * 16
        return lambda: connection.data_received(data)

    return [
        Trick(
            "pipeline/plain_chain.py",
            "an echo of 64 B, 16 in a read: one step by itself, not by the general loop",
            partial(compare, echoing(general=False), echoing(general=True), 16),
        )
    ]


def topic_tricks() -> list[Trick]:
    """`topics/topic.py`."""
    members = [Member() for _ in range(MEMBERS)]
    group = dict.fromkeys(members)
    topic = Topic("a", TopicSettings(), encode=encode, call_soon=lambda _: None, monotonic=lambda: 0.0)
    for member in members:
        topic.join(member)
    text = "a" * 128

    def publish() -> None:
        topic.publish(text)
        topic.flush()

    def encode_for_each() -> None:
        for member in tuple(group):
            member.deliver(encode(text, member.variant), 1)

    def walk(members: Sequence[Member] | dict[Member, None]) -> None:
        for _ in members:
            pass

    return [
        Trick("topics/topic.py", f"a message to one of {MEMBERS}: encoded once, not for each", partial(compare, publish, encode_for_each, MEMBERS)),
        Trick(
            "topics/topic.py",
            "a member: walked through a copy (safe), not in place",
            partial(compare, lambda: walk(tuple(group)), lambda: walk(group), MEMBERS),
        ),
        Trick("topics/topic.py", "text checked for what cannot be sent: isascii, not encode", partial(compare, text.isascii, text.encode)),
    ]


def fan_tricks(loop: asyncio.AbstractEventLoop) -> list[Trick]:
    """Fan-out to real connections, beside nothing but their writes; and what coming and going costs in rooms of every size."""
    return [
        *(
            Trick("topics/topic.py", f"a delivery, {rooms:,} rooms of {members:,}: beside the bare write", partial(compare_fan, loop, rooms, members))
            for rooms, members in ((1000, 10), (1, 10_000))
        ),
        *(
            Trick("topics/topic.py", f"a join and a leave, room of {members:,}: beside one of 10", partial(compare_churn, loop, members))
            for members in (1000, 10_000)
        ),
    ]


def compare_fan(loop: asyncio.AbstractEventLoop, rooms: int, members: int) -> Measured:
    """One message to each room, and the same bytes written to each member's transport."""
    connections = fill_rooms(loop, rooms, members)
    topics = list(connections[0]._hub.topics)
    text, data = "a" * 128, encode("a" * 128)

    def publish() -> None:
        for topic in topics:
            topic.publish(text)
        for topic in topics:
            topic.flush()

    def write() -> None:
        for connection in connections:
            connection.transport.write(data)

    return compare(publish, write, len(connections))


def compare_churn(loop: asyncio.AbstractEventLoop, members: int) -> Measured:
    """One connection that joins and leaves a large room, and a small one."""
    guests = [fill_rooms(loop, 1, count)[-1] for count in (members, 10)]

    def come_and_go(guest: Connection) -> Work:
        def work() -> None:
            guest.leave("room/0")
            guest.join("room/0")

        return work

    return compare(*(come_and_go(guest) for guest in guests))


def fill_rooms(loop: asyncio.AbstractEventLoop, rooms: int, members: int) -> list[Connection]:
    """Connections of one hub, so many in each room."""
    hub, sink = make_hub(loop), Sink()
    connections = [make_connection(loop, sink, hub=hub) for _ in range(rooms * members)]
    for index, connection in enumerate(connections):
        connection.join(f"room/{index // members}")
    return connections


def head_tricks() -> list[Trick]:
    """`wire/head.py`."""

    def by_library() -> Request:
        protocol = ServerProtocol()
        protocol.receive_data(HEAD)
        found = protocol.events_received()[0]
        assert isinstance(found, Request)
        protocol.send_response(protocol.accept(found))
        protocol.data_to_send()
        return found

    assert parse_ordinary(HEAD) is not None
    return [
        Trick("wire/head.py", "a request: parse_ordinary, not ServerProtocol", partial(compare, lambda: parse_ordinary(HEAD), by_library)),
        Trick(
            "wire/head.py", "one header: found, not all parsed", partial(compare, lambda: find_field(HEAD, b"origin"), lambda: HeaderView(HEAD).get("origin"))
        ),
        Trick(
            "wire/head.py", "the request of a connection: kept as bytes, not parsed", partial(compare_memory, lambda: bytes(bytearray(HEAD)), by_library), "KiB"
        ),
    ]


def all_tricks(loop: asyncio.AbstractEventLoop) -> list[Trick]:
    """All, in the order of a message's way."""
    return [*frames_tricks(), *connection_tricks(loop), *chain_tricks(loop), *writer_tricks(loop), *topic_tricks(), *fan_tricks(loop), *head_tricks()]


def main(wanted: str) -> None:
    """Prints a line for each trick whose line holds `wanted`, as soon as it is measured."""
    print(f"{'':24} {'':70} {'as it is':>9} {'plain':>9} {'saved':>9}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for trick in all_tricks(runner.get_loop()):
            if wanted in f"{trick.where} {trick.name}":
                as_it_is, plain = trick.measure()
                print(f"{trick.where:24} {trick.name:70} {as_it_is:9.1f} {plain:9.1f} {plain - as_it_is:9.1f} {trick.unit}", flush=True)
