"""Many clients in one process, a raw socket each: cheap enough for thousands, and they do only what a test says."""

from __future__ import annotations

import contextlib
import socket
from collections import Counter
from collections.abc import Iterator

from support.raw import request_head
from support.wire import CLOSE, TEXT, close_payload, frame, masked

# At a time: less than a listener's backlog holds.
_BATCH = 64
PATIENCE_S = 15.0


class Crowd:
    """Sockets that are open, each with the status of its handshake."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.members: list[socket.socket] = []
        """Those that were let in."""
        self.statuses: Counter[int] = Counter()
        """How many handshakes were answered how; 0 for those that were hung up on."""

    def connect(self) -> socket.socket:
        """A TCP connection, no more."""
        sock = socket.create_connection(("127.0.0.1", self._port), PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def knock(self, path: str, count: int) -> None:
        """Asks for that many upgrades; who is let in stays."""
        head = request_head(path)
        for at in range(0, count, _BATCH):
            batch = [self.connect() for _ in range(min(_BATCH, count - at))]
            for sock in batch:
                sock.sendall(head)
            for sock in batch:
                status = _status(sock)
                self.statuses[status] += 1
                if status == 101:
                    self.members.append(sock)
                else:
                    sock.close()

    def ask_all(self, text: bytes = b"there?") -> int:
        """Sends a message with each to an echo; how many got it back, perhaps behind a ping, which stays unanswered."""
        for sock in self.members:
            sock.sendall(masked(TEXT, text))
        answer = frame(TEXT, text)
        return sum(_read_until(sock, answer) for sock in self.members)

    def say_goodbye(self) -> None:
        """Closes each by the closing handshake."""
        for sock in self.members:
            sock.sendall(masked(CLOSE, close_payload(1000)))
        for sock in self.members:
            assert frame(CLOSE, close_payload(1000)) == _read(sock, 4)
            sock.close()
        self.members.clear()

    def hang_up(self) -> None:
        """Closes each without a word."""
        for sock in self.members:
            sock.close()
        self.members.clear()


@contextlib.contextmanager
def crowd(port: int) -> Iterator[Crowd]:
    """A crowd that has left in the end."""
    people = Crowd(port)
    try:
        yield people
    finally:
        people.hang_up()


def _status(sock: socket.socket) -> int:
    """The status of a response, of which a 101 is read to its end; 0 where there is none."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while not data.endswith(b"\r\n\r\n") and (piece := sock.recv(1 if b"\r" in data else 12)):
            data += piece
            if len(data) >= 12 and not data.startswith(b"HTTP/1.1 101"):
                return int(data[9:12])
    return int(data[9:12] or b"0")


def _read_until(sock: socket.socket, end: bytes) -> bool:
    data = b""
    while not data.endswith(end):
        piece = _read(sock, 1)
        if not piece:
            return False
        data += piece
    return True


def _read(sock: socket.socket, size: int) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while len(data) < size and (piece := sock.recv(size - len(data))):
            data += piece
    return data
