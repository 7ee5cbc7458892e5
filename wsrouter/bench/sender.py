"""[hot] Who sends again when answered: a closed loop. It waits for a slow server, and measures it at the pace that it takes."""

from __future__ import annotations

from collections import deque
from time import monotonic_ns

from wsrouter.bench.client import Client
from wsrouter.bench.messages import Messages


class Sender:
    """Sends over one connection, as long as not more than `window` of its messages are unanswered."""

    def __init__(self, client: Client, messages: Messages, window: int, receivers: int = 1) -> None:
        """`receivers` is how many get each message."""
        self.sent = 0
        self.accounted = 0
        """Of what is expected by all receivers together: how much has come, or is known as missing since a later one came."""
        self.receivers = receivers
        self.dues: deque[int] | None = None
        """When the unanswered ones were due, where answers do not tell it."""
        self.given_up = 0
        """How many of `dues` were forgiven."""
        self.is_running = False
        self._forgiven = 0
        self._client = client
        self._messages = messages
        self._window = window
        client.resumed = self.refill

    @property
    def unsent(self) -> int:
        """How many are due and not sent."""
        return 0

    @property
    def is_disconnected(self) -> bool:
        """Whether it will never send again."""
        return self._client.is_closed

    @property
    def is_settled(self) -> bool:
        """Whether everything is sent and has come."""
        return (not self.unsent or self.is_disconnected) and self.accounted >= self.sent * self.receivers

    def start(self) -> None:
        """Sends the first ones."""
        self.is_running = True
        self.refill()

    def refill(self) -> None:
        """Sends what may be sent: all in one write."""
        if self.is_running and (count := self._room()) > 0:
            self._send(count, monotonic_ns())

    def forgive(self, count: int) -> None:
        """The first `count` messages are not waited for any more: those that are missing make room for others."""
        self._forgiven = count
        while self.dues and self.accounted < count:  # or each later answer would be taken for the one before it
            self.dues.popleft()
            self.accounted += 1
            self.given_up += 1
        self.refill()

    def stop(self) -> None:
        """Nothing new is due from now on."""
        self.is_running = False

    def _room(self) -> int:
        client = self._client
        if client.is_paused or client.is_closed or not self.receivers:
            return 0
        return self._window - self.sent + max(self.accounted // self.receivers, self._forgiven)

    def _send(self, count: int, due_ns: int) -> None:
        first = self.sent
        self.sent = first + count
        if self.dues is not None:
            self.dues.extend([due_ns] * count)
        self._client.write(self._messages.encode(first, count, due_ns))
