from __future__ import annotations

import os
import socket

import pytest

from support.wire import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    HIGH_BYTES,
    PING,
    PONG,
    TEXT,
    EchoEndpoint,
    Wire,
    close_codes,
    close_payload,
    frame,
    masked,
    split_frames,
    texts,
)
from wsrouter.api.causes import Cause
from wsrouter.api.errors import HandlerError
from wsrouter.api.ports import Ending
from wsrouter.api.topics import History, TopicSettings
from wsrouter.config.settings import Keepalive, Limits, Outbox, RouteSettings
from wsrouter.wire.connection import CLOSE_TIMEOUT_S

HELLO = masked(TEXT, b"hello")
QUIET = RouteSettings(keepalive=Keepalive(ping=0.0))
BIG = "x" * (HIGH_BYTES + 1)
BYE = masked(CLOSE, close_payload(1000))


def stuck(settings=QUIET, **arguments):
    """A connection whose client takes nothing, with more than the transport wants to hold on its way."""
    wire = Wire(settings, **arguments)
    wire.transport.is_stuck = True
    wire.connection.send(BIG)
    wire.settle()
    assert wire.connection._outbox is not None
    return wire


# Reading and writing.


def test_all_replies_to_one_read_are_one_write():
    wire = Wire()
    wire.read(HELLO * 16)
    assert [frame(TEXT, b"hello") * 16] == wire.transport.writes
    assert (16, 16, len(HELLO) * 16, len(wire.sent)) == (
        wire.connection.messages_in,
        wire.connection.messages_out,
        wire.connection.bytes_in,
        wire.connection.bytes_out,
    )


def test_what_is_sent_outside_a_read_is_one_write_at_the_end_of_the_turn():
    wire = Wire()
    wire.connection.send("a")
    wire.connection.send(b"b")
    wire.connection.send({"c": 1})
    wire.connection.send([1, 2])
    assert [] == wire.transport.writes
    wire.loop.turn()
    assert [frame(TEXT, b"a") + frame(BINARY, b"b") + frame(TEXT, b'{"c":1}') + frame(TEXT, b"[1,2]")] == wire.transport.writes


@pytest.mark.parametrize("text", ["", "x" * 125, "x" * 126, "é" * 63, "x" * 65535, "x" * 65536])
def test_a_text_of_every_length_of_header_is_sent_as_one_frame(text):
    wire = Wire()
    wire.connection.send(text)
    wire.settle()
    assert frame(TEXT, text.encode()) == wire.sent


def test_pongs_and_replies_leave_in_the_order_of_what_they_answer():
    wire = Wire()
    wire.read(HELLO + masked(PING, b"1") + HELLO + masked(PING, b"2"))
    assert frame(TEXT, b"hello") + frame(PONG, b"1") + frame(TEXT, b"hello") + frame(PONG, b"2") == wire.sent


def test_a_hook_that_sends_in_on_open_is_heard_before_any_reply():
    endpoint = EchoEndpoint()
    endpoint.on_open_hook = lambda connection: connection.send("welcome")
    wire = Wire(endpoint=endpoint)
    wire.read(HELLO)
    wire.settle()
    assert ["welcome", "hello"] == texts(wire.sent)


def test_the_object_of_the_slow_lane_is_there_only_while_something_is_pending():
    wire = Wire()
    wire.read(masked(TEXT, b"a", flags=0))
    assert wire.connection._slow is not None
    wire.read(masked(CONT, b"b"))
    assert wire.connection._slow is None
    wire.read(masked(PING))
    assert wire.connection._slow is None
    assert ["ab"] == wire.endpoint.messages


def test_a_fragmented_message_is_one_message_and_its_pings_are_answered_at_once():
    wire = Wire()
    wire.read(masked(TEXT, b"a", flags=0), masked(PING, b"p"))
    assert frame(PONG, b"p") == wire.sent
    wire.read(masked(CONT, b"b", flags=0), masked(CONT, b"c"), HELLO)
    assert ["abc", "hello"] == wire.endpoint.messages


