"""What is said of each curve of docs/sizing.md: its axes, and why it runs as it does. Mechanisms only; figures come from the samples.

A `{name}` in `why` stands for a fact of `sizing_page.facts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.fit import Axes


@dataclass(frozen=True, slots=True)
class Told:
    """One series of a curve: what it is called, in which unit, and the line to be fitted. `step` is what a linear slope is told for."""

    name: str
    label: str
    unit: str
    axes: Axes
    step: float = 1
    of: str = ""
    since: float = 0
    """Where the line begins, if the points before it have another reason."""
    is_together: bool = False
    """Whether the line is that of what all have cost together, and not each."""


@dataclass(frozen=True, slots=True)
class Section:
    """One curve of the page; series that share `plot` share a picture."""

    name: str
    title: str
    measured: str
    x_label: str
    plots: Sequence[tuple[str, Sequence[Told]]]
    why: str


SECTIONS = (
    Section(
        "subscribers",
        "Subscribers of a room",
        "One room; one member publishes 128 bytes, and again as soon as all have it.",
        "members",
        [("a delivery, µs of CPU", [Told("subscribers.delivery_us", "delivery", "µs", "linear", 1, "member", is_together=True)])],
        "What is done once for a message (reading, routing, encoding, a turn of the loop) is shared by all who hear it: {message} µs, which a small room has to carry alone.\n"
        "From there on a member costs one `write`, nearly all of it in the kernel.\n"
        "Where the curve rises, the members' sockets (about {kernel} KiB of the kernel's objects each) have become more than the core's own cache holds, {l2}; each write has to fetch them anew.\n"
        "It is those who are written to that count, not those who are connected: a room of 100 costs {among} µs a delivery beside {silent} silent connections, and {alone} µs without them.\n"
        "That it is the cache is inferred from this and from the order in memory (see rooms); virtual machines have no counters for it.",
    ),
    Section(
        "rooms",
        "Rooms",
        "{most} connections, in more and more rooms, members picked at random; one room after the other is published to.",
        "rooms",
        [
            ("a delivery with its share of the message, µs of CPU", [Told("rooms.delivery_us", "delivery", "µs", "linear", 1000, "1,000 rooms", since=10)]),
            ("memory of the daemon, MiB", [Told("rooms.memory_mib", "memory", "MiB", "linear", 1000, "1,000 rooms")]),
        ],
        "A room is an entry in a dictionary, and its members are a dictionary: finding one costs the same among 5,000 as alone, and it takes {room} KiB.\n"
        "The cost rises since the same connections hear fewer deliveries of each message: with 5,000 rooms every message has two, and they carry its {message} µs.\n"
        "The first point is left out of the line: in one room of all, the sockets are written to in the order in which they were opened and so lie in memory, which the processor foresees. "
        "Any server whose clients come and go has them scattered, as all other points here have.",
    ),
    Section(
        "connections",
        "Connections",
        "Silent ones, after a ping and a message of two fragments; then rooms of {room_of}, members picked at random; then silent ones on a route with `keepalive.ping: 1s`.",
        "connections",
        [
            ("memory of the daemon, MiB", [Told("connections.memory_mib", "memory", "MiB", "linear", 1000, "1,000 connections")]),
            (
                "µs of CPU",
                [
                    Told("connections.delivery_us", "delivery", "µs", "log"),
                    Told("connections.ping_us", "ping and pong", "µs", "log"),
                ],
            ),
        ],
        "Memory is a straight line: a connection has its objects, and nothing is kept for all of them together.\n"
        "What the kernel keeps for a socket comes on top, and no figure of the process shows it: {kernel} KiB for each, by the growth of its slabs with both ends on this machine, halved; buffers only while something waits in them.\n"
        "A delivery becomes dearer as with subscribers, but earlier and further: the members of a room are scattered in memory.\n"
        "A ping is a write by the connection's timer and a read of the pong by itself; it becomes cheaper with their number as pings that are due in the same tenth of a second share a turn of the loop, "
        "and as the idle daemon is a part of what little is done for a few.",
    ),
    Section(
        "sizes",
        "Bytes of a message",
        "64 connections, each has one message echoed at a time; a room of 100, one message at a time.",
        "bytes",
        [
            (
                "µs of CPU",
                [Told("sizes.echo_us", "echo", "µs", "linear", 1024, "KiB"), Told("sizes.delivery_us", "delivery", "µs", "linear", 1024, "KiB")],
            )
        ],
        "A message is one `read` and one `write` at every size here (`strace -c`), so up to a KiB or so its size hardly matters.\n"
        "Then bytes are copied: out of the kernel, unmasked, made into text and back, put behind a header, into the kernel. A delivery has only the last of these, as a message is encoded once for all members.\n"
        "At the end the curve rises faster: a segment of the loopback has at most 65,483 bytes, and a longer message needs two. "
        "An echo of 65,450 bytes costs {one_segment} µs, one of 65,500 bytes {two_segments} µs. On a real network, segments are shorter and the card cuts them.\n"
        "Where deliveries of one size are out of line with their neighbours, or their samples far apart, the kernel was taking pages for its buffers that were not in use before, which a virtual machine has to get from its host first; the formula takes the lowest samples.",
    ),
    Section(
        "routes",
        "Routes",
        "Routes with a parameter, `/serviceN/{{name}}: echo`; the last one of the file is used. 64 connections.",
        "routes",
        [
            (
                "start, ms",
                [
                    Told("routes.start_ms", "until it listens", "ms", "linear", 100, "100 routes"),
                    Told("routes.start_cpu_ms", "CPU", "ms", "linear", 100, "100 routes"),
                ],
            ),
            ("memory of the daemon, MiB", [Told("routes.memory_mib", "memory", "MiB", "linear", 100, "100 routes")]),
            ("µs of CPU", [Told("routes.handshake_us", "open and close", "µs", "log"), Told("routes.echo_us", "echo", "µs", "log")]),
        ],
        "Only start and memory grow: every route is parsed, checked and compiled, and has a handler and settings of its own.\n"
        "A path is looked up in a tree of dictionaries, a segment a step, whatever the number of routes; and that happens once in the life of a connection. Its messages know their route.",
    ),
    Section(
        "rate",
        "Messages a second",
        "{alone_connections} connections, each alone in a room of its own; they publish 128 bytes in turn, evenly.",
        "messages a second",
        [("a message and its one delivery, µs of CPU", [Told("rate.message_us", "message", "µs", "log")])],
        "An idle daemon uses {idle} ms of CPU a second: its watchdog asks the loop 20 times a second whether it still turns. With few messages, each one carries a part of that.\n"
        "What is left without it is {pause_slow} times as much at {slow} messages a second as at {fast}: a daemon that goes on without a pause finds its code and its data in the caches, one that comes back has to fetch them again, and to wake the CPU first.\n"
        "The least of them still costs {pause_least} times what a message and a delivery cost by the curves above, where the next message is sent as soon as all have the last.\n"
        "Which of the two counts for more these runs do not tell: at 100 a second a message costs {asleep} µs, and {awake} µs where another process keeps the CPU awake, and both move from run to run.\n"
        "So a busy daemon costs less for each message than its load at quiet times suggests, and CPU at a low rate must not be multiplied up.",
    ),
)
