"""An echo that takes its time."""

from __future__ import annotations

import asyncio

from wsrouter import Connection, Duration, Handler


class Later(Handler[str]):
    """Answers each message a fixed time after it came, one after the other: a server whose latency is known."""

    after: Duration = 0.02

    async def on_message(self, connection: Connection, message: str) -> str:
        """Waits, and answers."""
        await asyncio.sleep(self.after)
        return message