def test_an_endpoint_that_wants_fragments_gets_them_as_they_come_and_whole_messages_whole():
    endpoint = EchoEndpoint()
    got = []
    endpoint.on_fragment = lambda connection, data, *, text, first, final: got.append((data, text, first, final))
    wire = Wire(endpoint=endpoint)
    wire.read(masked(TEXT, b"a", flags=0))
    assert [(b"a", True, True, False)] == got
    wire.read(masked(CONT, b"\xff", flags=0) + masked(CONT) + HELLO)
    assert [(b"\xff", True, False, False), (b"", True, False, True)] == got[1:]
    assert ["hello"] == endpoint.messages
    assert wire.connection._slow is None


def test_fragments_as_they_come_have_a_limit_in_all():
    endpoint = EchoEndpoint(RouteSettings(limits=Limits(message_size=10)))
    endpoint.on_fragment = lambda connection, data, *, text, first, final: None
    wire = Wire(endpoint=endpoint)
    wire.read(masked(TEXT, b"12345", flags=0), masked(CONT, b"123456"))
    assert [1009] == close_codes(wire.sent)


# Topics and own sends.


def test_a_batch_of_a_topic_leaves_before_what_is_sent_after_it_was_published():
    wire = Wire()
    wire.connection.join("t")
    wire.connection.send("1")
    wire.hub.topics.publish("t", "2")
    wire.connection.send("3")
    wire.hub.topics.publish("t", "4")
    wire.connection.send("5")
    wire.settle()
    assert ["1", "2", "3", "4", "5"] == texts(wire.sent)


def test_replies_and_publishing_within_a_read_keep_their_order():
    endpoint = EchoEndpoint()
    wire = Wire(endpoint=endpoint)
    other = Wire(beside=wire)
    wire.connection.join("t")
    other.connection.join("t")
    endpoint.on_message = lambda connection, message: wire.hub.topics.publish("t", message) if message == "all" else message

    wire.read(HELLO + masked(TEXT, b"all") + HELLO + masked(TEXT, b"all"))
    wire.settle()

    assert ["hello", "all", "hello", "all"] == texts(wire.sent)
    assert ["all", "all"] == texts(other.sent)


def test_a_burst_in_one_turn_is_one_write_to_each_member():
    wire = Wire()
    others = [Wire(beside=wire) for _ in range(3)]
    for each in others:
        each.connection.join("t")
    for number in range(10):
        wire.hub.topics.publish("t", str(number))
    wire.settle()
    assert all([1] == [len(each.transport.writes)] and [str(n) for n in range(10)] == texts(each.sent) for each in others)


def test_joining_twice_is_joining_once_and_leaving_gives_what_was_published_before():
    wire = Wire()
    wire.connection.join("t")
    wire.connection.join("t")
    wire.hub.topics.publish("t", "1")
    wire.connection.leave("t")
    wire.connection.leave("t")
    wire.hub.topics.publish("t", "2")
    wire.settle()
    assert ["1"] == texts(wire.sent)
    assert 0 == len(wire.hub.topics)


def test_a_newcomer_gets_the_history_behind_what_it_was_sent_before():
    wire = Wire()
    other = Wire(beside=wire)
    settings = TopicSettings(History(messages=10))
    wire.connection.join("t", settings)
    wire.hub.topics.publish("t", "old")
    other.connection.send("first")
    other.connection.join("t", settings)
    wire.hub.topics.publish("t", "new")
    wire.settle()
    assert ["first", "old", "new"] == texts(other.sent)
    assert ["old", "new"] == texts(wire.sent)


def test_a_closed_member_has_left_and_what_was_published_before_its_closing_leaves_before_the_close_frame():
    wire = Wire()
    wire.connection.join("t")
    wire.hub.topics.publish("t", "last words")
    wire.connection.close(4000, "enough")
    wire.hub.topics.publish("t", "never")
    wire.settle()
    assert frame(TEXT, b"last words") + frame(CLOSE, close_payload(4000, "enough")) == wire.sent
    assert 0 == wire.hub.topics.members("t")


def test_a_topic_delivers_to_the_descriptor_only_what_no_transport_holds_bytes_before():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        wire = Wire(sock=ours)
        wire.connection.join("t")
        wire.hub.topics.publish("t", "1")
        wire.settle()
        past = b"" if not wire.sent else frame(TEXT, b"1")  # either way is right while nothing waits
        assert (b"" if past else frame(TEXT, b"1")) == (b"" if past else theirs.recv(100))
        wire.transport.is_stuck = True
        wire.transport.write(b"half a fra")  # below the mark: the transport has not asked for a pause
        wire.hub.topics.publish("t", "2")
        wire.settle()
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        wire.transport.take()
        assert past + b"half a fra" + frame(TEXT, b"2") == wire.sent


