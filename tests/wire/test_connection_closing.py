from __future__ import annotations

import pytest

from support.wire import (
    BINARY,
    BYE,
    CLOSE,
    CONT,
    HELLO,
    PING,
    PONG,
    QUIET,
    TEXT,
    EchoEndpoint,
    Wire,
    close_codes,
    close_payload,
    frame,
    masked,
    texts,
)
from wsrouter.api.causes import Cause
from wsrouter.api.errors import HandlerError
from wsrouter.api.ports import Ending
from wsrouter.config.settings import Keepalive, Limits, RouteSettings
from wsrouter.wire.connection import CLOSE_TIMEOUT_S


def test_a_client_that_closes_gets_its_code_back_and_the_stream_ends():
    wire = Wire()
    wire.read(HELLO + masked(CLOSE, close_payload(4321, "so long")))
    assert frame(TEXT, b"hello") + frame(CLOSE, close_payload(4321, "so long")) == wire.sent
    assert ["close"] == wire.transport.calls
    wire.settle()
    assert [Ending(Cause.CLIENT_CLOSE, 4321, "so long", "client")] == wire.notes.endings
    assert ["open", "hello", Cause.CLIENT_CLOSE] == wire.endpoint.events


def test_a_close_without_a_code_is_answered_without_one():
    wire = Wire()
    wire.read(masked(CLOSE))
    wire.settle()
    assert frame(CLOSE) == wire.sent
    assert [Ending(Cause.CLIENT_CLOSE, 1005, "", "client")] == wire.notes.endings


def test_a_close_from_this_side_waits_for_the_clients_and_hands_on_nothing_more():
    wire = Wire()
    wire.connection.close(4000, "enough")
    assert frame(CLOSE, close_payload(4000, "enough")) == wire.sent
    assert [] == wire.transport.calls
    wire.read(HELLO, masked(PING, b"p"), masked(TEXT, b"\xff"))
    wire.connection.send("too late")
    wire.connection.close(4001)
    wire.connection.join("t")
    wire.settle()
    assert frame(CLOSE, close_payload(4000, "enough")) + frame(PONG, b"p") == wire.sent
    assert [] == wire.endpoint.messages
    assert 0 == len(wire.hub.topics)

    wire.read(masked(CLOSE, close_payload(4000)))
    wire.settle()
    assert ["close"] == wire.transport.calls
    assert [Ending(Cause.HANDLER_CLOSE, 4000, "enough", "server")] == wire.notes.endings
    assert ["open", Cause.HANDLER_CLOSE] == wire.endpoint.events


def test_what_was_sent_before_a_close_leaves_before_it():
    wire = Wire()
    wire.connection.send("last words")
    wire.connection.close()
    assert frame(TEXT, b"last words") + frame(CLOSE, close_payload(1000)) == wire.sent


def test_closing_from_within_a_message_ends_the_messages_of_that_read():
    endpoint = EchoEndpoint()
    endpoint.on_message = lambda connection, message: connection.close(4000) if message == "stop" else message
    wire = Wire(endpoint=endpoint)
    wire.read(HELLO + masked(TEXT, b"stop") + HELLO + masked(PING, b"p") + HELLO)
    assert ["hello", "stop"] == endpoint.messages
    assert frame(TEXT, b"hello") + frame(CLOSE, close_payload(4000)) + frame(PONG, b"p") == wire.sent


def test_text_that_is_not_utf_8_does_not_count_behind_a_message_that_was_answered_by_closing():
    endpoint = EchoEndpoint()
    endpoint.on_message = lambda connection, message: connection.close(4000)
    for split in (0, 1):
        wire = Wire(endpoint=endpoint)
        after = masked(TEXT, b"\xff") + masked(CLOSE, close_payload(4000))
        wire.read(*([HELLO + after] if not split else [HELLO, after]))
        assert frame(CLOSE, close_payload(4000)) == wire.sent
        assert ["close"] == wire.transport.calls


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_no_close_frame_may_carry_are_refused_with_what_is_allowed(code):
    wire = Wire()
    with pytest.raises(HandlerError, match=f"close code {code} cannot be sent; use 1000 to 1003"):
        wire.connection.close(code)
    assert not wire.connection.closing


def test_a_close_reason_has_at_most_123_bytes():
    wire = Wire()
    with pytest.raises(HandlerError, match="has 124 bytes; at most 123"):
        wire.connection.close(1000, "é" * 62)
    wire.connection.close(1000, "é" * 61 + "x")
    assert [1000] == close_codes(wire.sent)


