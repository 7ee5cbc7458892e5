"""What is sent and received: whole messages, `str` or `bytes`, and what is turned into them.

A mapping or a sequence is sent as JSON text. Integers beyond 64 bits, NaN and keys that are not strings are refused by
the encoder with a TypeError that names the type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

Message = str | bytes
"""What handlers receive and what goes over the wire: text is `str`, binary is `bytes`."""

Sendable = str | bytes | bytearray | memoryview | Mapping[str, object] | Sequence[object]
"""What may be sent: a message, or a mapping or sequence that becomes JSON text."""

Reply = Sendable | None
"""What `on_message` may return: None for nothing, a list for that many messages, else one message."""


def to_message(value: object) -> Message:
    """Turns what a handler sends into a message: `str` and `bytes` stay, byte-likes are copied, the rest becomes JSON text.

    Raises:
        TypeError: if it cannot be JSON.
    """
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    return to_json(value)


def to_json(value: object) -> str:
    """JSON text of a value, compact, without a trailing newline."""
    return orjson.dumps(value).decode()
