"""What may be asked of a running daemon: the Protocol between those who ask (the control socket, the private HTTP side) and the daemon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wsrouter.admin.repeats import Repeats
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


@dataclass(frozen=True, slots=True)
class Published:
    """Whom messages were published to."""

    members: int
    """How many members the topic has; zero for one that is not there."""
    behind: int
    """How many of them had not taken what they were sent before."""
    is_known: bool
    """Whether there is such a topic: one that nobody has joined is not."""


@dataclass(frozen=True, slots=True)
class State:
    """Whether it is well and ready."""

    is_well: bool
    lag_s: float
    """How late the event loop was, at the worst, in the last seconds."""
    reasons: Mapping[str, str]
    """Why it should not be sent clients, by words of a closed list; it is ready where there is none."""


class Steering(Protocol):
    """A daemon, seen from whoever steers it. Called in the thread of the loop."""

    repeats: Repeats[Published]
    """What was published with a key."""

    async def reload(self) -> ReloadOutcome:
        """Waits for a reload that begins after this call. Whoever stops waiting does not stop the reload."""

    def status(self) -> dict[str, object]:
        """How it is, as JSON has it."""

    async def memory(self) -> list[dict[str, object]]:
        """How much memory each handler holds, as JSON has it. It is counted in a thread, and takes up to half a second for each."""

    def state(self) -> State:
        """Whether it is well and ready."""

    def publish(self, topic: str, messages: Sequence[Message]) -> Published:
        """Publishes to a topic, in this order."""

    async def metrics(self, accept: str) -> tuple[str, bytes]:
        """The metrics as Prometheus reads them: the content type, of those that `accept` names, and the text."""
