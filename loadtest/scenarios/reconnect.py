"""`reconnect`: a herd that comes back at once when the server is killed and started again."""

from __future__ import annotations

from loadtest.scenarios.scenario import ScenarioUser


class Reconnect(ScenarioUser):
    """One of the herd: sends a little, loses its connection, and comes again with back-off and jitter."""

    path = "/echo"
    rate = 1.0
    expects_loss = True
