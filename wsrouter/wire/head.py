"""The head of a request: where it ends in a stream, and its fields read again from the bytes that a connection keeps.

A connection keeps these bytes instead of the parsed request, which takes 4.6 KiB. `websockets` has checked them once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

# Precedents: nginx 4 x 8 KiB, Apache 8 KiB a line and 100 lines, Node.js 16 KiB in all.
MAX_HEAD_BYTES = 32 * 1024


def head_end(data: bytes | bytearray) -> int:
    """Where the head ends, its blank line included; -1 while it is not whole."""
    end = data.find(b"\r\n\r\n")
    return end + 4 if end >= 0 else -1


def target(head: bytes) -> str:
    """The request target: path and query as sent."""
    return head[: head.index(b"\r\n")].split(b" ", 2)[1].decode("ascii")


def fields(head: bytes) -> Iterator[tuple[str, str]]:
    """The header fields in their order, names as sent, values without the white space around them."""
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            yield name.decode("ascii"), value.strip(b" \t").decode("iso-8859-1")


class HeaderView(Mapping[str, str]):
    """The headers of a request, read-only: names in any case, of a repeated name the first value."""

    __slots__ = ("_values",)

    def __init__(self, head: bytes) -> None:
        """`head` is a whole, checked request head."""
        self._values: dict[str, str] = {}
        for name, value in fields(head):
            self._values.setdefault(name.lower(), value)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def to_request(head: bytes) -> Request:
    """The request as an object of `websockets`, for coroutines that look at it."""
    return Request(target(head), Headers(list(fields(head))))


def to_response(head: bytes) -> Response:
    """The 101 that was sent, as an object of `websockets`."""
    status = head[: head.index(b"\r\n")].split(b" ", 2)
    return Response(int(status[1]), status[2].decode("ascii"), Headers(list(fields(head))))
