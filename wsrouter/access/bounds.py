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
# One that took nothing for `outbox.stalled` takes no close frame either.
STALLED_CLOSE_TIMEOUT_S: Final = 1.0
# How many times in `outbox.stalled` it is looked whether a client took something: so many parts of it may be added to it.
STALLED_LOOKS: Final = 10
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

# How late the event loop may answer, and for how long, before nobody more is let in. Fastify's under-pressure 1 s, toobusy-js 70 ms.
OVERLOAD_LAG_S: Final = 0.5
OVERLOAD_AFTER_S: Final = 3.0
# Of the limit of the cgroup, or of the process. Envoy's overload manager: 95 % shrinks, 98 % accepts no more; what is here still grows.
OVERLOAD_MEMORY: Final = 0.85


class Bound(NamedTuple):
    """One of them, in words."""

    name: str
    value: str
    beyond: str
    precedent: str


BOUNDS: Final = (
    Bound("half-open handshakes", f"{MAX_HALF_OPEN:,}", "the oldest is cut off", "SYN caches drop the oldest; websockets has none"),
    Bound("accepts", f"{ACCEPTS_A_TURN} a turn of the loop", "the kernel's queue of 4,096 holds the rest", "libuv 1 a turn, asyncio as many as wait"),
    Bound(
        "lag of the event loop",
        f"{OVERLOAD_LAG_S:g}s for {OVERLOAD_AFTER_S:g}s",
        "newcomers are refused with 503, overload, until it is half of that as long",
        "under-pressure 1s, toobusy-js 70ms",
    ),
    Bound(
        "memory",
        f"{OVERLOAD_MEMORY:.0%} of the limit of its cgroup (MemoryMax) or process (ulimit -v)",
        f"newcomers are refused with 503, overload, until it was not for {OVERLOAD_AFTER_S:g}s",
        "Envoy 98 %",
    ),
    Bound("time for a PROXY header", f"{PROXY_HEADER_S:g}s", "closed", "HAProxy 3s"),
    Bound("PROXY header", f"{MAX_PROXY_V1_BYTES}B, version 2 {MAX_PROXY_V2_BYTES}B", "closed", "the specification"),
    Bound("fragments", f"{MAX_FRAGMENTS:,} a message", "closed with 1009, too_big", "websockets 4,096"),
    Bound("control frames", f"{CONTROL_RATE:g}/s, burst {CONTROL_BURST}", "closed with 1008, flood", "ws bounds automatic pongs"),
    Bound(
        "time for a frame",
        f"{FRAME_TIMEOUT_S:g}s, and 1s for each {FRAME_BYTES_A_SECOND} bytes that came",
        "closed with 1008, timeout",
        "Apache body=20,MinRate=500",
    ),
    Bound(
        "time for a close", f"{CLOSE_TIMEOUT_S:g}s; {STALLED_CLOSE_TIMEOUT_S:g}s where it took nothing for outbox.stalled", "cut off", "websockets 10s, ws 30s"
    ),
    Bound("request line", "8192B", "refused with 414", "websockets and Apache 8 KiB"),
    Bound("request headers", "128 of 8192B", "refused with 431", "websockets 128, Apache 100"),
    Bound("request", f"{MAX_HEAD_BYTES // 1024}KiB", "refused with 431", "nginx 4 x 8 KiB, Node.js 16 KiB"),
    Bound("messages of a turn", f"{MESSAGES_A_TURN}", "the rest of a read waits for the next turn", "none known"),
    Bound("inflated in a turn", f"{INFLATED_PER_TURN_BYTES // 1024}KiB", "the rest of a read waits for the next turn", "uvloop's read buffer"),
    Bound("on its way to a client", f"{WRITE_HIGH_BYTES // 1024}KiB", "what follows waits in its outbox", "websockets 64 KiB"),
    Bound("messages in an outbox that drops", f"{MOST_SHEDDING:,}", "as outbox.on_full says", "NATS clients bound both"),
)
