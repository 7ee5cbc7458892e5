"""A plugin that says who somebody is: the door for people with their own sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable

from wsrouter.access.credentials import MAX_NAME, Credentials
from wsrouter.access.decision import Authenticator, Decision, Later, unavailable, wrong
from wsrouter.api.handshake import HandshakeRequest
from wsrouter.api.user import User

Sessions = Callable[[HandshakeRequest], Awaitable[User | None] | User | None]


class PluginAuthenticator:
    """Asks `async def sessions(request) -> User | None`. What it raises keeps the client out, and is recorded as its failure."""

    takes_credentials = False
    challenge = ""

    def __init__(self, name: str, function: Sessions) -> None:
        """`name` is how the site calls it."""
        self.name = name
        self._function = function

    def authenticate(self, credentials: Credentials | None, request: HandshakeRequest) -> Decision | Later:
        """What it says, when it says it."""
        return partial(self._ask, request)

    async def _ask(self, request: HandshakeRequest) -> Decision:
        answer = self._function(request)
        user = await answer if isawaitable(answer) else answer
        if user is None:
            return wrong(f"{self.name} knows nobody like this", is_guess=bool(request.headers.get("Authorization") or request.headers.get("Cookie")))
        if not isinstance(user, User) or not is_name(user.name):
            return unavailable(f"{self.name} returned no User with a name of 1 to {MAX_NAME} characters", f"return User(name) or None from {self.name}")
        return user

    def still_knows(self, user: str, before: Authenticator) -> bool | None:
        """A plugin that was edited is asked for newcomers; who is here stays."""
        return isinstance(before, PluginAuthenticator) and before.name == self.name

    def same_as(self, other: Authenticator) -> bool:
        """Whether it is the same function."""
        return isinstance(other, PluginAuthenticator) and self._function is other._function

    def close(self) -> None:
        """Nothing is open."""


def is_name(name: object) -> bool:
    """Whether it can be the name of a user: it stands in records."""
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable()
