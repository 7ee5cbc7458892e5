"""A load generator in one epoll loop, as a process of its own: it counts bytes and looks into no frame, so that it is not the measure.

    python generator.py PORT PATH MODE CONNECTIONS IN_FLIGHT SIZE [ROOMS]

It says `ready` once the connections are open. For each line on stdin, a number of seconds, it makes load for so long, waits
until every answer is in, and prints how many messages reached clients. It ends with its stdin.

Modes: `echo`, every connection sends IN_FLIGHT messages in one write and waits for their answers; `fan`, the first one
publishes them and all wait; `accept`, CONNECTIONS are opened and closed at a time; `idle`, CONNECTIONS more are opened, whatever
the seconds, each is pinged, gets a message of two fragments echoed, and falls silent; `silent`, the same with the ping alone;
`paced`, the connections publish in turn, IN_FLIGHT messages a second in all, on a schedule; `quiet`, they answer pings and nothing
else, and the pings are what is counted.
With ROOMS, as many connections are in each, in a fixed random order: sockets that were opened one after the other lie side by side
in memory, and writing to them in that order is cheaper than any server of some age has it. `{}` in PATH is the room's number; in
`fan`, one room after the other is published to.
Loses: a server that sends what was not asked for, a ping for example, is an error but in `quiet`. Keep a process under 20 seconds.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
from collections import Counter
from contextlib import closing
from random import Random
from time import monotonic

TEXT, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x0, 0x8, 0x9, 0xA
FIN = 0x80
MASK = b"\x12\x34\x56\x78"
# A socket takes as much in one write as it comes; from here on it is told to, for a write that is not taken whole would need a loop.
ROOMY_BYTES = 8192
# Longer than a server under load needs for anything here.
PATIENCE_S = 20.0


class UnexpectedAnswer(Exception):  # noqa: N818 -- it ends this process, and its text is all that is read of it
    """The server did not answer as it must; the text says how."""


def masked_frame(payload: bytes, first: int = FIN | TEXT) -> bytes:
    """A frame as a client sends it (RFC 6455, section 5.2)."""
    masked = bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))
    if len(payload) < 126:
        return struct.pack("!BB", first, 0x80 | len(payload)) + MASK + masked
    if len(payload) < 65536:
        return struct.pack("!BBH", first, 0xFE, len(payload)) + MASK + masked
    return struct.pack("!BBQ", first, 0xFF, len(payload)) + MASK + masked


def frame_bytes(size: int) -> int:
    """How long a server's frame of a payload of this size is."""
    return size + (2 if size < 126 else 4 if size < 65536 else 10)


