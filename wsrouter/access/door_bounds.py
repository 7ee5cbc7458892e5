"""The limits of the door that are no settings: each with its value, what happens beyond it, and whose value it is. `wsrouter explain` shows them."""

from __future__ import annotations

from typing import Final

# Sockets that are accepted and no WebSockets yet; less where the open-file limit leaves less. Each takes some 10 KiB, with TLS 50.
MAX_HALF_OPEN: Final = 1000
# Nobody is cut off for others before he had this long, where the kernel can keep those waiting instead: TLS takes a round trip more.
GRACE_S: Final = 0.3
# So many are accepted in one turn of the loop, each some 30 us: those who are in come first. libuv itself accepts one a turn.
ACCEPTS_A_TURN: Final = 16
# How long a listener of ours stops accepting when the process has no file to spare. NATS waits 10 ms to 1 s.
EXHAUSTED_PAUSE_S: Final = 0.1
# The specification says that a header comes in one segment; HAProxy waits 3 s.
PROXY_HEADER_S: Final = 2.0
# What `proxy-protocol.txt` allows: a line of 107 bytes with its CRLF, 536 bytes in all in version 2.
MAX_PROXY_V1_BYTES: Final = 107
MAX_PROXY_V2_BYTES: Final = 536

DOOR_BOUNDS: Final = (
    ("half-open handshakes", f"{MAX_HALF_OPEN:,}", "the oldest is cut off", "SYN caches drop the oldest; websockets has none"),
    ("accepts", f"{ACCEPTS_A_TURN} a turn of the loop", "the kernel's queue of 4,096 holds the rest", "libuv 1 a turn, asyncio as many as wait"),
    ("time for a PROXY header", f"{PROXY_HEADER_S:g}s", "closed", "HAProxy 3s"),
    ("PROXY header", f"{MAX_PROXY_V1_BYTES}B, version 2 {MAX_PROXY_V2_BYTES}B", "closed", "the specification"),
)
"""Name, value, what happens beyond it, precedent."""
