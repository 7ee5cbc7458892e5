"""`burst`: each user is silent, then sends 50 messages at once; all of them are due at the same moment."""

from __future__ import annotations

from loadtest.scenarios.scenario import ScenarioUser


class Burst(ScenarioUser):
    """Rounds of many messages at once: the last of a batch shows how fast one connection is served."""

    path = "/echo"
    rate = 25.0
    batch = 50
