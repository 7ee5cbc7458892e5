"""`Scenario` and `Step`: one test of a site, as read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wsrouter.api.messages import Message
from wsrouter.config.problems import Place
from wsrouter.scenario.expectation import Expectation

WITHIN_S = 5.0
"""How long an expectation waits, in virtual time, unless its step says `within`."""


@dataclass(frozen=True, slots=True)
class OpenStep:
    """A connection to be opened."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    origin: str | None = None
    subprotocols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CloseStep:
    """A connection to be closed by its client."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what is done, in the order of the fields, and then what is expected."""

    place: Place
    client: str
    """Its name; empty for the only one of a scenario that names none."""
    advance_s: float | None = None
    open: OpenStep | None = None
    send: tuple[Message, ...] = ()
    close: CloseStep | None = None
    expect: Expectation | None = None
    within_s: float = WITHIN_S
    skip: bool = False
    """Whether other messages before the expected one are passed over."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name and its steps."""

    name: str
    place: Place
    steps: tuple[Step, ...]
    handlers_may_fail: bool = False
    """Whether it passes although a handler raised that no step expects."""
