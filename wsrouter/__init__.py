"""wsrouter: one daemon, one YAML file, many WebSocket endpoints.

This is what plugin authors write against; everything else in the package may change without notice.

    from wsrouter import Connection, Handler

    class Shout(Handler[str]):
        suffix: str = "!"

        def on_message(self, connection: Connection, message: str) -> str:
            return message.upper() + self.suffix

Importing it costs little: no event loop, no network library comes with it.
"""

from __future__ import annotations

from wsrouter.api.allow import Allow
from wsrouter.api.causes import Cause
from wsrouter.api.connection import Connection
from wsrouter.api.context import Background, Clock, Context, Log
from wsrouter.api.errors import HandlerError, TemplateError, WsrouterError
from wsrouter.api.handler import Handler
from wsrouter.api.handshake import Accept, HandshakeRequest, Refuse
from wsrouter.api.messages import Message, Reply, Sendable
from wsrouter.api.options import Duration, Option, OptionError, Size
from wsrouter.api.template import Template, Values
from wsrouter.api.topics import History, TopicSettings
from wsrouter.api.user import User

__version__ = "0.1.0"

__all__ = [
    "Accept",
    "Allow",
    "Background",
    "Cause",
    "Clock",
    "Connection",
    "Context",
    "Duration",
    "Handler",
    "HandlerError",
    "HandshakeRequest",
    "History",
    "Log",
    "Message",
    "Option",
    "OptionError",
    "Refuse",
    "Reply",
    "Sendable",
    "Size",
    "Template",
    "TemplateError",
    "TopicSettings",
    "User",
    "Values",
    "WsrouterError",
    "__version__",
]
