"""Where a client's credentials stand in its request (RFC 6750, RFC 7617; browsers can set no header, hence the other places). Pure.

They are looked for in this order, and the first place that has some decides: `Authorization`, the subprotocols `bearer, TOKEN`,
the query parameter, the cookie. Nothing here ends up in a text that anybody reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

BEARER: Final = "bearer"
"""The subprotocol that says: the next one is a token. It is what is agreed on, unless the route has one that the client offers."""
MAX_CREDENTIAL: Final = 8192  # a header line is no longer; JWTs have 300 to 2,000 characters

_TOKEN68: Final = re.compile(r"[!-~]+")  # tokens are printable ASCII without spaces; which more are valid is for whoever made them

Place = Literal["header", "subprotocol", "query", "cookie"]


class CredentialsError(ValueError):
    """Credentials that are written as nobody writes them; the text says how, without them."""


class Fields(Protocol):
    """Headers of which a name may stand several times."""

    def get_all(self, name: str) -> list[str]:
        """All values of a name, in their order."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token, or a user's name with a password. Its `repr` shows neither."""

    place: Place
    token: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str | None = field(default=None, repr=False)


def find_credentials(headers: Fields, query: Mapping[str, str], *, cookie: str | None = None, parameter: str | None = None) -> Credentials | None:
    """The credentials of a request; `cookie` and `parameter` name what a route reads besides the headers.

    Raises:
        CredentialsError: if there are some that cannot be read.
    """
    authorization = headers.get_all("Authorization")
    if len(authorization) > 1:
        raise CredentialsError("more than one Authorization header")
    if authorization:
        return parse_authorization(authorization[0])
    token = find_bearer(offered(headers))
    if token is not None:
        return Credentials("subprotocol", token)
    if parameter is not None and parameter in query:
        return Credentials("query", _checked(query[parameter], "the query parameter"))
    value = find_cookie(headers.get_all("Cookie"), cookie) if cookie is not None else None
    return Credentials("cookie", _checked(value, "the cookie")) if value else None


def parse_authorization(text: str) -> Credentials:
    """The header `Authorization`: `Bearer TOKEN` or `Basic BASE64`, the scheme in any case.

    Raises:
        CredentialsError: if it is neither.
    """
    scheme, _, rest = text.strip().partition(" ")
    rest = rest.strip(" ")
    if scheme.lower() == "bearer":
        return Credentials("header", _checked(rest, "the Bearer token"))
    if scheme.lower() == "basic":
        return _parse_basic(rest)
    raise CredentialsError("an Authorization that is neither Bearer nor Basic")


def offered(headers: Fields) -> list[str]:
    """The subprotocols that a client offers, in its order."""
    return [name for value in headers.get_all("Sec-WebSocket-Protocol") for part in value.split(",") if (name := part.strip(" \t"))]


def find_bearer(subprotocols: Sequence[str]) -> str | None:
    """The token after `bearer`; None where there is none.

    Raises:
        CredentialsError: if the token is missing, or too long.
    """
    for at, name in enumerate(subprotocols):
        if name == BEARER:
            return _checked(subprotocols[at + 1] if at + 1 < len(subprotocols) else "", "the subprotocol after bearer")
    return None


def without_tokens(subprotocols: Sequence[str]) -> list[str]:
    """The subprotocols less those that stand after `bearer`."""
    return [name for before, name in zip(["", *subprotocols], subprotocols, strict=False) if before != BEARER]


def find_cookie(values: Sequence[str], name: str) -> str | None:
    """A cookie's value, without the quotes that may stand around it; the first of its name (RFC 6265, section 4.2)."""
    for value in values:
        for pair in value.split(";"):
            key, equals, text = pair.strip(" \t").partition("=")
            if equals and key == name:
                return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    return None


def _parse_basic(text: str) -> Credentials:
    """A name and a password in base64 (RFC 7617), as UTF-8."""
    from base64 import b64decode

    try:
        name, colon, password = b64decode(text.encode(), validate=True).decode().partition(":")
    except ValueError:
        raise CredentialsError("a Basic Authorization that is no base64 of UTF-8") from None
    if not colon or not name or "\0" in name + password or len(name) > MAX_NAME:
        raise CredentialsError("a Basic Authorization without name:password")
    return Credentials("header", user=name, password=password)


MAX_NAME: Final = 256
"""The longest name of a user: it stands in every record of the connection."""


def _checked(text: str, what: str) -> str:
    """A token, if it can be one.

    Raises:
        CredentialsError: if it is empty, too long, or has characters that no token has.
    """
    if len(text) > MAX_CREDENTIAL or _TOKEN68.fullmatch(text) is None:
        raise CredentialsError(f"{what} is empty, or no token")
    return text
