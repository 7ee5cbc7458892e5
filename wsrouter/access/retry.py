"""When a client that was refused should come again: never all in the same moment (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import math
import random
from typing import Final

# Centrifugo and AWS leave it to the client; a spread of ten seconds makes of 2,000 refused clients 200 a second.
BUSY_SPREAD_S: Final = 10.0
# Who has too many connections or failures has no use for coming again at once.
TOO_MANY_WAIT_S: Final = 5.0
TOO_MANY_SPREAD_S: Final = 25.0

_WAITS: Final = {429: (TOO_MANY_WAIT_S, TOO_MANY_SPREAD_S), 503: (0.0, BUSY_SPREAD_S)}


def retry_after_s(wait_s: float, spread_s: float) -> int:
    """Whole seconds, at least 1: the wait, and by chance up to the spread more."""
    return max(1, math.ceil(wait_s + random.random() * spread_s))


def retry_header(status: int, given: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The headers of a refusal, with a `Retry-After` where its status asks for one and it has none."""
    waits = _WAITS.get(status)
    if waits is None or any(name == "Retry-After" for name, _ in given):
        return given
    return (*given, ("Retry-After", str(retry_after_s(*waits))))
