"""`idle`: connections that say nothing: what they cost in memory, and that none of them is lost."""

from __future__ import annotations

from loadtest.scenarios.scenario import ScenarioUser


class Idle(ScenarioUser):
    """A silent connection; it answers the server's pings."""

    path = "/idle"
    rate = 0.0
