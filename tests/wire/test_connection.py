from __future__ import annotations

import gc
import weakref

import pytest

from support.wire import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    HELLO,
    PING,
    PONG,
    QUIET,
    RSV1,
    TEXT,
    EchoEndpoint,
    Wire,
    close_codes,
    close_payload,
    frame,
    masked,
    texts,
)
from wsrouter.api.topics import History, TopicSettings
from wsrouter.config.settings import Keepalive, Limits, Rate, RouteSettings
from wsrouter.wire.frames import deflate
from wsrouter.wire.upgrade import Deflate

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


# Bounds.


def test_no_more_than_a_little_is_inflated_in_one_turn_and_nothing_is_lost():
    compressed = masked(BINARY, deflate(bytes(65536), 15), flags=FIN | RSV1)
    wire = Wire(QUIET, deflate=Deflate(15, 12))
    wire.read(compressed * 1000 + HELLO)
    assert sum(map(len, wire.endpoint.messages)) <= 4 * 1024 * 1024
    wire.settle()
    assert [bytes(65536)] * 1000 + ["hello"] == wire.endpoint.messages
    assert wire.transport.is_reading


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


@pytest.mark.parametrize("piece", [masked(TEXT, b"", flags=0) + masked(CONT), masked(TEXT, b"", flags=0) + masked(CONT, b"", flags=0) + masked(CONT)])
def test_very_many_short_frames_in_one_read_take_several_turns_and_none_is_lost(piece):
    wire = Wire(QUIET)
    wire.read(piece * 1000 + masked(TEXT, b"last"))
    assert "last" not in wire.endpoint.messages
    assert not wire.transport.is_reading
    wire.settle()
    assert "last" == wire.endpoint.messages[-1]
    assert wire.transport.is_reading


def test_a_client_that_floods_instead_of_answering_a_close_is_read_no_faster_than_it_is_dealt_with():
    wire = Wire(QUIET)
    wire.connection.close(1000)
    wire.read((masked(TEXT, b"", flags=0) + masked(CONT)) * 1000)
    assert not wire.transport.is_reading
    wire.connection.resume_reading()
    assert not wire.transport.is_reading
    wire.settle()
    assert wire.transport.is_reading


BYTES_A_SECOND = RouteSettings(keepalive=Keepalive(ping=0.0), limits=Limits(byte_rate=Rate(rate=1.0, burst=1000)))


def test_bytes_count_once_towards_the_rate_however_they_are_cut():
    wire = Wire(BYTES_A_SECOND)
    long = masked(BINARY, bytes(400))
    wire.read(masked(TEXT, b"a") + long[:390], long[390:], masked(BINARY, bytes(300)), masked(TEXT, b"b"))
    assert not wire.connection.closing
    wire = Wire(BYTES_A_SECOND)
    wire.read((masked(PING) + masked(TEXT, b"a")) * 50)
    assert not wire.connection.closing


def test_messages_that_go_on_as_fragments_count_towards_the_rates():
    settings = RouteSettings(keepalive=Keepalive(ping=0.0), limits=Limits(message_rate=Rate(rate=1.0, burst=2)))
    endpoint = EchoEndpoint(settings)
    fragments = []
    endpoint.on_fragment = lambda connection, data, **_: fragments.append(data)
    wire = Wire(endpoint=endpoint)
    wire.read((masked(TEXT, b"a", flags=0) + masked(CONT, b"b", flags=0) + masked(CONT, b"c")) * 2)
    assert not wire.connection.closing
    wire.read(masked(TEXT, b"d", flags=0) + masked(CONT, b"e"))
    assert [1008] == close_codes(wire.sent)
    assert b"abcabcd" == b"".join(fragments)


def test_the_slow_lane_is_freed_without_the_collector():
    wire = Wire(QUIET)
    wire.read(masked(TEXT, b"a", flags=0))
    protocol = weakref.ref(wire.connection._slow.protocol)
    gc.disable()
    try:
        wire.read(masked(CONT, b"b"))
        assert protocol() is None
    finally:
        gc.enable()
    assert ["ab"] == wire.endpoint.messages