def request(port: int, path: str) -> bytes:
    """The upgrade as a browser's page of the same host asks for it."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://127.0.0.1:{port}\r\n\r\n"
    ).encode()


def read_head(sock: socket.socket) -> None:
    """Reads a 101.

    Raises:
        UnexpectedAnswer: if it is another answer, or more than that.
    """
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = sock.recv(4096)
        head += part
        if not part or b" 101 " not in head[:16]:
            raise UnexpectedAnswer(f"no upgrade but {head[:80]!r}")


def read_exactly(sock: socket.socket, size: int) -> None:
    """Reads and forgets so many bytes.

    Raises:
        UnexpectedAnswer: if the server hangs up first.
    """
    while size:
        got = len(sock.recv(size))
        if not got:
            raise UnexpectedAnswer(f"the server hung up with {size} bytes to come")
        size -= got


class Load:
    """Where to, and what one connection sends at once."""

    def __init__(self, port: int, path: str, connections: int, in_flight: int, size: int, rooms: int = 1) -> None:
        self.address = ("127.0.0.1", port)
        self.connections = connections
        self.in_flight = in_flight
        self.room_of = [index % rooms for index in range(connections)]
        if rooms > 1:
            Random(rooms).shuffle(self.room_of)
        self.members = Counter(self.room_of)
        self.burst = masked_frame(bytes(ord("a") + index % 26 for index in range(size))) * in_flight
        self.answer_bytes = frame_bytes(size) * in_flight
        self.socks: list[socket.socket] = []
        self._requests = [request(port, path.replace("{}", str(room))) for room in range(rooms)]

    def prepare(self) -> None:
        """What comes before the first run."""

    def run(self, seconds: float) -> int:
        """Makes load; how many messages reached clients."""
        raise NotImplementedError

    def open_more(self) -> list[socket.socket]:
        """Opens CONNECTIONS side by side, some dozens at a time."""
        before = len(self.socks)
        for at in range(0, self.connections, 64):
            for index in range(at, min(at + 64, self.connections)):
                sock = socket.create_connection(self.address, PATIENCE_S)
                self.socks.append(sock)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if len(self.burst) > ROOMY_BYTES:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * len(self.burst))
                sock.sendall(self._requests[self.room_of[index]])
            for sock in self.socks[before + at :]:
                read_head(sock)
        return self.socks[before:]

    def close(self) -> None:
        """Closes what is open."""
        for sock in self.socks:
            sock.close()
        self.socks.clear()


class Traffic(Load):
    """Messages over connections that stay open."""

    def prepare(self) -> None:
        """Opens the connections."""
        self._epoll = select.epoll()
        self._readers = {}
        for sock in self.open_more():
            sock.setblocking(False)
            self._epoll.register(sock, select.EPOLLIN)
            self._readers[sock.fileno()] = sock.recv_into

    def _ready(self) -> list[tuple[int, int]]:
        """What can be read. It never sleeps: to wake a sleeping reader costs the server who writes up to twice the write, by how busy the machine is."""
        events = self._epoll.poll(0)
        if not events:
            end = monotonic() + PATIENCE_S
            while not events:
                if monotonic() > end:
                    raise UnexpectedAnswer(f"no answer within {PATIENCE_S:g} s")
                events = self._epoll.poll(0)
        return events

    def _send(self, fd: int, data: bytes) -> None:
        """Writes; the socket was made large enough.

        Raises:
            UnexpectedAnswer: if it does not take it whole.
        """
        if os.write(fd, data) != len(data):
            raise UnexpectedAnswer(f"the kernel took only a part of {len(data)} bytes at once; raise net.core.wmem_max")


class Echo(Traffic):
    """Every connection sends again as soon as all its answers are in."""

    def run(self, seconds: float) -> int:
        """Makes load; how many messages came back."""
        burst, whole, readers, write = self.burst, self.answer_bytes, self._readers, self._send
        buffer = bytearray(256 * 1024)
        left = dict.fromkeys(readers, whole)
        end = monotonic() + seconds
        bursts = waiting = len(readers)
        for fd in readers:
            write(fd, burst)
        while waiting:
            is_over = monotonic() >= end
            for fd, _ in self._ready():
                missing = left[fd] - (readers[fd](buffer) or whole + 1)
                if missing < 0:
                    raise UnexpectedAnswer("the server hung up, or sent what was not asked for")
                if missing:
                    left[fd] = missing
                elif is_over:
                    waiting -= 1
                else:
                    left[fd] = whole
                    bursts += 1
                    write(fd, burst)
        return bursts * self.in_flight


class Fan(Traffic):
    """The first connection of a room publishes, and the next room's as soon as all in it have everything."""

    def prepare(self) -> None:
        """Opens the connections, and finds the first one of each room."""
        super().prepare()
        self._turn = 0
        self._first = {room: sock.fileno() for room, sock in zip(reversed(self.room_of), reversed(self.socks), strict=True)}

    def run(self, seconds: float) -> int:
        """Makes load; how many messages were delivered."""
        readers, buffer = self._readers, bytearray(256 * 1024)
        end = monotonic() + seconds
        delivered = 0
        while not delivered or monotonic() < end:
            room = self._turn % len(self.members)
            self._turn += 1
            members = self.members[room]
            self._send(self._first[room], self.burst)
            left = self.answer_bytes * members
            while left > 0:
                for fd, _ in self._ready():
                    left -= readers[fd](buffer) or sys.maxsize
            if left:
                raise UnexpectedAnswer("the server hung up, or sent what was not asked for")
            delivered += self.in_flight * members
        return delivered


