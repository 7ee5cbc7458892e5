"""A client that does what no library would: its socket is the test's, from the first byte on."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


def open_socket(url: str) -> socket.socket:
    """A TCP connection to where a ws:// address points."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def upgrade(url: str, more: str = "", *, receive_buffer_bytes: int | None = None) -> socket.socket:
    """An open WebSocket, its 101 read; `more` are whole header lines. A small receive buffer makes a client that is soon behind."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    one = socket.socket(socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET)
    one.settimeout(10)
    if receive_buffer_bytes is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    one.connect((parts.hostname, parts.port))
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    one.sendall(REQUEST.format(path=path, host=parts.netloc, more=more).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = one.recv(1)
        assert byte, f"no 101 but {head!r}"
        head += byte
    assert head.startswith(b"HTTP/1.1 101 "), head
    return one


def read_to_end(one: socket.socket) -> bytes:
    """All that comes until the server ends the stream; a reset ends it, too."""
    data = b""
    try:
        while chunk := one.recv(65536):
            data += chunk
    except ConnectionResetError:
        pass
    return data
