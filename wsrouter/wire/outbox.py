"""What waits for a client that does not keep up: encoded frames in their order, behind a small transport buffer.

It exists only while the client is behind, or while a coroutine sends a message in fragments.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Outbox:
    """Encoded frames that wait, and who waits for them to go.

    While a message is sent in fragments, `held` collects the whole frames that must not come between them.
    """

    __slots__ = ("frames", "held", "is_paused", "progress_at", "seen_bytes", "since", "size_bytes", "waiters")
    sheds = False

    def __init__(self, now: float) -> None:
        """Empty; `now` begins the time without progress."""
        self.frames: deque[bytes] = deque()
        self.size_bytes = 0
        self.is_paused = False
        self.held: list[bytes] | None = None
        self.progress_at = self.since = now
        self.seen_bytes = -1
        self.waiters: list[asyncio.Future[None]] = []

    def append(self, data: bytes) -> None:
        """Queues encoded frames."""
        self.frames.append(data)
        self.size_bytes += len(data)

    def popleft(self) -> bytes:
        """The oldest, to be written."""
        data = self.frames.popleft()
        self.size_bytes -= len(data)
        return data

    def clear(self) -> int:
        """Drops what waits; tells how many bytes that were."""
        dropped, self.size_bytes = self.size_bytes, 0
        self.frames.clear()
        self.held = None
        return dropped

    def begin_hold(self) -> None:
        """A message begins to be sent in fragments."""
        self.held = []

    def all(self) -> list[bytes]:
        """Everything that waits, without an order."""
        return [*self.frames, *(self.held or ())]

    def hold(self, data: bytes) -> None:
        """Keeps whole frames back until the fragmented message is out."""
        assert self.held is not None
        self.held.append(data)
        self.size_bytes += len(data)

    def release_held(self) -> None:
        """The fragmented message is out: what was kept back follows it."""
        held, self.held = self.held or [], None
        self.frames.extend(held)

    def stalled_s(self, sent_bytes: int, now: float) -> float:
        """How long the client has taken nothing; `sent_bytes` is what it has taken in all."""
        if sent_bytes != self.seen_bytes:
            self.seen_bytes = sent_bytes
            self.progress_at = now
        return now - self.progress_at

    def wake(self) -> None:
        """Lets go who waits."""
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
