"""A client's request before it is let in, and what a handler's `on_handshake` may answer: `Accept` or `Refuse`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from wsrouter.api.client_facts import ClientFacts


class HandshakeRequest(ClientFacts, Protocol):
    """A client's request before it is let in. It holds the client's credentials: record nothing of its headers and query."""

    @property
    def target(self) -> str:
        """The request's target with its query, as sent."""

    @property
    def subprotocols(self) -> Sequence[str]:
        """The subprotocols that the client offers, in its order; without the token after `bearer`, which must not be chosen."""


# RFC 9110: a token (section 5.6.2), and what may stand in a field (5.5), less what is not ASCII, which no two readers take alike.
_NAME: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]{1,64}")
_VALUE: Final = re.compile(r"[!-~]([\t -~]*[!-~])?|")
_OURS: Final = re.compile(r"sec-websocket-.*|connection|upgrade|content-.*|transfer-encoding|trailer|te|keep-alive|proxy-.*|server|date", re.IGNORECASE)
# What many a proxy keeps for the headers of an answer (nginx: 4 KiB in all, of which cookies may take most).
MAX_HEADER_BYTES: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """Lets the client in, with what this sets of the answer.

    `subprotocol` must be one that the client offers; None leaves it to the route's `subprotocols`. `headers` go with the 101; of
    a list, such as two cookies of `Set-Cookie`, each value is a header of its own. Names that HTTP and WebSocket need themselves are
    refused, as are values with anything but printable ASCII. Raises ValueError for these.
    """

    subprotocol: str | None = None
    headers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks what would be written, where the line that made it can be named."""
        if self.subprotocol is not None and not _NAME.fullmatch(self.subprotocol):
            raise ValueError(f"{self.subprotocol!r} is no subprotocol: its name is 1 to 64 letters, digits and -._~ without spaces")
        for name, value in self.lines():
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a header: write 1 to 64 letters, digits and - without spaces")
            if _OURS.fullmatch(name):
                raise ValueError(f"the header {name} belongs to the handshake: on_handshake may not set it")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"the value of the header {name} has characters that no header may have: write printable ASCII, without line ends")
        if sum(len(name) + len(value) + 4 for name, value in self.lines()) > MAX_HEADER_BYTES:
            raise ValueError(f"headers over {MAX_HEADER_BYTES} bytes: proxies do not take them")

    def lines(self) -> Iterator[tuple[str, str]]:
        """The headers as they are sent, a name and a value each."""
        for name, value in self.headers.items():
            for one in [value] if isinstance(value, str) else value:
                yield name, one


@dataclass(frozen=True, slots=True)
class Refuse:
    """Keeps the client out, with an HTTP status from 400 on. `why` stands in the record only: the client is told the status.

    With `refuse: close` of the route's `auth` it is told by a close code: 4000 and the status, 1013 for 503, 1011 for others from 500 on.
    Raises ValueError for a status that HTTP has not.
    """

    status: int = 403
    why: str = ""

    def __post_init__(self) -> None:
        """Checks the status, where the line that made it can be named."""
        from http import HTTPStatus  # not needed where nobody is refused

        if self.status < 400 or self.status not in HTTPStatus.__members__.values():
            raise ValueError(f"{self.status!r} is no status to refuse with: write one that HTTP has, from 400 to 511")


Answer = Accept | Refuse | None
"""What `on_handshake` may return; None lets the client in as it is."""