def test_a_client_that_never_answers_a_close_is_cut_off():
    wire = Wire(QUIET)
    wire.connection.close(4000)
    wire.loop.advance(CLOSE_TIMEOUT_S - 0.1)
    assert [] == wire.transport.calls
    wire.loop.advance(0.3)
    assert "abort" in wire.transport.calls
    assert [Ending(Cause.HANDLER_CLOSE, 4000, "", "server")] == wire.notes.endings


@pytest.mark.parametrize(
    "data, code, cause",
    [
        (frame(TEXT, b"hello"), 1002, Cause.PROTOCOL_ERROR),
        (masked(0x3), 1002, Cause.PROTOCOL_ERROR),
        (masked(CLOSE, close_payload(1005)), 1002, Cause.PROTOCOL_ERROR),
        (masked(TEXT, b"\xff"), 1007, Cause.INVALID_TEXT),
        (masked(TEXT, b"\xe2\x82", flags=0) + masked(CONT), 1007, Cause.INVALID_TEXT),
        (masked(CLOSE, close_payload(1000) + b"\xff"), 1007, Cause.INVALID_TEXT),
        (masked(BINARY, b"x" * 65537)[:14], 1009, Cause.TOO_BIG),
        (masked(TEXT, b"x" * 65536, flags=0) + masked(CONT, b"x"), 1009, Cause.TOO_BIG),
    ],
)
def test_a_client_that_fails_is_told_why_and_only_this_direction_ends_so_that_it_can_read_that(data, code, cause):
    wire = Wire()
    wire.read(HELLO + data, HELLO, masked(PING))
    assert [code] == close_codes(wire.sent)
    assert ["eof"] == wire.transport.calls
    assert ["hello"] == wire.endpoint.messages
    wire.transport.hang_up()
    wire.settle()
    (ending,) = wire.notes.endings
    assert (cause, code, "server") == (ending.cause, ending.code, ending.began)


def test_a_client_that_fails_and_then_stays_is_cut_off():
    wire = Wire(QUIET)
    wire.read(frame(TEXT, b"not masked"))
    wire.loop.advance(CLOSE_TIMEOUT_S + 0.2)
    assert ["eof", "abort"] == wire.transport.calls[:2]
    assert 1 == len(wire.notes.endings)


def test_a_socket_that_is_gone_when_its_direction_is_to_end_is_aborted():
    wire = Wire()
    wire.transport.write_eof_error = RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
    wire.read(frame(TEXT, b"not masked"))
    wire.settle()
    assert ["abort"] == wire.transport.calls
    assert [Cause.PROTOCOL_ERROR] == [ending.cause for ending in wire.notes.endings]


@pytest.mark.parametrize("error", [None, ConnectionResetError()])
def test_a_client_that_goes_without_a_close_frame_has_aborted(error):
    wire = Wire()
    wire.connection.join("t")
    wire.read(HELLO)
    wire.transport.hang_up(error)
    wire.settle()
    assert ["open", "hello", Cause.CLIENT_ABORT] == wire.endpoint.events
    assert [Ending(Cause.CLIENT_ABORT, 1006, "", "client")] == wire.notes.endings
    assert 0 == len(wire.hub.connections) == len(wire.hub.topics)
    wire.connection.send("to nobody")
    wire.connection.close()
    wire.settle()
    assert ["hello"] == texts(wire.sent)


def test_nothing_happens_to_a_connection_that_is_gone_when_its_time_comes():
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=1.0, pong=1.0), limits=Limits(idle=2.0, age=3.0)))
    wire.transport.hang_up()
    wire.loop.advance(20)
    assert b"" == wire.sent
    assert 1 == len(wire.notes.endings)


def test_there_is_exactly_one_opened_and_one_closed_whatever_ends_it_twice():
    wire = Wire(QUIET)
    wire.connection.close(4000)
    wire.connection.end(Cause.SHUTDOWN)
    wire.read(BYE, BYE)
    wire.connection.abort()
    wire.transport.hang_up()
    wire.loop.advance(20)
    assert [wire.connection] == wire.notes.opened_connections
    assert [Cause.HANDLER_CLOSE] == [ending.cause for ending in wire.notes.endings]
    assert ["open", Cause.HANDLER_CLOSE] == wire.endpoint.events


def test_every_cause_with_a_code_of_its_own_closes_with_that_code_and_its_word():
    for cause in Cause:
        if cause.code is not None:
            wire = Wire()
            wire.connection.end(cause)
            assert frame(CLOSE, close_payload(cause.code, str(cause))) == wire.sent