class Paced(Traffic):
    """The connections publish in turn, each message when it is due, whatever became of those before."""

    def __init__(self, port: int, path: str, connections: int, in_flight: int, size: int, rooms: int = 1) -> None:
        super().__init__(port, path, connections, 1, size, rooms)
        self.rate = in_flight
        self._turn = 0

    def run(self, seconds: float) -> int:
        """Makes load; how many messages were delivered."""
        readers, buffer = self._readers, bytearray(256 * 1024)
        begin, messages = monotonic(), round(self.rate * seconds)
        sent = delivered = left = 0
        while sent < messages or left > 0:
            if sent < messages and monotonic() >= begin + sent / self.rate:
                by = self._turn % len(self.socks)
                members = self.members[self.room_of[by]]
                self._turn += 1
                self._send(self.socks[by].fileno(), self.burst)
                sent += 1
                delivered += members
                left += self.answer_bytes * members
            for fd, _ in self._ready() if sent == messages else self._epoll.poll(0):
                left -= readers[fd](buffer) or sys.maxsize
            if left < 0:
                raise UnexpectedAnswer("the server hung up, or sent what was not asked for")
        return delivered


class Quiet(Traffic):
    """Connections that answer pings."""

    def run(self, seconds: float) -> int:
        """Answers; how many pings there were."""
        readers, buffer = self._readers, bytearray(4096)
        end = monotonic() + seconds
        pings = 0
        while monotonic() < end:
            for fd, _ in self._epoll.poll(0):
                got = readers[fd](buffer)
                if not got or buffer[0] != FIN | PING or got != 2 + buffer[1]:
                    raise UnexpectedAnswer("the server hung up, or sent something else than a ping")
                self._send(fd, masked_frame(buffer[2:got], FIN | PONG))
                pings += 1
        return pings


class Accept(Load):
    """Connections are opened, closed by the closing handshake, and opened again."""

    def run(self, seconds: float) -> int:
        """Makes load; how many were opened."""
        end = monotonic() + seconds
        opened = 0
        close = masked_frame(struct.pack("!H", 1000), FIN | CLOSE)
        while not opened or monotonic() < end:
            opened += len(self.open_more())
            for sock in self.socks:
                sock.sendall(close)
            for sock in self.socks:
                read_exactly(sock, frame_bytes(2))
                sock.recv(1)  # the server ends the TCP connection first (RFC 6455, section 7.1.1)
            self.close()
        return opened


class Idle(Load):
    """Connections that have had a ping and a fragmented message, and are silent from then on."""

    def run(self, seconds: float) -> int:
        """Opens more, whatever the seconds; how many."""
        said = masked_frame(b"ping", FIN | PING) + masked_frame(b"in ", TEXT) + masked_frame(b"two", FIN | CONTINUATION)
        more = self.open_more()
        for sock in more:
            sock.sendall(said)
        for sock in more:
            read_exactly(sock, frame_bytes(4) + frame_bytes(6))
        return len(more)


class Silent(Load):
    """Connections that have had a ping, and are silent from then on."""

    def run(self, seconds: float) -> int:
        """Opens more, whatever the seconds; how many."""
        more = self.open_more()
        for sock in more:
            sock.sendall(masked_frame(b"ping", FIN | PING))
        for sock in more:
            read_exactly(sock, frame_bytes(4))
        return len(more)


MODES: dict[str, type[Load]] = {"echo": Echo, "fan": Fan, "accept": Accept, "idle": Idle, "silent": Silent, "paced": Paced, "quiet": Quiet}


def main(port: str, path: str, mode: str, connections: str, in_flight: str, size: str, rooms: str = "1") -> None:
    """Makes load as it is told, until stdin ends."""
    with closing(MODES[mode](int(port), path, int(connections), int(in_flight), int(size), int(rooms))) as load:
        load.prepare()
        print("ready", flush=True)
        for line in sys.stdin:
            print(load.run(float(line)), flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (OSError, UnexpectedAnswer) as error:
        sys.exit(f"generator: {error}")
