"""What Locust asks how many users there are: a shape of loadtest.shapes.py."""

from __future__ import annotations

from locust import LoadTestShape

from loadtest.shapes import count_users

FASTEST = 500.0
"""Users that are started or stopped in a second, where a shape wants it at once."""


class Shape(LoadTestShape):
    """What Locust asks each second. It ends with --run-time."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """How many users, and how fast to get there; None at the end."""
        options = self.runner.environment.parsed_options
        now_s, time_s = self.get_run_time(), float(options.run_time or 60)
        if now_s >= time_s:
            return None
        return count_users(options.shape, now_s, time_s, int(options.num_users or 1)), FASTEST
