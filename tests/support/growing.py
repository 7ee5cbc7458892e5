"""A run of `./dev growth` on a daemon whose costs are known: what is found in it can be compared with what was put in."""

from __future__ import annotations

from loadtest.grown import Check, Grown, Point, Series

MESSAGE_US, DELIVERY_US, IDLE_MS, PING_US = 20.0, 3.0, 4.0, 25.0
DAEMON_MIB, CONNECTION_KIB, MEMBER_KIB, ROOM_KIB, KERNEL_KIB = 38.0, 3.0, 4.0, 1.0, 3.5


def series(law, *xs):
    return Series([Point(x, [law(x) * 0.99, law(x), law(x) * 1.01]) for x in xs])


def known_run(checks=()):
    """Nothing bends but the pauses: up to 1,000 messages a second each costs twice as much."""
    alone = MESSAGE_US + DELIVERY_US
    return Grown(
        {
            "subscribers.delivery_us": series(lambda n: DELIVERY_US + MESSAGE_US / n, 10, 30, 100, 300, 1000, 3000, 10_000),
            "subscribers.among_silent_us": series(lambda n: 3.2, 100),
            "routes.start_ms": series(lambda n: 180 + n / 20, 1, 10, 100, 1000),
            "routes.start_cpu_ms": series(lambda n: 160 + n / 20, 1, 10, 100, 1000),
            "routes.memory_mib": series(lambda n: DAEMON_MIB + n / 200, 1, 10, 100, 1000),
            "routes.handshake_us": series(lambda n: 125, 1, 10, 100, 1000),
            "routes.echo_us": series(lambda n: 5.5, 1, 10, 100, 1000),
            "rooms.delivery_us": series(lambda r: DELIVERY_US + MESSAGE_US * r / 10_000, 1, 10, 1000, 5000),
            "rooms.memory_mib": series(lambda r: DAEMON_MIB + (10_000 * MEMBER_KIB + r * ROOM_KIB) / 1024, 1, 10, 1000, 5000),
            "sizes.echo_us": series(lambda size: 5 + size * 0.0003, 16, 1024, 16_384, 65_536),
            "sizes.delivery_us": series(lambda size: 3 + size * 0.0001, 16, 1024, 16_384, 65_536),
            "sizes.segments_us": series(lambda size: 25, 65_450, 65_500),
            "connections.memory_mib": series(lambda n: DAEMON_MIB + n * CONNECTION_KIB / 1024, 100, 1000, 10_000),
            "connections.slab_mib": series(lambda n: 2 * n * KERNEL_KIB / 1024, 100, 1000, 10_000),
            "connections.idle_ms": series(lambda n: IDLE_MS, 100, 1000, 10_000),
            "connections.delivery_us": series(lambda n: DELIVERY_US + MESSAGE_US / 20, 100, 1000, 10_000),
            "connections.ping_us": series(lambda n: PING_US + IDLE_MS * 1000 / n, 100, 1000, 10_000),
            "rate.message_us": series(lambda per_s: alone * (2 if per_s <= 1000 else 1) + IDLE_MS * 1000 / per_s, 10, 100, 300, 1000, 10_000),
            "rate.awake_us": series(lambda per_s: 70, 100),
        },
        checks,
        "2026-11-23",
        "./dev growth",
        "a machine, 2 cores",
        "Python 3.11",
        {"L2 Unified": 2 << 20},
    )


def known_check(connections=2000, rooms=100, rate=500, cpu=(0.01,), memory_bytes=50 << 20):
    return Check(connections, rooms, rate, 128, list(cpu), memory_bytes, connections + 17)
