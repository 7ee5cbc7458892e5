"""Helpers for the tests of plugin authors: a clock that the test owns, connections and topics in memory.

    clock = ManualClock()
    async with MemoryContext(clock=clock) as context:
        handler = Ticker(every=1.0)
        handler.start(context)
        alice = context.connection("/clock")
        handler.on_open(alice)
        await clock.advance(3)
        assert alice.sent == ["tick", "tick", "tick"]

The test calls the handler's hooks itself. Nothing here opens a socket, sleeps or reads the time of the machine.
"""

from __future__ import annotations

from wsrouter.testing.clock import ManualClock
from wsrouter.testing.connection import MemoryConnection
from wsrouter.testing.context import MemoryContext, MemoryLog
from wsrouter.testing.topics import MemoryTopics

__all__ = ["ManualClock", "MemoryConnection", "MemoryContext", "MemoryLog", "MemoryTopics"]
