"""How many connections there are, of each route and of each user."""

from __future__ import annotations

from collections import Counter
from typing import Protocol, TypeVar

KeyT = TypeVar("KeyT")


class Guest(Protocol):
    """A connection, as it is counted."""

    @property
    def route(self) -> str:
        """The pattern of its route."""

    @property
    def user(self) -> str | None:
        """Who it is, where that is known."""


class Census:
    """How many connections there are of each route and of each user of a route. A reload changes nothing in it: routes count by their pattern."""

    def __init__(self) -> None:
        """Nobody is here."""
        self._routes: Counter[str] = Counter()
        self._users: Counter[tuple[str, str]] = Counter()

    def added(self, guest: Guest) -> None:
        """One more."""
        self._routes[guest.route] += 1
        if guest.user is not None:
            self._users[guest.route, guest.user] += 1

    def removed(self, guest: Guest) -> None:
        """One less; nothing is kept of those who are gone."""
        _take(self._routes, guest.route)
        if guest.user is not None:
            _take(self._users, (guest.route, guest.user))

    def of_route(self, route: str) -> int:
        """How many connections a route has, those of its older generations included."""
        return self._routes[route]

    def of_user(self, route: str, user: str) -> int:
        """How many of them are of one user."""
        return self._users[route, user]


def _take(counter: Counter[KeyT], key: KeyT) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
