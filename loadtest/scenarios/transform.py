"""`transform`: as echo, on a route that takes what comes back out of the JSON that was sent."""

from __future__ import annotations

from loadtest.scenarios.scenario import ScenarioUser
from loadtest.stamp import wrap, write_stamp


class Transform(ScenarioUser):
    """The round trip through a handler that looks inside each message."""

    path = "/transform"
    rate = 10.0

    def make_message(self, sender: str, number: int, due_s: float) -> str:
        """A stamp inside an object."""
        return wrap(write_stamp(sender, number, due_s, self.size_bytes))