def test_a_topic_never_writes_to_the_descriptor_of_a_transport_that_is_closing():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        wire = Wire(sock=ours)
        wire.connection.join("t")
        wire.transport.close()  # by an error of a write: the connection hears of it in a later turn
        wire.hub.topics.publish("t", "for somebody else by now")
        wire.hub.topics.find("t").flush()
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        wire.settle()
        assert [Ending(Cause.CLIENT_ABORT, 1006, "", "client")] == wire.notes.endings


def test_a_batch_that_the_descriptor_takes_only_in_part_goes_on_through_the_transport():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        wire = Wire(sock=ours)
        wire.connection.join("t")
        message = "x" * 60_000
        for _ in range(100):
            wire.hub.topics.publish("t", message)
        wire.settle()
        theirs.setblocking(False)
        through_descriptor = b""
        try:
            while data := os.read(theirs.fileno(), 1 << 20):
                through_descriptor += data
        except BlockingIOError:
            pass
        assert [message] * 100 == texts(through_descriptor + wire.sent)


# The closing handshake.


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


# The outbox.


def test_while_a_client_is_behind_everything_waits_in_order_and_nothing_is_lost():
    wire = stuck()
    wire.connection.join("t")
    wire.connection.send("1")
    wire.hub.topics.publish("t", "2")
    wire.settle()
    wire.connection.send_control(frame(PING, b"p"))
    wire.connection.send("3")
    wire.settle()
    assert b"" == wire.sent
    wire.transport.take()
    assert frame(TEXT, BIG.encode()) + frame(TEXT, b"1") + frame(TEXT, b"2") + frame(PING, b"p") + frame(TEXT, b"3") == wire.sent
    assert wire.connection._outbox is None


def test_a_client_that_takes_little_by_little_gets_every_byte_in_order():
    wire = stuck()
    sent = [BIG]
    for number in range(60):
        sent.append(str(number) * 9000)
        wire.connection.send(sent[-1])
        wire.settle()
        wire.transport.take(10_000)
    while wire.transport.get_write_buffer_size():
        wire.transport.take(50_000)
    assert sent == texts(wire.sent)


def test_a_full_outbox_closes_with_1013_and_drops_what_waits_but_not_what_is_on_its_way():
    wire = stuck(RouteSettings(outbox=Outbox(size=100_000), keepalive=Keepalive(ping=0.0)))
    for _ in range(4):
        wire.connection.send("y" * 30_000)
        wire.settle()
    assert wire.connection.closing
    wire.transport.take()
    frames = split_frames(wire.sent)
    assert [BIG.encode(), close_payload(1013, "outbox full")] == [payload for _, payload in frames]
    wire.read(BYE)
    wire.settle()
    assert [Ending(Cause.SLOW_CONSUMER, 1013, "outbox full", "server")] == wire.notes.endings


def test_a_topic_fills_the_outbox_of_the_member_that_is_behind_and_of_no_other():
    slow = stuck(RouteSettings(outbox=Outbox(size=100_000), keepalive=Keepalive(ping=0.0)))
    quick = Wire(QUIET, beside=slow)
    for each in (slow, quick):
        each.connection.join("t")
        each.connection.join("u")
    for number in range(10):
        slow.hub.topics.publish("t", str(number) * 30_000)
        slow.hub.topics.publish("u", "u")
        slow.settle()
    assert slow.connection.closing
    assert 1 == slow.hub.topics.members("t") == slow.hub.topics.members("u")
    assert 20 == len(texts(quick.sent))


def test_one_message_always_fits_whatever_its_size():
    wire = stuck(RouteSettings(outbox=Outbox(size=1024), keepalive=Keepalive(ping=0.0)))
    wire.connection.send("z" * 500_000)
    wire.settle()
    assert not wire.connection.closing
    wire.connection.send("one too many")
    wire.settle()
    assert wire.connection.closing


