"""What a topic keeps for newcomers: the latest messages, within a count, an age and a size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from wsrouter.api.messages import Message
from wsrouter.api.topics import History


class Kept:
    """The messages that a topic keeps, oldest first. What is past a bound of its `History` is dropped when looked at."""

    __slots__ = ("_bounds", "_bytes", "_messages", "_monotonic")

    def __init__(self, bounds: History, monotonic: Callable[[], float]) -> None:
        """`monotonic` is the clock that ages are measured with."""
        self._bounds = bounds
        self._monotonic = monotonic
        self._messages: deque[tuple[float, int, Message]] = deque()
        self._bytes = 0

    def bound(self, bounds: History) -> None:
        """Keeps within other bounds from now on."""
        self._bounds = bounds
        self._prune()

    def append(self, message: Message) -> None:
        """Keeps a message, and drops what has become too much."""
        size = len(message.encode()) if isinstance(message, str) and not message.isascii() else len(message)
        self._messages.append((self._monotonic(), size, message))
        self._bytes += size
        self._prune()

    def messages(self) -> list[Message]:
        """What is kept now, oldest first."""
        self._prune()
        return [message for _, _, message in self._messages]

    def expires_in_s(self) -> float:
        """How long until nothing is left; zero when that is now."""
        self._prune()
        if not self._messages:
            return 0.0
        return self._messages[-1][0] + self._bounds.age_s - self._monotonic()

    def _prune(self) -> None:
        bounds, kept = self._bounds, self._messages
        oldest = self._monotonic() - bounds.age_s
        while kept and (
            kept[0][0] <= oldest
            or (bounds.messages is not None and len(kept) > bounds.messages)
            or (bounds.size_bytes is not None and self._bytes > bounds.size_bytes)
        ):
            self._bytes -= kept.popleft()[1]
