"""What all scenarios have: their figures may be changed from the command line."""

from __future__ import annotations

from typing import Any

from loadtest.user import WebSocketUser


class ScenarioUser(WebSocketUser):
    """A user whose rate, size and batch are those of `--rate`, `--size` and `--batch` where they are given."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.rate = self.option("rate", self.rate)
        self.size_bytes = self.option("size", self.size_bytes)
        self.batch = self.option("batch", self.batch)

    def option(self, name: str, default: Any) -> Any:
        """The value of an option of the command line or the web UI (which gives texts); the default where there is none."""
        value = getattr(self.environment.parsed_options, name, None)
        return default if value in {None, ""} else type(default)(value)