def test_a_client_that_takes_nothing_is_closed_as_stalled_and_then_cut_off():
    wire = stuck(RouteSettings(outbox=Outbox(stalled=10.0), keepalive=Keepalive(ping=0.0)))
    wire.loop.advance(9.5)
    assert not wire.connection.closing
    wire.loop.advance(3.5)
    assert wire.connection.closing
    wire.loop.advance(CLOSE_TIMEOUT_S + 0.2)
    assert [Ending(Cause.SLOW_CONSUMER, 1013, "stalled", "server")] == wire.notes.endings
    assert "abort" in wire.transport.calls


def test_a_client_that_takes_a_little_now_and_then_is_not_stalled():
    wire = stuck(RouteSettings(outbox=Outbox(stalled=10.0), keepalive=Keepalive(ping=0.0)))
    for _ in range(10):
        wire.loop.advance(6)
        wire.transport.take(100)
    assert not wire.connection.closing


def test_a_client_that_caught_up_is_not_stalled_later():
    wire = stuck(RouteSettings(outbox=Outbox(stalled=10.0), keepalive=Keepalive(ping=0.0)))
    wire.loop.advance(8)
    wire.transport.take()
    wire.loop.advance(100)
    assert not wire.connection.closing


def test_pings_to_a_client_that_takes_nothing_do_not_count_as_progress():
    wire = stuck(RouteSettings(outbox=Outbox(stalled=10.0), keepalive=Keepalive(ping=2.0, pong=60.0)))
    wire.loop.advance(13)
    assert wire.connection.closing


def test_replies_that_a_client_does_not_take_pause_its_reading_until_it_does():
    wire = Wire(QUIET)
    wire.transport.is_stuck = True
    wire.read(masked(TEXT, BIG[:-1].encode()))
    assert not wire.transport.is_reading
    assert wire.connection.is_held
    wire.transport.take()
    assert wire.transport.is_reading
    assert [BIG[:-1]] == texts(wire.sent)


def test_what_others_send_does_not_pause_the_reading():
    wire = stuck()
    assert wire.transport.is_reading


def test_pongs_that_a_client_does_not_take_pause_its_reading_as_well():
    wire = stuck()
    wire.read(masked(PING, b"p" * 125) * 100)
    assert not wire.transport.is_reading


def test_a_handler_that_is_behind_pauses_reading_and_both_reasons_must_be_gone_to_resume_it():
    wire = Wire(QUIET)
    wire.transport.is_stuck = True
    wire.connection.pause_reading()
    wire.read(masked(TEXT, BIG[:-1].encode()))  # it was on its way
    wire.connection.resume_reading()
    assert not wire.transport.is_reading
    wire.transport.take()
    assert wire.transport.is_reading
    assert ["pause_reading", "resume_reading"] == wire.transport.calls


def test_closing_resumes_the_reading_to_hear_the_clients_close():
    wire = Wire(QUIET)
    wire.connection.pause_reading()
    wire.connection.close(4000)
    assert wire.transport.is_reading
    wire.connection.pause_reading()
    assert wire.transport.is_reading
    wire.read(BYE)
    wire.settle()
    assert [Cause.HANDLER_CLOSE] == [ending.cause for ending in wire.notes.endings]


def test_a_client_that_closes_while_it_is_behind_gets_what_waits_before_the_answer():
    wire = stuck()
    wire.connection.send("1")
    wire.settle()
    wire.read(BYE)
    assert not wire.transport.is_over
    wire.transport.take()
    assert [BIG, "1"] == texts(wire.sent)
    assert [1000] == close_codes(wire.sent)
    assert ["close"] == wire.transport.calls
    wire.settle()
    assert [Cause.CLIENT_CLOSE] == [ending.cause for ending in wire.notes.endings]


def test_a_client_that_fails_while_it_is_behind_gets_what_waits_before_the_answer():
    wire = stuck()
    wire.connection.send("1")
    wire.settle()
    wire.read(frame(TEXT, b"not masked"))
    wire.transport.take()
    assert [BIG, "1"] == texts(wire.sent)
    assert [1002] == close_codes(wire.sent)
    assert wire.transport.is_over


# Waiting, and messages in fragments.


def test_drained_waits_until_the_client_has_taken_enough_or_is_gone():
    wire = stuck()
    first = wire.loop.run(wire.connection.drained())
    wire.settle()
    assert not first()
    wire.transport.take()
    wire.settle()
    assert first()
    assert wire.loop.run(wire.connection.drained())()

    gone = stuck()
    second = gone.loop.run(gone.connection.drained())
    gone.transport.hang_up(ConnectionResetError())
    gone.settle()
    assert second()


