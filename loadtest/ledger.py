"""What was sent and what came of it: round trips by number, and the numbers of one sender as one receiver saw them. Pure.

Lost, duplicated and out of order are told apart by numbers alone, never by time: a number that is passed over is missing, one that comes after all was
out of order, and one that is still missing when all is over is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Seen(Enum):
    """What the arrival of a number is."""

    IN_ORDER = "in_order"
    OUT_OF_ORDER = "out_of_order"
    """After a higher one."""
    DUPLICATED = "duplicated"
    """It came before."""
    UNKNOWN = "unknown"
    """Nobody sent it."""


class Trips:
    """The round trips on one connection: what is still unanswered, and since when it is due."""

    __slots__ = ("_answered_to", "_next", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[int, float] = {}
        self._next = 0
        self._answered_to = -1

    def sent(self, due_s: float) -> int:
        """The number of a message that is sent now and was due then."""
        number = self._next
        self._next += 1
        self._waiting[number] = due_s
        return number

    def unsent(self, number: int) -> None:
        """The message with this number did not go, and no answer is waited for."""
        self._waiting.pop(number, None)

    def answered(self, number: int) -> tuple[Seen, float | None]:
        """What an answer is, and when its message was due; None where no message waits for one."""
        due_s = self._waiting.pop(number, None)
        if due_s is None:
            return (Seen.DUPLICATED if 0 <= number < self._next else Seen.UNKNOWN), None
        seen = Seen.IN_ORDER if number > self._answered_to else Seen.OUT_OF_ORDER
        self._answered_to = max(self._answered_to, number)
        return seen, due_s

    def __len__(self) -> int:
        return len(self._waiting)

    def take_unanswered(self) -> list[float]:
        """When each message was due that nobody answered; they are forgotten."""
        left = list(self._waiting.values())
        self._waiting.clear()
        return left


class Stream:
    """The numbers of one sender as one receiver sees them. It expects `first` and all that follow; without `first`, what it sees first begins it."""

    __slots__ = ("_begins_early", "_first", "_missing", "_next")

    def __init__(self, first: int | None = None) -> None:
        self._begins_early = first is not None
        self._first = self._next = first
        self._missing: set[int] = set()

    def see(self, number: int) -> Seen:
        """What the arrival of this number is."""
        if self._next is None or self._first is None:
            self._first, self._next = number, number + 1
            return Seen.IN_ORDER
        if number >= self._next:
            self._missing.update(range(self._next, number))
            self._next = number + 1
            return Seen.IN_ORDER
        if number in self._missing:
            self._missing.remove(number)
            return Seen.OUT_OF_ORDER
        if number < self._first:  # on its way already when we began to expect, or overtaken by what we saw first
            return Seen.IN_ORDER if self._begins_early else Seen.OUT_OF_ORDER
        return Seen.DUPLICATED

    def missing(self, last: int | None = None) -> int:
        """How many have not come yet, up to `last` where the sender's last number is known."""
        behind = 0 if last is None or self._next is None else max(0, last + 1 - self._next)
        return len(self._missing) + behind


class Streams:
    """All senders that one receiver hears."""

    __slots__ = ("_streams",)

    def __init__(self, sent: Mapping[str, int] | None = None) -> None:
        """`sent` has the last number of each sender that is known already: what follows is expected."""
        self._streams = {sender: Stream(number + 1) for sender, number in (sent or {}).items()}

    def see(self, sender: str, number: int, *, is_known: bool = False) -> Seen:
        """What the arrival of a sender's number is. A sender that is known (in the sense of `missing`) and new has begun with 0."""
        stream = self._streams.get(sender)
        if stream is None:
            stream = self._streams[sender] = Stream(0 if is_known else None)
        return stream.see(number)

    def missing(self, sent: Mapping[str, int] | None = None) -> int:
        """How many messages have not come yet; `sent` has the last number of each sender that is known."""
        known = sent or {}
        new = sum(number + 1 for sender, number in known.items() if sender not in self._streams)
        return new + sum(stream.missing(known.get(sender)) for sender, stream in self._streams.items())
