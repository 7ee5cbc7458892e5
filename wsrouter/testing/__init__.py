"""Helpers for the tests of plugin authors: whole sites on virtual time, or a handler's hooks with connections in memory.

    with SiteTest(Ticker, options={"every": "1s"}) as site:
        alice = site.open("/")
        site.advance(3)
        assert alice.receive_all() == ["tick", "tick", "tick"]

or, where the test calls the hooks itself:

    async with MemoryContext(clock=ManualClock()) as context:
        handler = Ticker(every=1.0)
        handler.start(context)
        handler.on_open(context.connection("/clock"))

Nothing here opens a socket, sleeps or reads the time of the machine. Each name is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsrouter.testing.client import Closed, RefusedError, SiteClient
    from wsrouter.testing.clock import ManualClock
    from wsrouter.testing.connection import MemoryConnection
    from wsrouter.testing.context import MemoryContext, MemoryLog
    from wsrouter.testing.site import HandlerFailedError, SiteProblemError, SiteTest
    from wsrouter.testing.topics import MemoryTopics

__all__ = [
    "Closed",
    "HandlerFailedError",
    "ManualClock",
    "MemoryConnection",
    "MemoryContext",
    "MemoryLog",
    "MemoryTopics",
    "RefusedError",
    "SiteClient",
    "SiteProblemError",
    "SiteTest",
]

_MODULES = {
    "Closed": "client",
    "HandlerFailedError": "site",
    "ManualClock": "clock",
    "MemoryConnection": "connection",
    "MemoryContext": "context",
    "MemoryLog": "context",
    "MemoryTopics": "topics",
    "RefusedError": "client",
    "SiteClient": "client",
    "SiteProblemError": "site",
    "SiteTest": "site",
}


def __getattr__(name: str) -> object:
    """Imports a name's module: pytest's plugin must not cost what a site costs."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
