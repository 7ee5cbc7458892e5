"""Accepting the connections of a private socket."""

from __future__ import annotations

import socket

import pytest

from wsrouter.daemon.reception import Reception
from wsrouter.observe.logs import get_logger


@pytest.mark.anyio
async def test_the_end_closes_what_was_accepted_and_not_served_yet() -> None:
    async def receive(connection: socket.socket) -> None:
        raise AssertionError("it is not served")

    reception = Reception("test", receive, get_logger())
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as client:
        accept = reception._accept(listening)
        listening.setblocking(False)
        waiting = accept.send(None)  # it has accepted, and waits for the next one; the client's task has not had its turn
        assert waiting is not None
        (accepted,) = reception._connections
        accept.close()
        await reception.close()
        assert accepted.fileno() == -1
        client.settimeout(5)
        assert client.recv(1) == b""
