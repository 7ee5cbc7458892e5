"""Two sockets on one port: whom the kernel gives newcomers to, and that nobody is lost when the first one leaves."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from wsrouter.wire.reuse_port import steer_to_successor, stop_steering

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel chooses by a filter on Linux only")

CLIENTS = 40


@pytest.fixture
def listening() -> Iterator[Callable[..., socket.socket]]:
    with ExitStack() as stack:

        def listen(port: int = 0) -> socket.socket:
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind(("127.0.0.1", port))
            one.listen(CLIENTS)
            one.setblocking(False)
            return one

        yield listen


def newcomers(*listening: socket.socket) -> list[int]:
    """How many of a crowd came to each."""
    address = listening[-1].getsockname()
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(socket.create_connection(address, timeout=5))
        return [accepted(one) for one in listening]


def accepted(one: socket.socket) -> int:
    count = 0
    while True:
        try:
            one.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_all_go_to_the_successor_and_what_waits_is_still_accepted(listening: Callable[..., socket.socket]) -> None:
    last = listening()
    with socket.create_connection(last.getsockname(), timeout=5):
        following = listening(last.getsockname()[1])
        steer_to_successor(last)
        assert newcomers(last, following) == [1, CLIENTS]
    last.close()
    assert newcomers(following) == [CLIENTS]


def test_restart_after_restart_the_newest_gets_all(listening: Callable[..., socket.socket]) -> None:
    last = listening()
    for _ in range(3):
        following = listening(last.getsockname()[1])
        stop_steering(following)
        steer_to_successor(last)
        assert newcomers(last, following) == [0, CLIENTS]
        last.close()
        last = following


def test_without_a_successor_nothing_changes(listening: Callable[..., socket.socket]) -> None:
    alone = listening()
    steer_to_successor(alone)
    assert newcomers(alone) == [CLIENTS]


def test_a_newcomer_to_the_port_ends_what_one_who_left_has_begun(listening: Callable[..., socket.socket]) -> None:
    first = listening()
    steer_to_successor(first)
    second = listening(first.getsockname()[1])
    assert newcomers(first, second) == [0, CLIENTS]
    stop_steering(second)
    assert min(newcomers(first, second)) > 0
