from __future__ import annotations

import pytest
from websockets.frames import Close

from support.wire import CLOSE, FIN, HELLO, PING, RSV1, TEXT, Wire, close_payload, masked
from wsrouter.wire.control import NO_CLOSES, parse_close
from wsrouter.wire.slow_lane import SlowLane


@pytest.mark.parametrize(
    ("payload", "close"),
    [
        (b"", Close(1005, "")),
        (close_payload(1000), Close(1000, "")),
        (close_payload(1001, "bye é"), Close(1001, "bye é")),
        (close_payload(4999, "x" * 123), Close(4999, "x" * 123)),
    ],
)
def test_an_ordinary_close_frame_is_read(payload, close):
    assert (close, payload) == parse_close(masked(CLOSE, payload))


@pytest.mark.parametrize(
    "data",
    [
        masked(CLOSE, b"\x03"),
        masked(CLOSE, close_payload(1005)),
        masked(CLOSE, close_payload(2999)),
        masked(CLOSE, close_payload(1000) + b"\xff"),
        masked(CLOSE, close_payload(1000, "x" * 124)),
        masked(CLOSE, close_payload(1000), flags=0),
        masked(CLOSE, close_payload(1000), flags=FIN | RSV1),
        masked(PING, close_payload(1000)),
        masked(TEXT, close_payload(1000)),
    ],
)
def test_any_other_frame_is_left_to_the_slow_lane(data):
    assert parse_close(data) is None


@pytest.fixture
def no_slow_lane(monkeypatch):
    def refuse(*_):
        raise AssertionError("a slow lane was made")

    monkeypatch.setattr(SlowLane, "__init__", refuse)


@pytest.mark.usefixtures("no_slow_lane")
def test_a_client_that_closes_in_the_ordinary_way_needs_no_slow_lane():
    wire = Wire()
    wire.read(HELLO + masked(CLOSE, close_payload(4321, "so long")))
    assert (Close(4321, "so long"), Close(4321, "so long"), True) == wire.connection.closes
    assert ["close"] == wire.transport.calls


@pytest.mark.usefixtures("no_slow_lane")
def test_nor_does_a_close_from_this_side():
    wire = Wire()
    assert NO_CLOSES == wire.connection.closes
    wire.connection.close(4000, "enough")
    assert (None, Close(4000, "enough"), None) == wire.connection.closes
    wire.read(masked(CLOSE, close_payload(4001, "fine")))
    assert (Close(4001, "fine"), Close(4000, "enough"), False) == wire.connection.closes
    assert ["close"] == wire.transport.calls


def test_what_follows_a_close_frame_is_discarded_while_its_answer_waits_to_be_written():
    wire = Wire()
    wire.connection.pause_writing()
    wire.read(masked(CLOSE, close_payload(1000)))
    assert [] == wire.transport.calls
    wire.read(HELLO, masked(PING, b"p"), b"\xff\xff")
    assert [] == wire.endpoint.messages
    assert (Close(1000, ""), Close(1000, ""), True) == wire.connection.closes
    wire.connection.resume_writing()
    assert ["close"] == wire.transport.calls
