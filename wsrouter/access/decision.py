"""What an authenticator is asked and what it answers: the Protocols of who may come in. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from wsrouter.access.credentials import Credentials
from wsrouter.api.causes import Reason
from wsrouter.api.handshake import HandshakeRequest
from wsrouter.api.ports import Refusal
from wsrouter.api.user import User


@dataclass(frozen=True, slots=True)
class Rejected:
    """Somebody who does not come in. `is_guess` where a credential was wrong as a guess is: those are counted."""

    refusal: Refusal
    is_guess: bool = False


Decision = User | Rejected
Later = Callable[[], Awaitable[Decision]]
"""A decision that must be waited for. Nothing has begun before it is called, so nothing is left over where nobody calls it."""


class Authenticator(Protocol):
    """One way to tell who somebody is."""

    takes_credentials: bool
    """Whether it wants a token or password; the others look at the whole request."""
    challenge: str
    """What `WWW-Authenticate` says in a 401; empty for none."""

    def authenticate(self, credentials: Credentials | None, request: HandshakeRequest) -> Decision | Later:
        """Who it is. An answer at hand comes at once; one that must be waited for as what is to be called then. Its text holds no secret."""

    def still_knows(self, user: str, before: Authenticator) -> bool | None:
        """Whether a user that `before` let in is as before; None where their credentials must be looked at again."""

    def same_as(self, other: Authenticator) -> bool:
        """Whether another decides the same on everything, so that it can go on instead."""

    def close(self) -> None:
        """Gives back what it holds open; called in the loop."""


def wrong(detail: str, fix: str = "", *, is_guess: bool = True) -> Rejected:
    """Credentials that nobody has."""
    return Rejected(Refusal(Reason.UNAUTHENTICATED, detail, fix), is_guess)


def unavailable(detail: str, fix: str = "") -> Rejected:
    """Nobody can tell now who it is: it stays outside."""
    return Rejected(Refusal(Reason.AUTH_UNAVAILABLE, detail, fix))
