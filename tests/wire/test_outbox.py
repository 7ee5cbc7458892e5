from __future__ import annotations

from support.wire import ManualLoop
from wsrouter.wire.outbox import Outbox


def test_frames_leave_in_the_order_in_which_they_came_and_are_counted():
    outbox = Outbox(0.0)
    outbox.append(b"one")
    outbox.append(b"three")

    assert 8 == outbox.size_bytes
    assert [b"one", b"three"] == [outbox.popleft(), outbox.popleft()]
    assert 0 == outbox.size_bytes


def test_whole_frames_that_are_held_follow_the_fragments_and_count_while_they_wait():
    outbox = Outbox(0.0)
    outbox.held = []
    outbox.append(b"fragment")
    outbox.hold(b"whole")
    outbox.append(b"last")
    assert 17 == outbox.size_bytes

    outbox.release_held()

    assert outbox.held is None
    assert [b"fragment", b"last", b"whole"] == [outbox.popleft() for _ in range(3)]
    assert 0 == outbox.size_bytes


def test_clearing_drops_everything_and_tells_how_much():
    outbox = Outbox(0.0)
    outbox.held = []
    outbox.append(b"12")
    outbox.hold(b"345")

    assert 5 == outbox.clear()
    assert 0 == outbox.size_bytes
    assert not outbox.frames
    assert outbox.held is None


def test_a_client_is_stalled_for_as_long_as_it_has_taken_nothing():
    outbox = Outbox(10.0)

    assert 0.0 == outbox.stalled_s(500, 12.0)
    assert 3.0 == outbox.stalled_s(500, 15.0)
    assert 0.0 == outbox.stalled_s(501, 16.0)
    assert 4.0 == outbox.stalled_s(501, 20.0)


def test_waking_lets_everybody_go_once_and_passes_over_those_that_gave_up():
    loop = ManualLoop()
    outbox = Outbox(0.0)
    waiting, gone = loop.create_future(), loop.create_future()
    outbox.waiters += [waiting, gone]
    gone.cancel()

    outbox.wake()
    outbox.wake()

    assert waiting.done() and waiting.result() is None
    assert [] == outbox.waiters
