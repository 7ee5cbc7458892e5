"""The limits that are no settings: each with its value, what happens beyond it, and whose value it is. `wsrouter explain` shows them."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

# As `websockets` (MAX_FRAGMENTS), after CVEs of its kind in ws and undici; with its variable, for the few that need more.
MAX_FRAGMENTS: Final = int(os.environ.get("WEBSOCKETS_MAX_FRAGMENTS", "4096"))
# A client has use for a ping and a pong every few seconds.
CONTROL_RATE: Final = 20.0
CONTROL_BURST: Final = 50
# Apache's mod_reqtimeout: body=20,MinRate=500. What comes at less than a modem's speed is not waited for.
FRAME_TIMEOUT_S: Final = 30.0
FRAME_BYTES_A_SECOND: Final = 1024
# websockets 10 s, ws 30 s. A client that does not answer a close within this is cut off.
CLOSE_TIMEOUT_S: Final = 5.0
# nginx 4 x 8 KiB, Apache 8 KiB a line and 100 lines, Node.js 16 KiB in all.
MAX_HEAD_BYTES: Final = 32 * 1024
# As `websockets` under asyncio: above this `await send()` waits, and a connection's own replies pause its reading.
WRITE_HIGH_BYTES: Final = 64 * 1024
# What one client may have handled before the others have their turn: about a quarter of a millisecond of echoes.
MESSAGES_A_TURN: Final = 256
# As much as one read brings plain (uvloop's buffer). Without it 256 KiB of deflate became 200 MiB in one turn of 0.8 s.
INFLATED_PER_TURN_BYTES: Final = 256 * 1024
# Short messages cost more than their bytes: some 250 each. Centrifugo bounds its queues by bytes alone.
MOST_SHEDDING: Final = 16_384


class Bound(NamedTuple):
    """One of them, in words."""

    name: str
    value: str
    beyond: str
    precedent: str


BOUNDS: Final = (
    Bound("fragments", f"{MAX_FRAGMENTS:,} a message", "closed with 1009, too_big", "websockets 4,096"),
    Bound("control frames", f"{CONTROL_RATE:g}/s, burst {CONTROL_BURST}", "closed with 1008, flood", "ws bounds automatic pongs"),
    Bound(
        "time for a frame",
        f"{FRAME_TIMEOUT_S:g}s, and 1s for each {FRAME_BYTES_A_SECOND} bytes that came",
        "closed with 1008, timeout",
        "Apache body=20,MinRate=500",
    ),
    Bound("time for a close", f"{CLOSE_TIMEOUT_S:g}s", "cut off", "websockets 10s, ws 30s"),
    Bound("request line", "8192B", "refused with 414", "websockets and Apache 8 KiB"),
    Bound("request headers", "128 of 8192B", "refused with 431", "websockets 128, Apache 100"),
    Bound("request", f"{MAX_HEAD_BYTES // 1024}KiB", "refused with 431", "nginx 4 x 8 KiB, Node.js 16 KiB"),
    Bound("messages of a turn", f"{MESSAGES_A_TURN}", "the rest of a read waits for the next turn", "none known"),
    Bound("inflated in a turn", f"{INFLATED_PER_TURN_BYTES // 1024}KiB", "the rest of a read waits for the next turn", "uvloop's read buffer"),
    Bound("on its way to a client", f"{WRITE_HIGH_BYTES // 1024}KiB", "what follows waits in its outbox", "websockets 64 KiB"),
    Bound("messages in an outbox that drops", f"{MOST_SHEDDING:,}", "as outbox.on_full says", "NATS clients bound both"),
)
