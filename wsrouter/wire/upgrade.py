"""What the handshake found out about a client, and what was agreed: the part of a connection that never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct, field

if TYPE_CHECKING:
    from wsrouter.pipeline.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Deflate:
    """What was agreed on compression: the window bits of either side, 9 to 15. Never with context takeover."""

    client_bits: int
    server_bits: int


class Upgrade(Struct, frozen=True):
    """An accepted upgrade. One for each connection: a frozen dataclass takes 1.6 us to make, this 0.2."""

    endpoint: Endpoint
    head: bytes
    """The request as it came; its fields are read again when somebody asks."""
    path: str
    params: Mapping[str, str | int]
    peer: str
    client: str
    subprotocol: str | None = None
    deflate: Deflate | None = None
    response: bytes = b""
    """The 101 as it went, for coroutines that look at it."""
    user: str | None = None
    claims: Mapping[str, object] = field(default_factory=dict)
    expires_in_s: float = 0.0
    """How long the credentials are good; 0 is for ever."""
