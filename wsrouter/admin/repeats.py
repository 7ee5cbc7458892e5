"""`Repeats`: what is asked again with the same key is done once, and answered as it was the first time.

A client that does not know whether its request arrived may send it again. Kept for ten minutes, the latest ten thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

MOST_KEYS: Final = 10_000
# Precedent: Stripe keeps its keys for a day; what is published late is of no use here.
KEEP_S: Final = 600.0

AnswerT = TypeVar("AnswerT")


class Repeats(Generic[AnswerT]):
    """The answers that were given, by key."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Nothing was asked."""
        self._monotonic = monotonic
        self._given: dict[str, tuple[float, bytes, AnswerT]] = {}

    def find(self, key: str, request: bytes) -> AnswerT | None:
        """What was answered to this key; None where it is new. `request` is a digest of what is asked.

        Raises:
            ValueError: if something else was asked with this key.
        """
        given = self._given.get(key)
        if given is None or given[0] <= self._monotonic():
            return None
        if given[1] != request:
            raise ValueError(key)
        return given[2]

    def add(self, key: str, request: bytes, answer: AnswerT) -> None:
        """Keeps an answer."""
        now = self._monotonic()
        self._given.pop(key, None)
        self._given[key] = (now + KEEP_S, request, answer)
        while self._given:
            oldest = next(iter(self._given))
            if len(self._given) <= MOST_KEYS and self._given[oldest][0] > now:
                return
            del self._given[oldest]
