"""What a load run is told: where to, how many, how much, how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

SCHEDULED_WINDOW = 1024
"""How many messages of a connection may be unanswered at a fixed rate: what is due beyond that waits, and counts from when it was due."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server's address, taken apart."""

    url: str
    host: str
    port: int
    path: str
    unix: str | None = None
    """The path of its Unix socket, if it is at one; `host` and `port` go unused then."""
    tls: ssl.SSLContext | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def host_header(self) -> str:
        """As RFC 9110 wants it: without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.unix is not None or self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A load run."""

    target: Target
    connections: int = 10
    senders: int = 0
    """How many of the connections publish what all others get; 0: each gets the answers to what it sends."""
    rate: float | None = None
    """Messages a second, all senders together; None: a closed loop."""
    in_flight: int | None = None
    """How many messages of a sender may be unanswered; None: 1, and at a fixed rate SCHEDULED_WINDOW."""
    size_bytes: int = 64
    script: tuple[str, ...] = ()
    """Lines to send in turn, instead of stamped messages."""
    time_s: float = 10.0
    timeout_s: float = 5.0
    """How long a connection may take to open, and how long missing answers are waited for."""

    @property
    def window(self) -> int:
        """How many messages of a sender may be unanswered."""
        if self.in_flight is not None:
            return self.in_flight
        return 1 if self.rate is None else SCHEDULED_WINDOW

    @property
    def subject(self) -> str:
        """What is measured, as thresholds name it."""
        return "delivery" if self.senders else "round_trip"
