"""The settings of a topic, and what a topic needs of its subscribers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class History:
    """How much of a topic is kept for newcomers; the first bound that is passed drops the oldest message.

    `messages` of None or `size_bytes` of None is no bound; `age_s` always bounds, as it also frees a topic without members.
    """

    messages: int | None = None
    age_s: float = HOUR_S
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """What a topic is made with; handlers that name the same topic must agree on it."""

    history: History | None = None


Direct = Callable[[bytes], int]
"""Takes bytes at once and tells how many. Raises OSError where it takes none: BlockingIOError for now, any other for ever."""


class Subscriber(Protocol):
    """Who a topic delivers to: wire's connections, and in-memory clients of tests.

    While nothing is on its way to a client, its topics write to it past the subscriber: by `direct`, and count for it.
    """

    variant: int
    """Which encoding it takes: 0 plain, else the window bits of its compression."""
    direct: Direct | None
    """None while something is in the way, and where there is no such way. When this changes, it tells its topics (`hold`, `release`)."""

    @property
    def is_behind(self) -> bool:
        """Whether something waits for it that was delivered before."""

    def deliver(self, payload: bytes, messages: int) -> None:
        """Takes `messages` encoded messages, joined. Never raises, never waits."""

    def not_taken(self, rest: bytes, error: OSError | None) -> None:
        """Takes what `direct` did not take of a delivery, or hears why it took nothing. Never raises, never waits."""

    def count(self, messages: int, size_bytes: int) -> None:
        """Adds what was written by `direct`; less than nothing where a topic begins to count for it."""


class Encoder(Protocol):
    """How a message becomes bytes for the subscribers of one variant; handed in by `wire`."""

    def __call__(self, message: str | bytes, variant: int) -> bytes:
        """The message as one whole frame."""
