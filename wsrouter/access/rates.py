"""How many messages and bytes a second one client may send: token buckets, decided without waiting (pure)."""

from __future__ import annotations

from math import ceil, floor
from typing import Final, Protocol

WAIT_S: Final = 0.01
"""Whoever waits for room does so at least for as long, so that a high rate does not wake him for each message."""


class Rate(Protocol):
    """A limit as the site has it."""

    @property
    def rate(self) -> float:
        """How many a second; 0 is no limit."""

    @property
    def burst(self) -> int:
        """How many at once; 0 is twice the rate."""


class TokenBucket:
    """Fills at `rate` a second up to `burst`; what is taken may overdraw it once, so that one large message still passes."""

    __slots__ = ("_burst", "_filled_at", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        """Full at first."""
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._filled_at = now

    def take(self, amount: float, now: float) -> bool:
        """Takes an amount; tells whether there was at least one left to take from."""
        self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= amount
        return True

    def room(self, now: float) -> float:
        """How much is left; below 0 after an overdraft."""
        self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
        return self._left

    def spend(self, amount: float) -> None:
        """Takes an amount, whatever is left."""
        self._left -= amount

    def wait_s(self, now: float) -> float:
        """How long until there is room again for a hundredth of a second's worth, at least for one."""
        return max(0.0, (min(self._burst, max(1.0, self._rate * WAIT_S)) - self.room(now)) / self._rate)


class RateMeter:
    """The message rate and the byte rate of one client; either may be without limit."""

    __slots__ = ("_bytes", "_messages")

    def __init__(self, messages: TokenBucket | None, size_bytes: TokenBucket | None) -> None:
        """None is no limit."""
        self._messages = messages
        self._bytes = size_bytes

    def take(self, messages: int, size_bytes: int, now: float) -> bool:
        """Counts one read, of a part of a message if `messages` is 0; tells whether it is within the limits."""
        within = self._messages is None or not messages or self._messages.take(messages, now)
        return (self._bytes is None or self._bytes.take(size_bytes, now)) and within

    def admit(self, messages: int, size_bytes: int, now: float) -> int:
        """How many of these messages are within the limits, the first ones; only they are counted. Of bytes, the last one may overdraw."""
        most = messages
        if self._messages is not None:
            most = min(most, max(0, floor(self._messages.room(now))))
        if self._bytes is not None and most:
            left = self._bytes.room(now)
            most = min(most, ceil(left * messages / max(1, size_bytes))) if left >= 1 else 0
        if most:
            self.spend(most, size_bytes * most // messages)
        return most

    def spend(self, messages: int, size_bytes: int) -> None:
        """Counts what passes in any case."""
        if self._messages is not None:
            self._messages.spend(messages)
        if self._bytes is not None:
            self._bytes.spend(size_bytes)

    def wait_s(self, now: float) -> float:
        """How long until there is room for the next message: 0 if there is."""
        return max(bucket.wait_s(now) if bucket is not None and bucket.room(now) < 1 else 0.0 for bucket in (self._messages, self._bytes))


def make_meter(messages: Rate, size_bytes: Rate, now: float) -> RateMeter | None:
    """The meter of one client; None where neither rate is limited."""
    if not messages.rate and not size_bytes.rate:
        return None
    return RateMeter(_make_bucket(messages, now), _make_bucket(size_bytes, now))


def _make_bucket(limit: Rate, now: float) -> TokenBucket | None:
    return TokenBucket(limit.rate, limit.burst or max(1.0, 2 * limit.rate), now) if limit.rate else None
