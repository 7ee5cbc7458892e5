"""A client that speaks bytes: for what no WebSocket library would send."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.wire import PING, PONG, frame, masked

WITHIN_S = 5.0
LINES = ("Host: a", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")


def request_head(path: str, *more: str) -> bytes:
    """A request that is let in."""
    return "\r\n".join([f"GET {path} HTTP/1.1", *LINES, *more, "", ""]).encode("latin-1")


class RawClient:
    """A TCP connection to the daemon. All reading has a deadline."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        host, port = sock.getsockname()[:2]
        self.address = f"{host}:{port}"
        """As the daemon's records show it as `peer`."""

    def send(self, data: bytes) -> None:
        """Sends; a server that has hung up meanwhile is seen when reading."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(data)

    def read_exactly(self, size: int) -> bytes:
        """That many bytes; fails when the server hangs up before."""
        data = b""
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            assert piece, f"the server hung up after {data!r}"
            data += piece
        return data

    def read_head(self) -> bytes:
        """The head of a response."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += self.read_exactly(1)
        return data

    def read_to_end(self) -> bytes:
        """Everything until the server ends the stream."""
        data = b""
        with suppress(ConnectionResetError):
            while piece := self.sock.recv(65536):
                data += piece
        return data

    def upgrade(self, path: str, *more: str) -> bytes:
        """Becomes a WebSocket; the head of the 101."""
        self.send(request_head(path, *more))
        head = self.read_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        return head

    def assert_nothing_more(self) -> None:
        """Nothing was sent that was not read: the answer to a ping comes next."""
        self.send(masked(PING, b"nothing more?"))
        answer = frame(PONG, b"nothing more?")
        assert answer == self.read_exactly(len(answer))


@contextmanager
def raw_client(port: int, receive_buffer: int | None = None) -> Iterator[RawClient]:
    """A connected client; `receive_buffer` makes the kernel keep little for it, as for a client that does not read."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(WITHIN_S)
        sock.connect(("127.0.0.1", port))
        yield RawClient(sock)
