"""Clients of a daemon that is reloaded under them, in one epoll loop: what each of them sees, message by message.

    python reload_clients.py ticker PORT CONNECTIONS        on /tick, whose messages are numbers that count up
    python reload_clients.py room PORT CONNECTIONS          on /room, with a publisher on /say; who is closed comes again
    python reload_clients.py hold PORT CONNECTIONS ROUTES   silent, on /r/0 to /r/ROUTES-1
    python reload_clients.py probe PORT PATH                one that asks again as soon as it has its answer

It says `ready` once all are open, and ends with its stdin. For each other line on stdin it prints what was seen since the last
one, as JSON. Moments are seconds of CLOCK_MONOTONIC, which all processes share.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
from collections.abc import Iterator
from time import monotonic

MASK = b"\x00\x00\x00\x00"
TEXT, CLOSE, PING = 0x81, 0x88, 0x89
PUBLISH_EVERY_S = 0.02
# A route that is being changed answers 503: its clients come again after this.
AGAIN_S = 0.02

Seen = dict[str, object]


def masked(payload: bytes, first: int = TEXT) -> bytes:
    """A short frame as a client sends it; a mask of zeros is one, too."""
    return struct.pack("!BB", first, 0x80 | len(payload)) + MASK + payload


class Client:
    """One connection: bytes in, frames out."""

    def __init__(self, port: int, path: str) -> None:
        self.buffer = b""
        self.is_open = False
        self.sock = socket.create_connection(("127.0.0.1", port), 20.0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def read(self) -> Iterator[tuple[int, bytes]]:
        """The frames of one read; a close with no payload where the connection is gone, also where it was refused."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        if not self.is_open:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if end and b" 101 " in head:
                self.is_open, self.buffer = True, rest
            elif end or not data:
                yield 0, head
                return
        while self.is_open and len(self.buffer) >= 2:
            size, at = self.buffer[1], 2
            if size == 126:
                size, at = int.from_bytes(self.buffer[2:4], "big"), 4
            if len(self.buffer) < at + size:
                break
            yield self.buffer[0], self.buffer[at : at + size]
            self.buffer = self.buffer[at + size :]
        if not data and self.is_open:
            yield 0, b""


