"""The scenarios of ./dev load: who the users are, how many by default, for how long, in which shape. Data, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

FAULTLESS = "lost = 0, duplicated = 0, out_of_order = 0, errors = 0"
"""What holds for every scenario, whatever else is asked."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A row of the catalogue."""

    text: str
    """What it shows, in one line."""
    classes: tuple[str, ...]
    """Its user classes in loadtest/scenarios."""
    path: str
    """The route it uses, or the first of them."""
    users: int
    time: str = "30s"
    shape: str = "steady"
    kills: bool = False
    """Whether the daemon is killed and started again when half of the time is over."""
    judges_memory: bool = False


CATALOGUE = {
    "echo": Scenario("what is sent comes back: the plain round trip", ("Echo",), "/echo", 200),
    "room": Scenario("many rooms, whose members talk, come and go", ("Room",), "/room/lobby-0", 200),
    "ticker": Scenario("the same to all who listen, who only receive", ("Ticker",), "/ticker", 200),
    "transform": Scenario("a handler that looks inside each message", ("Transform",), "/transform", 200),
    "burst": Scenario("silence, then 50 messages at once from each", ("Burst",), "/echo", 40),
    "idle": Scenario("thousands of connections that say nothing", ("Idle",), "/idle", 3000),
    "reconnect": Scenario("the server is killed, and a herd comes back at once", ("Reconnect",), "/echo", 500, kills=True),
    "slow": Scenario("a fifth of the listeners reads slowly; the others must not feel it", ("Slow",), "/slow", 25),
    "soak": Scenario(
        "echo, rooms, a ticker and a transform for long: does anything grow?",
        ("Echo", "Room", "Ticker", "Transform"),
        "/echo",
        100,
        "30m",
        "soak",
        judges_memory=True,
    ),
}
