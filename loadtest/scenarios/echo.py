"""`echo`: each user sends at a fixed rate, and what it sends comes back."""

from __future__ import annotations

from loadtest.scenarios.scenario import ScenarioUser


class Echo(ScenarioUser):
    """The plain round trip."""

    path = "/echo"
    rate = 10.0
