"""How much is sent, and when: never more than the window, whatever gets lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsrouter.bench.histogram import Histogram
from wsrouter.bench.messages import Script, Stamped
from wsrouter.bench.receiver import InTurn
from wsrouter.bench.receiver import Stamped as StampedReceiver
from wsrouter.bench.sender import Sender

SIZE = 64
FRAME = SIZE + 6


class FakeClient:
    """A connection that keeps what is written."""

    def __init__(self):
        self.is_paused = self.is_closed = False
        self.pending: list[bytes] = []

    def write(self, data):
        self.pending += [data[at + 6 : at + FRAME] for at in range(0, len(data), FRAME)]


def closed_loop(window):
    client = FakeClient()
    messages = Stamped(1, 2, SIZE)
    sender = Sender(client, messages, window)
    receiver = StampedReceiver(Histogram(), {messages.prefix: sender})
    sender.start()
    return client, sender, receiver


@given(st.integers(1, 20), st.lists(st.integers(1, 20), max_size=20))
def test_as_many_are_on_their_way_as_the_window_says_however_answers_come(window, reads):
    client, sender, receiver = closed_loop(window)
    for size in reads:
        answers, client.pending = client.pending[:size], client.pending[size:]
        receiver.take(answers, 0)
        assert len(client.pending) == window
    assert receiver.count("received") + window == sender.sent


def test_what_is_lost_makes_room_when_a_later_one_is_answered():
    client, _, receiver = closed_loop(3)
    client.pending = client.pending[1:]
    receiver.take([client.pending.pop(0)], 0)

    assert len(client.pending) == 3
    assert receiver.count_lost() == 1 + 3


def test_what_is_forgiven_makes_room_once_and_the_window_stays_what_it_was():
    client, sender, receiver = closed_loop(1)
    lost = client.pending.pop()
    sender.forgive(1)
    for _ in range(5):
        assert len(client.pending) == 1
        receiver.take([client.pending.pop()], 0)
    receiver.take([lost], 0)

    assert len(client.pending) == 1
    assert receiver.count("out_of_order") == 1


def test_nothing_is_sent_while_the_server_takes_nothing_and_all_of_it_after_that():
    client, sender, receiver = closed_loop(4)
    answers, client.pending = client.pending, []
    client.is_paused = True
    receiver.take(answers, 0)
    assert client.pending == []
    client.is_paused = False
    client.resumed()

    assert (4, 8) == (len(client.pending), sender.sent)


def test_nothing_is_sent_after_the_end_or_on_a_closed_connection():
    client, sender, receiver = closed_loop(2)
    answers, client.pending = client.pending, []
    sender.stop()
    receiver.take(answers, 0)

    assert client.pending == []
    assert sender.is_settled


def test_a_line_of_a_script_that_is_forgiven_is_lost_and_the_next_answer_is_the_next_lines():
    client = FakeClient()
    sender = Sender(client, Script(["x" * SIZE]), 1)
    latency = Histogram()
    receiver = InTurn(latency, sender)
    sender.start()
    sender.forgive(1)
    due_ns = sender.dues[0]
    receiver.take([b"answer"], due_ns + 5)

    assert (1, 5) == (latency.count, latency.max_ns)
    assert (1, 1) == (receiver.count("received"), receiver.count_lost() - len(sender.dues))
