"""Control frames in their ordinary form, without a `ServerProtocol`: with one, a connection cost 20 us more, and a ping or pong 8 (docs/cost.md).

What is not ordinary (an invalid code, a reason that is not UTF-8, a fragment or compression pending) stays with the slow lane.
"""

from __future__ import annotations

from websockets.exceptions import ProtocolError
from websockets.frames import Close, apply_mask  # type: ignore[attr-defined]  # the C function, or Python's where there is no C

CLOSE, PING, PONG = 0x88, 0x89, 0x8A
"""The first bytes of control frames."""

Closes = tuple[Close | None, Close | None, bool | None]
"""The close frame that was received, the one that was sent, and whether that was the order, as far as it has come."""

NO_CLOSES: Closes = (None, None, None)


def parse_close(data: bytes) -> tuple[Close, bytes] | None:
    """What one whole, masked frame says and its payload, if it is a close frame that the library takes; else None.

    Whether it does take one is decided by the library's own `Close.parse`.
    """
    length = data[1] & 0x7F
    if data[0] != CLOSE or length > 125:
        return None
    payload = apply_mask(data[6:], data[2:6])
    try:
        return Close.parse(payload), payload
    except (ProtocolError, UnicodeDecodeError):
        return None


def parse_ping(data: bytes) -> bytes | None:
    """The payload of one whole, masked frame, if it is a ping or a pong that the library takes; else None."""
    length = data[1] & 0x7F
    if not (data[0] == PING or data[0] == PONG) or length > 125:
        return None
    return apply_mask(data[6:], data[2:6])
