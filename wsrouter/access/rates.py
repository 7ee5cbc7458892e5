"""How many messages and bytes a second one client may send: token buckets, decided without waiting (pure)."""

from __future__ import annotations

from typing import Protocol


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


def make_meter(messages: Rate, size_bytes: Rate, now: float) -> RateMeter | None:
    """The meter of one client; None where neither rate is limited."""
    if not messages.rate and not size_bytes.rate:
        return None
    return RateMeter(_make_bucket(messages, now), _make_bucket(size_bytes, now))


def _make_bucket(limit: Rate, now: float) -> TokenBucket | None:
    return TokenBucket(limit.rate, limit.burst or max(1.0, 2 * limit.rate), now) if limit.rate else None
