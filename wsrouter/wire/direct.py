"""The way to a socket past its transport: one system call, where the transport adds its own queue and its own turn."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from wsrouter.api.topics import Direct


def direct_write(transport: asyncio.Transport) -> Direct | None:
    """Writes to the socket of a transport; None where that is none of ours to write to: TLS, a transport in memory, Windows.

    May be called while the transport's buffer is empty and until the `connection_lost` of its protocol, after which both loops close
    the socket: a contract test pins that.
    """
    if os.name != "posix" or transport.get_extra_info("sslcontext") is not None:
        return None
    sock = transport.get_extra_info("socket")
    return None if sock is None else partial(os.write, sock.fileno())
