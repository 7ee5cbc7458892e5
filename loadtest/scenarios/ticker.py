"""`ticker`: users that only receive what the server sends to all of them."""

from __future__ import annotations

from loadtest.scenarios.scenario import ScenarioUser


class Ticker(ScenarioUser):
    """One of many listeners. The server's messages say when they were due."""

    path = "/ticker"
    rate = 0.0
