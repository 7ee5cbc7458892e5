"""What is measured: how many connections do what, and what is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the table. `gauge` is what is divided by the messages: CPU seconds, or bytes of resident memory."""

    name: str
    mode: Literal["echo", "fan", "accept", "idle", "silent"]
    path: str
    connections: int
    in_flight: int
    size: int
    what: str
    gauge: Literal["cpu", "memory"] = "cpu"

    @property
    def unit(self) -> str:
        """What its figures are in."""
        return "us" if self.gauge == "cpu" else "KiB"


WORKLOADS = (
    Workload("echo-1", "echo", "/echo", 64, 1, 64, "64 connections, one message of 64 bytes in flight each"),
    Workload("echo-16", "echo", "/echo", 64, 16, 64, "64 connections, 16 messages in one write each"),
    Workload("echo-4k", "echo", "/echo", 64, 1, 4096, "64 connections, one message of 4096 bytes in flight each"),
    Workload("fan-1", "fan", "/room/a", 500, 1, 128, "500 subscribers, one message of 128 bytes, again when all have it"),
    Workload("fan-16", "fan", "/room/b", 500, 16, 128, "500 subscribers, 16 messages in one write"),
    Workload("accept", "accept", "/echo", 64, 1, 16, "connections opened and closed by the closing handshake, 64 at a time"),
    Workload("idle", "idle", "/echo", 500, 1, 16, "silent connections after a ping and a fragmented message: memory of each", "memory"),
)
