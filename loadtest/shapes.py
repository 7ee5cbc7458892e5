"""How many users there are when: the shapes of a run. Pure.

steady   all of them as soon as may be, until the end: Locust's own --users and --spawn-rate
ramp     from none to all of them, evenly over the whole time: where does it bend?
spike    a tenth, then all at once for the middle third, then a tenth again: does it come back?
soak     slowly up in a tenth of the time (at most a minute), then the same for long: does anything grow?
"""

from __future__ import annotations

import math

SHAPES = ("steady", "ramp", "spike", "soak")
SOAK_RAMP_S = 60.0


def count_users(shape: str, now_s: float, time_s: float, users: int) -> int:
    """How many users there are `now_s` after the start of a run of `time_s`, of at most `users`."""
    if shape == "ramp":
        return max(1, math.ceil(users * min(1.0, (now_s + 1) / time_s)))
    if shape == "spike":
        return users if time_s / 3 <= now_s < time_s * 2 / 3 else max(1, users // 10)
    if shape == "soak":
        return max(1, math.ceil(users * min(1.0, (now_s + 1) / min(SOAK_RAMP_S, time_s / 10))))
    return users
