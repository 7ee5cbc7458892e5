"""A socket that was upgraded to a WebSocket and then left to the test: what is read, sent or left undone is its own business."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def open_socket(url: str, *, receive_buffer_bytes: int | None = None) -> socket.socket:
    """A TCP connection to where a ws:// address points. A small receive buffer makes a client that is soon behind."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    one = socket.socket(socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET)
    one.settimeout(10)
    if receive_buffer_bytes is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    one.connect((parts.hostname, parts.port))
    return one


def upgrade(url: str, *, receive_buffer_bytes: int | None = None) -> socket.socket:
    """An open WebSocket, its 101 read."""
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    one = open_socket(url, receive_buffer_bytes=receive_buffer_bytes)
    one.sendall(REQUEST.format(path=path, host=parts.netloc).encode())
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
        return data
    return data
