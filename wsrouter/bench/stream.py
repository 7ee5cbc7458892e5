"""The numbered messages of one sender as one receiver gets them: what is lost, what comes twice, what comes late. Pure."""

from __future__ import annotations

from itertools import islice

MOST_MISSING = 10_000
"""How many missing numbers are remembered; what is missing longer than that is lost for good. A bound for memory."""


class Stream:
    """What has come of a stream of messages that are numbered from 0."""

    __slots__ = ("_forgotten", "_missing", "duplicated", "next", "out_of_order", "received")

    def __init__(self) -> None:
        self.next = 0
        """The number that is to come: one above the highest that came."""
        self.received = 0
        """How many came, each counted once."""
        self.duplicated = 0
        self.out_of_order = 0
        """How many came after one with a higher number."""
        self._missing: dict[int, None] = {}
        self._forgotten = 0

    def take(self, number: int) -> bool:
        """Notes that a message has come; False if it came before."""
        if number == self.next:
            self.next = number + 1
        elif number > self.next:
            self._miss(number)
        elif number in self._missing:
            del self._missing[number]
            self.out_of_order += 1
        else:
            self.duplicated += 1
            return False
        self.received += 1
        return True

    def count_lost(self, sent: int) -> int:
        """How many of the first `sent` have not come."""
        return self._forgotten + len(self._missing) + max(sent - self.next, 0)

    def _miss(self, number: int) -> None:
        """What lies between is missing. The oldest beyond the bound are given up; a whole range of them is not even looked at."""
        first = max(self.next, number - MOST_MISSING)
        self._forgotten += first - self.next
        self._missing.update(dict.fromkeys(range(first, number)))
        self.next = number + 1
        excess = max(len(self._missing) - MOST_MISSING, 0)
        for old in list(islice(self._missing, excess)):
            del self._missing[old]
        self._forgotten += excess