class Crowd:
    """Connections that are watched."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.epoll = select.epoll()
        self.clients: dict[int, Client] = {}

    def open(self, path: str) -> Client:
        """One more, whose upgrade is on its way."""
        client = Client(self.port, path)
        self.clients[client.sock.fileno()] = client
        self.epoll.register(client.sock, select.EPOLLIN)
        return client

    def open_many(self, paths: list[str]) -> None:
        """As many as there are paths, and waits for them."""
        for number, path in enumerate(paths, 1):
            self.open(path)
            if number % 50 == 0 or number == len(paths):
                while not all(client.is_open for client in self.clients.values()):
                    self.turn(5.0)

    def turn(self, timeout_s: float) -> None:
        """Reads what there is."""
        for fd, _ in self.epoll.poll(timeout_s):
            client = self.clients[fd]
            for kind, payload in client.read():
                if kind == PING:
                    client.sock.sendall(masked(payload, 0x8A))
                elif kind == TEXT:
                    self.on_text(client, payload.decode(), monotonic())
                else:
                    self.on_end(client, kind, payload)
                    break

    def drop(self, client: Client) -> None:
        """Forgets one that is gone."""
        self.epoll.unregister(client.sock)
        del self.clients[client.sock.fileno()]
        client.sock.close()

    def on_text(self, client: Client, text: str, now: float) -> None:
        """A message came."""

    def on_end(self, client: Client, kind: int, payload: bytes) -> None:
        """It was closed (kind CLOSE, with the code in front), refused, or is gone."""
        self.drop(client)

    def work(self) -> float:
        """What is to be done between two reads; how long the next may take."""
        return 1.0

    def report(self) -> Seen:
        """What was seen since the last report."""
        return {"connections": len(self.clients)}


class Ticker(Crowd):
    """On a ticker: every number once, in its order, in its time."""

    def __init__(self, port: int, connections: int) -> None:
        super().__init__(port)
        self.last: dict[Client, tuple[int, float]] = {}
        self.messages = self.closes = self.gaps = self.duplicates = 0
        self.longest_s = 0.0
        self.open_many(["/tick"] * connections)

    def on_text(self, client: Client, text: str, now: float) -> None:
        """Notes it."""
        number = int(text)
        self.messages += 1
        if client in self.last:
            before, then = self.last[client]
            self.gaps += number > before + 1
            self.duplicates += number <= before
            self.longest_s = max(self.longest_s, now - then)
        self.last[client] = number, now

    def on_end(self, client: Client, kind: int, payload: bytes) -> None:
        """Notes it, and what becomes of its place."""
        self.closes += 1
        self.drop(client)

    def report(self) -> Seen:
        """What was seen since the last report."""
        seen = {name: getattr(self, name) for name in ("messages", "closes", "gaps", "duplicates", "longest_s")}
        self.messages = self.closes = self.gaps = self.duplicates = 0
        self.longest_s = 0.0
        return {"connections": len(self.clients), **seen}


class Room(Crowd):
    """In a room whose first message names the generation of its route; the messages count up."""

    def __init__(self, port: int, connections: int) -> None:
        super().__init__(port)
        self.generation: dict[Client, int] = {}
        self.last: dict[Client, int] = {}
        self.ended: list[tuple[int, int, float]] = []
        self.gaps = self.duplicates = self.messages = self.number = 0
        self.again: list[float] = []
        self.due = monotonic()
        self.publisher = self.open("/say")
        self.open_many(["/room"] * connections)

    def on_text(self, client: Client, text: str, now: float) -> None:
        """Notes it."""
        if client is self.publisher:
            return
        word, _, number = text.partition(" ")
        if word == "generation":
            self.generation[client] = int(number)
            return
        self.messages += 1
        before = self.last.get(client)
        if before is not None:
            self.gaps += int(number) > before + 1
            self.duplicates += int(number) <= before
        self.last[client] = int(number)

    def on_end(self, client: Client, kind: int, payload: bytes) -> None:
        """Notes it, and what becomes of its place."""
        if kind == CLOSE:
            client.sock.sendall(masked(payload[:2], CLOSE))
        if client.is_open:
            code = int.from_bytes(payload[:2], "big") if kind == CLOSE else 1006
            self.ended.append((self.generation.get(client, 0), code, monotonic()))
        self.drop(client)
        self.again.append(monotonic() + AGAIN_S)

    def work(self) -> float:
        """What is due."""
        now = monotonic()
        while self.again and self.again[0] <= now:
            self.again.pop(0)
            self.open("/room")
        while self.due <= now:
            self.number += 1
            self.publisher.sock.sendall(masked(f"m {self.number}".encode()))
            self.due += PUBLISH_EVERY_S
        return max(0.0, min([self.due, *self.again[:1]]) - now)

    def report(self) -> Seen:
        """What was seen since the last report."""
        ended, self.ended = self.ended, []
        there = [self.generation[client] for client in self.clients.values() if client in self.generation]
        return {"there": there, "ended": ended, "messages": self.messages, "gaps": self.gaps, "duplicates": self.duplicates}


class Hold(Crowd):
    """Silent connections, spread over routes."""

    def __init__(self, port: int, connections: int, routes: int) -> None:
        super().__init__(port)
        self.open_many([f"/r/{number % routes}" for number in range(connections)])


class Probe(Crowd):
    """One connection that measures round trips: it asks again 1 ms after its answer, and sleeps for no other reason."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(port)
        self.asked = 0.0
        self.trips: list[tuple[float, float]] = []
        self.open_many([path])
        self.client = next(iter(self.clients.values()))

    def on_text(self, client: Client, text: str, now: float) -> None:
        """Notes it."""
        self.trips.append((self.asked, now - self.asked))
        self.asked = 0.0

    def work(self) -> float:
        """What is due."""
        if not self.asked and (not self.trips or monotonic() - sum(self.trips[-1]) >= 0.001):
            self.asked = monotonic()
            self.client.sock.sendall(masked(b"x"))
        return 0.0

    def report(self) -> Seen:
        """What was seen since the last report."""
        trips, self.trips = self.trips, []
        return {"trips": trips}


def main(role: str, port: str, *numbers: str) -> None:
    """Serves one role until stdin ends."""
    crowd: Crowd
    crowd = Probe(int(port), numbers[0]) if role == "probe" else {"ticker": Ticker, "room": Room, "hold": Hold}[role](int(port), *map(int, numbers))
    print("ready", flush=True)
    asked = select.poll()
    asked.register(0, select.POLLIN)
    while True:
        if asked.poll(0):
            line = sys.stdin.readline()
            if not line:
                return
            print(json.dumps(crowd.report()), flush=True)
        crowd.turn(min(0.05, crowd.work()))


if __name__ == "__main__":
    main(*sys.argv[1:])
