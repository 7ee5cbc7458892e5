"""The handlers that ship with wsrouter: a table of names, each loaded when a site uses it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

BUILTIN_HANDLERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "broadcast": "wsrouter.handlers.broadcast:Broadcast",
        "echo": "wsrouter.handlers.echo:Echo",
        "periodic": "wsrouter.handlers.periodic:Periodic",
        "transform": "wsrouter.handlers.transform:Transform",
    }
)
"""Name in the site -> `module:Class`."""
