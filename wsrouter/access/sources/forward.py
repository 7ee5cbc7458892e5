"""A sub-request that decides, as nginx's auth_request: 2xx lets in, 401 and 403 keep out, anything else is a 503 for the client."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from wsrouter.access.credentials import Credentials
from wsrouter.access.decision import Authenticator, Decision, Later, Rejected, unavailable
from wsrouter.access.sources.http import HttpClient, HttpError
from wsrouter.access.sources.plugin import is_name
from wsrouter.api.causes import Reason
from wsrouter.api.handshake import HandshakeRequest
from wsrouter.api.ports import Refusal
from wsrouter.api.user import User

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of this hop (RFC 9110, section 7.6.1), of the upgrade, or said by us: what a client writes there is not passed on.
NOT_PASSED_ON: Final = frozenset({
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-original-method",
    "x-original-uri",
})  # fmt: skip


class ForwardAuthenticator:
    """Asks an address for each client."""

    takes_credentials = False
    challenge = ""

    def __init__(self, url: str, timeout_s: float, user: str, roles: str) -> None:
        """`user` and `roles` are headers of its answer."""
        self._settings = (url, timeout_s, user, roles)
        self._url = url
        self._timeout_s = timeout_s
        self._user = user.lower()
        self._roles = roles.lower()
        self._http = HttpClient()

    def authenticate(self, credentials: Credentials | None, request: HandshakeRequest) -> Decision | Later:
        """What it says, when it says it."""
        return partial(self._ask, request)

    async def _ask(self, request: HandshakeRequest) -> Decision:
        try:
            answer = await self._http.get(self._url, headers_for(request), timeout_s=self._timeout_s)
        except HttpError as error:
            return unavailable(f"forward: {error}", "look whether the address in auth.forward answers")
        if 200 <= answer.status < 300:
            return self._user_of(answer.headers)
        if answer.status == 401:
            challenge = answer.headers.get("www-authenticate", "")
            headers = (("WWW-Authenticate", challenge),) if challenge.isascii() and challenge.isprintable() and challenge else ()
            refusal = Refusal(Reason.UNAUTHENTICATED, "forward answered 401", headers=headers)
            return Rejected(refusal, is_guess=bool(request.headers.get("Authorization") or request.headers.get("Cookie")))
        if answer.status == 403:
            return Rejected(Refusal(Reason.FORBIDDEN, "forward answered 403"))
        return unavailable(f"forward answered {answer.status}", "it should answer 2xx, 401 or 403")

    def _user_of(self, headers: Mapping[str, str]) -> Decision:
        name = headers.get(self._user, "")
        if not is_name(name):
            return unavailable(f"forward named no user in {self._user}", "auth.forward.user says which header it is")
        roles = [role for part in headers.get(self._roles, "").split(",") if (role := part.strip()) and role.isprintable()]
        return User(name, {"roles": roles} if roles else {})

    def still_knows(self, user: str, before: Authenticator) -> bool | None:
        """Who was let in by another address is not known to this one."""
        return self.same_as(before)

    def same_as(self, other: Authenticator) -> bool:
        """Whether the settings are the same."""
        return isinstance(other, ForwardAuthenticator) and self._settings == other._settings

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()


def headers_for(request: HandshakeRequest) -> dict[str, str]:
    """The client's headers, less those of this hop, with where it wants to go and where it comes from."""
    headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_PASSED_ON}
    headers["X-Original-Method"] = "GET"
    headers["X-Original-URI"] = request.target
    headers["X-Forwarded-For"] = request.client
    headers["X-Forwarded-Host"] = request.headers.get("Host", "")
    return headers
