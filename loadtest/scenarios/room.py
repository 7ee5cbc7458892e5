"""`room`: many rooms, whose members talk, and come and go."""

from __future__ import annotations

import random
from time import monotonic
from typing import Any

from loadtest.scenarios.scenario import ScenarioUser
from loadtest.user import Session

ROOMS = 20
STAY_S = 10.0


class Room(ScenarioUser):
    """A member of one of `--rooms` rooms; stays for `--stay` seconds in the mean, then goes to another one."""

    path = "/room/{room}"
    rate = 1.0

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._rooms = self.option("rooms", ROOMS)
        self._stay_s = self.option("stay", STAY_S)

    def target(self) -> str:
        """Another room each time."""
        self.topic = f"lobby-{random.randrange(self._rooms)}"
        return self.path.format(room=self.topic)

    def converse(self, session: Session) -> None:
        """Talks until it is time to go."""
        self._leaves_at = monotonic() + random.uniform(0.5, 1.5) * self._stay_s
        super().converse(session)

    def is_done(self) -> bool:
        """Whether it is time to go."""
        return monotonic() >= self._leaves_at
