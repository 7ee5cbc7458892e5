"""How many newcomers are accepted in a turn. What becomes of them: test_half_open.py and test_doors.py."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from support.wire import ManualLoop, Notes
from wsrouter.access.bounds import ACCEPTS_A_TURN
from wsrouter.config.settings import Listen
from wsrouter.wire import acceptor as module
from wsrouter.wire.acceptor import Acceptor
from wsrouter.wire.half_open import HalfOpens


class Hub:
    """As much of one as accepting needs."""

    def __init__(self):
        self.loop = ManualLoop()
        self.observer = Notes()
        self.half_opens = HalfOpens(self.loop.time, self.observer, lambda: 1000)


def test_no_more_are_accepted_in_a_turn_than_sixteen(monkeypatch):
    accepted = []

    class Noted:
        def __init__(self, _, sock, name):
            accepted.append(sock)

        def begin(self):
            pass

    monkeypatch.setattr(module, "Entrance", Noted)
    assert 16 == ACCEPTS_A_TURN
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        listening.setblocking(False)
        for _ in range(40):
            stack.enter_context(socket.create_connection(listening.getsockname(), 5))
        door = Acceptor([listening], Hub(), Listen(), None, 128)
        turns = []
        for _ in range(4):
            before = len(accepted)
            door._accept(listening)
            turns.append(len(accepted) - before)
        for sock in accepted:
            sock.close()
    assert [16, 16, 8, 0] == turns
