"""The answer for a balancer on the public addresses (`server.health`): a plain GET of one path, whatever else is served there."""

from __future__ import annotations

import re
from collections.abc import Callable


class Probe:
    """Knows the question and the answer. A WebSocket handshake of the same path is none of it."""

    def __init__(self, path: str, is_ready: Callable[[], bool]) -> None:
        """`is_ready` tells whether clients should be sent here."""
        self._asked = re.compile(rb"(?:GET|HEAD) %s(?:\?[^ ]*)? HTTP/1\.[01]\r\n(?!(?:.*\r\n)*upgrade:)" % re.escape(path.encode()), re.IGNORECASE)
        self._is_ready = is_ready

    def answer(self, head: bytes) -> bytes | None:
        """The whole response to a request's head; None where it asks for something else."""
        if not self._asked.match(head):
            return None
        status, word = ("200 OK", b"ready\n") if self._is_ready() else ("503 Service Unavailable", b"not ready\n")
        lines = (f"HTTP/1.1 {status}", "Content-Type: text/plain", f"Content-Length: {len(word)}", "Cache-Control: no-store", "Connection: close", "", "")
        return "\r\n".join(lines).encode() + (b"" if head.startswith(b"HEAD") else word)