def test_whole_messages_wait_for_the_last_fragment_and_control_frames_do_not():
    wire = Wire(QUIET)
    wire.connection.join("t")
    wire.connection.send("before")
    wire.connection.begin_fragments()
    wire.connection.send_awaited(frame(TEXT, b"a", flags=0), is_last=False)
    wire.connection.send("whole")
    wire.hub.topics.publish("t", "topic")
    wire.settle()
    wire.read(masked(PING, b"p"))
    wire.connection.send_awaited(frame(CONT, b"b"), is_last=True)
    wire.connection.end_fragments()
    wire.settle()
    assert [
        (FIN | TEXT, b"before"),
        (TEXT, b"a"),
        (FIN | PONG, b"p"),
        (FIN | CONT, b"b"),
        (FIN | TEXT, b"whole"),
        (FIN | TEXT, b"topic"),
    ] == split_frames(wire.sent)
    assert wire.connection._outbox is None


def test_fragments_to_a_client_that_is_behind_stay_together():
    wire = stuck()
    wire.connection.begin_fragments()
    wire.connection.send_awaited(frame(TEXT, b"a", flags=0), is_last=False)
    wire.connection.send("whole")
    wire.settle()
    wire.connection.send_awaited(frame(CONT, b"b"), is_last=True)
    wire.connection.end_fragments()
    wire.transport.take()
    assert [(TEXT, b"a"), (FIN | CONT, b"b"), (FIN | TEXT, b"whole")] == split_frames(wire.sent)[1:]
    assert wire.connection._outbox is None


def test_a_handler_that_is_slow_to_make_its_fragments_does_not_make_its_client_a_stalled_one():
    wire = Wire(RouteSettings(outbox=Outbox(stalled=10.0), keepalive=Keepalive(ping=2.0, pong=600.0)))
    wire.connection.begin_fragments()
    wire.connection.send_awaited(frame(TEXT, b"a", flags=0), is_last=False)
    wire.connection.send("waits for the last fragment")
    wire.loop.advance(60)
    assert not wire.connection.closing


def test_a_client_that_takes_nothing_of_a_message_in_fragments_is_stalled():
    wire = Wire(RouteSettings(outbox=Outbox(stalled=10.0), keepalive=Keepalive(ping=0.0)))
    wire.transport.is_stuck = True
    wire.connection.begin_fragments()
    wire.connection.send_awaited(frame(TEXT, BIG.encode(), flags=0), is_last=False)
    wire.loop.advance(13)
    assert wire.connection.closing


def test_what_waits_for_the_last_fragment_is_limited_as_well():
    wire = Wire(RouteSettings(outbox=Outbox(size=100_000), keepalive=Keepalive(ping=0.0)))
    wire.connection.join("t")
    wire.connection.begin_fragments()
    wire.connection.send_awaited(frame(TEXT, b"a", flags=0), is_last=False)
    for _ in range(6):
        wire.hub.topics.publish("t", "x" * 30_000)
        wire.settle()
    assert wire.connection.closing
    assert [1013] == close_codes(wire.sent)


@pytest.mark.parametrize("begun_by", ["us", "client"])
def test_what_waited_for_the_last_fragment_never_follows_a_close_frame(begun_by):
    wire = Wire(QUIET)
    wire.connection.begin_fragments()
    wire.connection.send_awaited(frame(TEXT, b"a", flags=0), is_last=False)
    wire.connection.send("whole")
    wire.settle()
    if begun_by == "us":
        wire.connection.fail(Cause.HANDLER_ERROR, "error in fragmented message")
    else:
        wire.read(BYE)
    wire.connection.end_fragments()
    wire.settle()
    assert [TEXT, FIN | CLOSE] == [first for first, _ in split_frames(wire.sent)]
    assert wire.transport.is_over


# Time.


def pinged(data):
    return [payload for first, payload in split_frames(data) if first == FIN | PING]


def test_pings_go_out_at_the_interval_and_pongs_keep_the_connection():
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=20.0, pong=5.0)))
    wire.loop.advance(19.8)
    assert b"" == wire.sent
    for _ in range(5):
        wire.loop.advance(0.4)
        (payload,) = pinged(wire.take_sent())
        wire.loop.advance(1)
        wire.read(masked(PONG, payload))
        assert 1.0 <= wire.connection.watch.latency_s <= 1.5
        wire.loop.advance(18.6)
    assert not wire.connection.closing


