"""`Door`: who may come in to a route: where credentials are looked for, who tells whose they are, and which users are allowed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

from wsrouter.access.credentials import Credentials, CredentialsError, Fields, find_credentials
from wsrouter.access.decision import Authenticator, Decision, Later, Rejected, wrong
from wsrouter.api.causes import Reason
from wsrouter.api.handshake import HandshakeRequest
from wsrouter.api.ports import Refusal
from wsrouter.api.user import User

if TYPE_CHECKING:
    from wsrouter.api.allow import Allow


class Request(HandshakeRequest, Protocol):
    """A request with its headers as they came."""

    @property
    def fields(self) -> Fields:
        """The headers; all values of a name."""


@dataclass(frozen=True, slots=True, eq=False)
class Door:
    """What a route asks of whoever wants to come in. Made once a site for all routes that say the same."""

    authenticator: Authenticator
    cookie: str | None = None
    parameter: str | None = None
    refuse: Literal["http", "close"] = "http"

    def decide(self, request: Request) -> Decision | Later:
        """Who it is, or why nobody: at once where that can be told at once."""
        credentials: Credentials | None = None
        if self.authenticator.takes_credentials:
            try:
                credentials = find_credentials(request.fields, request.query, cookie=self.cookie, parameter=self.parameter)
            except CredentialsError as error:
                return self._challenged(wrong(str(error)))
            if credentials is None:
                return self._challenged(wrong("no credentials", self._places(), is_guess=False))
            if credentials.place == "cookie" and not request.fields.get_all("Origin"):
                # Browsers send cookies along for any page; their Origin is what tells whose page it is.
                return Rejected(Refusal(Reason.ORIGIN, "credentials in a cookie without an Origin header", "send the token in Authorization"))
        decision = self.authenticator.authenticate(credentials, request)
        if isinstance(decision, Rejected):
            return self._challenged(decision)
        return decision if isinstance(decision, User) else partial(self._later, decision)

    def _places(self) -> str:
        """Where a client may put its credentials, for the record of one that has none."""
        if self.authenticator.challenge.startswith("Basic"):
            return "send Authorization: Basic"
        others = [f"the {kind} {name}" for kind, name in (("query parameter", self.parameter), ("cookie", self.cookie)) if name]
        return "send " + " or ".join(["Authorization: Bearer TOKEN", "the subprotocols bearer, TOKEN", *others])

    def still_admits(self, request: Request, user: str, before: Door | None) -> bool:
        """Whether somebody who came in through `before` could come in again, as far as that is known without asking outside."""
        if before is None:
            return False
        known = self.authenticator.still_knows(user, before.authenticator)
        if known is not None:
            return known
        if self.authenticator.same_as(before.authenticator):
            return True
        decision = self.decide(request)
        return isinstance(decision, User) and decision.name == user

    def same_as(self, other: Door) -> bool:
        """Whether another decides the same on everything."""
        mine, theirs = (self.cookie, self.parameter, self.refuse), (other.cookie, other.parameter, other.refuse)
        return mine == theirs and self.authenticator.same_as(other.authenticator)

    def close(self) -> None:
        """Gives back what it holds open: nobody asks it any more."""
        self.authenticator.close()

    async def _later(self, decide: Later) -> Decision:
        decided = await decide()
        return self._challenged(decided) if isinstance(decided, Rejected) else decided

    def _challenged(self, rejected: Rejected) -> Rejected:
        """A 401 says what it wants (RFC 9110, section 11.6.1)."""
        refusal, challenge = rejected.refusal, self.authenticator.challenge
        if refusal.reason is not Reason.UNAUTHENTICATED or refusal.headers or not challenge:
            return rejected
        return Rejected(Refusal(refusal.reason, refusal.detail, refusal.fix, (("WWW-Authenticate", challenge),)), rejected.is_guess)


def check_allowed(allow: Allow | None, user: str, claims: Mapping[str, object], params: Mapping[str, object]) -> Refusal | None:
    """Keeps out a user that is known and not allowed."""
    if allow is None or allow.admits(user, claims, params):
        return None
    return Refusal(Reason.FORBIDDEN, f"{user} is not allowed here", "allow: of the route says who is")
