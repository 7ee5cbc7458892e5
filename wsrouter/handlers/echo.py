"""`echo`: what a client sends comes back to it.

Guarantees: every message, text or binary, comes back once, unchanged and in order.
Loses: what a client has not read when its connection ends.
"""

from __future__ import annotations

from wsrouter import Connection, Handler, Message


class Echo(Handler[Message]):
    """Sends each message back to its sender."""

    def on_message(self, connection: Connection, message: Message) -> Message:
        """Returns the message."""
        return message
