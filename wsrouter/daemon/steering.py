"""What may be asked of a running daemon: the Protocol between those who ask (the control socket, the private HTTP side) and the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wsrouter.api.messages import Message


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What became of a reload."""

    ok: bool
    """Whether the site serves as its files say now."""
    summary: str
    """One line: what changed, or that nothing was loaded and why."""
    problems: tuple[str, ...] = ()
    """Located problems as `check` prints them, `site.yaml:3:5: message`, from the working directory of the daemon; warnings say so."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """The counts of the summary, as JSON has them."""


class Steering(Protocol):
    """A daemon, seen from whoever steers it. Called in the thread of the loop."""

    async def reload(self) -> ReloadOutcome:
        """Waits for a reload that begins after this call. Whoever stops waiting does not stop the reload."""

    def status(self) -> dict[str, object]:
        """How it is, as JSON has it."""

    def publish(self, topic: str, message: Message) -> int:
        """Publishes to a topic; the answer is how many members it reaches, zero for a topic that is not there."""
