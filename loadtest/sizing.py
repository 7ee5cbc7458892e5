"""What a site will need, from what was measured: CPU, memory and files for so many connections, rooms and messages. Pure.

The model, for messages that are published to rooms whose members are equally many:

    CPU a second = idle + pause(rate) x (messages x message + deliveries x delivery(connections)) + bytes + pings + handshakes
    memory       = daemon + connections x connection + rooms x room
    files        = connections + its own

`message` and `delivery` are those of a daemon that never waits. `pause` is how much dearer everything is where many clients send, each
when it likes: since the last message the daemon has slept, and the caches hold what others did meanwhile. `delivery` depends on how many
connections are written to in turn, since their data then fit into the caches or not; where nothing of them is there, a longer pause
makes no difference any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from loadtest.fit import interpolate
from loadtest.grown import Check, Grown, Series
from loadtest.growth_points import ALONE, MOST, ROOM_OF, SIZE

PING_S = 20.0
"""The default of `keepalive.ping`."""
IN_ONE_GO = 300
"""Up to so many members, what a room costs is a straight line: all of them fit into the caches."""


@dataclass(frozen=True, slots=True)
class Site:
    """What is asked of a daemon: `rate` messages a second in all, of `size` bytes; `joins` connections opened and closed a second."""

    connections: int
    rooms: int
    rate: float
    size: int = SIZE
    joins: float = 0.0
    ping_s: float = PING_S

    @property
    def members(self) -> float:
        """How many hear a message, its sender among them."""
        return self.connections / self.rooms


class Model:
    """The terms, taken from the curves; microseconds of CPU, but where the name says otherwise."""

    def __init__(self, grown: Grown) -> None:
        """Raises KeyError where a series is missing."""
        series = grown.series
        small = [point for point in series["subscribers.delivery_us"].points if point.x <= IN_ONE_GO]
        published = Series(small).scaled().straight()
        self.message_us = published.start
        self.idle_us = median(series["connections.idle_ms"].values) * 1000  # the same, however many are connected
        spread = series["connections.delivery_us"]
        self.connections, self._deliveries = spread.xs, [value - self.message_us / ROOM_OF for value in spread.values]
        rate = series["rate.message_us"]
        # Where most of it is the idle daemon, what is left of it is noise.
        alone = {per_s: value - self.idle_us / per_s for per_s, value in zip(rate.xs, rate.values, strict=True) if value * per_s > 2 * self.idle_us}
        without = self.message_us + self.delivery_us(ALONE)
        self.rates, self._pauses = list(alone), [value / without for value in alone.values()]
        self.most_us = max(self._deliveries) * min(self._pauses)
        # The lowest: a kernel that takes new pages for its buffers makes deliveries several times as dear for a while.
        echo, fan = series["sizes.echo_us"].lowest().fit("linear"), series["sizes.delivery_us"].lowest().fit("linear")
        self.delivered_byte_us = fan.slope
        self.received_byte_us = max(0.0, echo.slope - fan.slope)
        # The more there are, the less of it is the idle daemon.
        pings = series["connections.ping_us"]
        self.ping_us = pings.values[-1] - self.idle_us / pings.xs[-1]
        self.handshake_us = series["routes.handshake_us"].values[0]
        silent, in_rooms = series["connections.memory_mib"].straight(), series["rooms.memory_mib"].straight()
        self.daemon_mib = silent.start
        self.silent_kib = silent.slope * 1024
        self.connection_kib = (in_rooms.start - silent.start) * 1024 / MOST
        self.room_kib = in_rooms.slope * 1024
        self.kernel_kib = series["connections.slab_mib"].values[-1] * 1024 / series["connections.slab_mib"].xs[-1] / 2
        self.files = min((check.files - check.connections for check in grown.checks), default=0)

    def delivery_us(self, connections: float) -> float:
        """A delivery, where so many connections are written to in turn."""
        return interpolate(self.connections, self._deliveries, connections)

    def pause(self, rate: float) -> float:
        """How many times as dear work is that begins so many times a second, compared with that of a daemon that never waits."""
        return interpolate(self.rates, self._pauses, rate)

    def heard_us(self, site: Site) -> float:
        """A delivery at a site, after its pauses."""
        return min(self.pause(site.rate) * self.delivery_us(site.connections), self.most_us)

    def terms(self, site: Site) -> dict[str, float]:
        """What share of a core each part of the work takes."""
        more = site.size - SIZE
        deliveries, pause = site.rate * site.members, self.pause(site.rate)
        used_us = {
            "idle": self.idle_us,
            "messages": site.rate * (pause * self.message_us + more * self.received_byte_us),
            "deliveries": deliveries * (self.heard_us(site) + more * self.delivered_byte_us),
            "pings": site.connections / site.ping_s * self.ping_us if site.ping_s else 0.0,
            "handshakes": site.joins * self.handshake_us,
        }
        return {name: value / 1e6 for name, value in used_us.items()}

    def cpu(self, site: Site) -> float:
        """What share of a core it takes."""
        return sum(self.terms(site).values())

    def memory_mib(self, site: Site) -> float:
        """What the daemon's process holds; what waits for clients that are behind comes on top."""
        return self.daemon_mib + (site.connections * self.connection_kib + site.rooms * self.room_kib) / 1024

    def open_files(self, site: Site) -> int:
        """How many files it has open."""
        return site.connections + self.files


def site_of(check: Check) -> Site:
    """What was asked at a check; it is over before the first ping is due."""
    return Site(check.connections, check.rooms, check.rate, check.size, ping_s=0.0)