def test_a_client_that_does_not_pong_is_closed_with_1011_and_cut_off():
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=20.0, pong=5.0)))
    wire.loop.advance(24.9)
    assert not wire.connection.closing
    wire.loop.advance(0.3)
    assert [1011] == close_codes(wire.sent)
    wire.loop.advance(CLOSE_TIMEOUT_S + 0.2)
    assert [Ending(Cause.PING_TIMEOUT, 1011, "ping_timeout", "server")] == wire.notes.endings


def test_a_pong_that_answers_nothing_does_not_save_the_client():
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=20.0, pong=5.0)))
    wire.read(masked(PONG))
    wire.loop.advance(21)
    wire.read(masked(PONG, b"nonsense"))
    wire.loop.advance(5)
    assert wire.connection.closing


def test_the_pong_deadline_does_not_run_while_we_do_not_read():
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=20.0, pong=5.0)))
    wire.loop.advance(21)
    (payload,) = pinged(wire.sent)
    wire.connection.pause_reading()
    wire.loop.advance(60)
    assert not wire.connection.closing
    wire.connection.resume_reading()
    wire.loop.advance(1)
    wire.read(masked(PONG, payload))
    wire.loop.advance(5)
    assert not wire.connection.closing


def test_a_second_ping_does_not_go_out_before_the_first_is_answered():
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=2.0, pong=20.0)))
    wire.loop.advance(15)
    assert 1 == len(pinged(wire.sent))


def test_no_pings_where_the_interval_is_zero():
    wire = Wire(QUIET)
    wire.loop.advance(10_000)
    assert b"" == wire.sent
    assert 0 == wire.connection.slot


def test_a_silent_client_is_closed_as_idle_and_one_that_speaks_is_not():
    wire = Wire(RouteSettings(limits=Limits(idle=10.0), keepalive=Keepalive(ping=0.0)))
    for _ in range(5):
        wire.loop.advance(8)
        wire.read(HELLO)
    assert not wire.connection.closing
    wire.loop.advance(21)
    assert [1001] == close_codes(wire.sent)
    wire.read(BYE)
    wire.settle()
    assert [Ending(Cause.IDLE, 1001, "idle", "server")] == wire.notes.endings


def test_connections_of_one_moment_reach_their_age_spread_around_it():
    first = Wire(RouteSettings(limits=Limits(age=100.0), keepalive=Keepalive(ping=0.0)))
    wires = [first, *(Wire(first.endpoint.settings, beside=first) for _ in range(200))]
    first.loop.advance(89.9)
    assert not any(wire.connection.closing for wire in wires)
    first.loop.advance(10)
    assert 20 < sum(wire.connection.closing for wire in wires) < 180
    first.loop.advance(10.3)
    assert all([1001] == close_codes(wire.sent) for wire in wires)


def test_a_closing_connection_gets_no_pings_and_no_other_cause():
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=1.0, pong=1.0), limits=Limits(idle=1.0, age=2.0)))
    wire.connection.close(4000)
    wire.take_sent()
    wire.loop.advance(4.5)
    assert b"" == wire.sent
    wire.loop.advance(2)
    assert [Cause.HANDLER_CLOSE] == [ending.cause for ending in wire.notes.endings]


# Bounds.


def test_a_read_that_waits_for_the_rest_of_its_frame_holds_no_more_than_that_frame():
    wire = Wire()
    data = masked(BINARY, b"x" * 65536)
    wire.read(*(data[at : at + 1000] for at in range(0, len(data) - 1000, 1000)))
    assert len(wire.connection._tail) <= len(data)
    wire.read(data[-(len(data) % 1000 or 1000) :])
    wire.read()
    assert wire.connection._tail is None


def test_nothing_is_left_of_a_connection_in_the_hub_once_it_is_gone():
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=1.0)))
    wire.connection.join("t")
    wire.connection.send("x")
    wire.read(masked(CLOSE))
    wire.loop.advance(30)
    assert 0 == len(wire.hub.connections) == len(wire.hub.topics)
    assert not any(wire.connection in items for items in wire.hub.timers._slots.values())
