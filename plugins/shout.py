# A handler class. Annotated fields are options: checked with a position, in the schema, in the docs.
from __future__ import annotations

from wsrouter import Connection, Handler


class Shout(Handler[str]):  # str: text only, binary is closed with 1003; Handler[bytes]: the other way round; Handler: both
    """Upper-case every message."""

    suffix: str = "!"

    def on_message(self, connection: Connection, message: str) -> str:
        return message.upper() + self.suffix
