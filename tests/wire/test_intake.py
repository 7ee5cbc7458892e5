"""What happens over a rate, and how the messages of one large read are handed on."""

from __future__ import annotations

import pytest

from support.wire import BIG, BYE, CONT, PING, PONG, QUIET, TEXT, EchoEndpoint, Wire, close_codes, frame, masked, split_frames, texts
from wsrouter.access.bounds import MESSAGES_A_TURN
from wsrouter.api.causes import Cause
from wsrouter.config.settings import Keepalive, Limits, Outbox, Rate, RouteSettings

CALM = Keepalive(ping=0.0)


def limited(on_exceed, rate=10.0, burst=2, **more):
    return RouteSettings(keepalive=CALM, limits=Limits(message_rate=Rate(rate=rate, burst=burst), on_exceed=on_exceed, **more))


def message(number):
    return masked(TEXT, str(number).encode())


def messages(first, last):
    return b"".join(message(number) for number in range(first, last))


@pytest.mark.parametrize("code", [1008, 4429])
def test_a_client_over_its_rate_is_closed_with_the_code_that_the_route_asks_for(code):
    wire = Wire(limited("close", close_code=code))
    wire.read(message(0), message(1), message(2))
    assert ["0", "1"] == wire.endpoint.messages
    assert [code] == close_codes(wire.sent)
    assert Cause.RATE_LIMIT is wire.connection.ending.cause


def test_messages_over_a_rate_that_drops_are_dropped_and_counted_and_the_first_ones_of_a_read_pass():
    wire = Wire(limited("drop"))
    wire.read(messages(0, 10))
    assert ["0", "1"] == wire.endpoint.messages
    wire.loop.advance(0.1)
    wire.read(messages(10, 13))
    assert ["0", "1", "10"] == wire.endpoint.messages
    assert 10 == wire.connection.losses.dropped_in
    assert 13 == wire.connection.messages_in
    assert not wire.connection.closing
    assert wire.transport.is_reading


def test_a_client_within_its_rate_loses_nothing():
    wire = Wire(limited("drop"))
    for number in range(50):
        wire.loop.advance(0.101)
        wire.read(message(number))
    assert 50 == len(wire.endpoint.messages)
    assert wire.connection.losses is None


def test_a_message_in_fragments_is_dropped_whole():
    endpoint = EchoEndpoint(limited("drop", burst=1))
    fragments = []
    endpoint.on_fragment = lambda connection, data, **_: fragments.append(data)
    wire = Wire(endpoint=endpoint)
    for letters in (b"abc", b"def"):
        wire.read(masked(TEXT, letters[:1], flags=0), masked(CONT, letters[1:2], flags=0), masked(CONT, letters[2:]))
    wire.loop.advance(0.2)
    wire.read(masked(TEXT, b"g", flags=0), masked(CONT, b"h"))
    assert b"abcgh" == b"".join(fragments)
    assert 1 == wire.connection.losses.dropped_in


def test_a_rate_that_pauses_loses_nothing_keeps_the_order_and_the_rate():
    wire = Wire(limited("pause"))
    wire.read(messages(0, 12) + masked(PING, b"behind") + BYE)
    assert ["0", "1"] == wire.endpoint.messages
    assert not wire.transport.is_reading
    wire.loop.advance(0.5)
    assert 6 <= len(wire.endpoint.messages) <= 7
    assert b"behind" not in wire.sent
    wire.loop.advance(1.0)
    assert [str(number) for number in range(12)] == wire.endpoint.messages
    assert wire.sent.index(b"behind") > wire.sent.index(b"11")
    assert Cause.CLIENT_CLOSE is wire.notes.endings[0].cause


def test_a_pause_wakes_once_for_each_message_and_not_in_a_busy_loop():
    wire = Wire(limited("pause", rate=5.0, burst=1))
    wakings = 0
    end_pause = wire.connection._hub.loop.call_later

    def count(*arguments):
        nonlocal wakings
        wakings += 1
        return end_pause(*arguments)

    wire.loop.call_later = count
    wire.read(messages(0, 11))
    wire.loop.advance(3)
    assert 11 == len(wire.endpoint.messages)
    assert wakings <= 22


def test_a_byte_rate_pauses_too_and_one_large_message_passes():
    settings = RouteSettings(keepalive=CALM, limits=Limits(byte_rate=Rate(rate=1000.0, burst=1000), on_exceed="pause"))
    wire = Wire(settings)
    wire.read(masked(TEXT, b"x" * 3000), masked(TEXT, b"y"))
    assert 1 == len(wire.endpoint.messages)
    wire.loop.advance(1.9)
    assert 1 == len(wire.endpoint.messages)
    wire.loop.advance(0.3)
    assert 2 == len(wire.endpoint.messages)


def test_while_reading_pauses_for_a_rate_neither_the_pong_deadline_runs_nor_is_the_client_idle():
    limits = Limits(message_rate=Rate(rate=0.01, burst=1), on_exceed="pause", idle=5.0)
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=10.0, pong=10.0), limits=limits))
    wire.read(message(0), message(1))
    wire.loop.advance(60)
    assert not wire.connection.closing
    wire.loop.advance(60)
    assert ["0", "1"] == wire.endpoint.messages
    wire.loop.advance(30)
    assert wire.connection.closing


def test_a_paused_client_that_is_closed_is_heard_and_gets_no_more_handed_on():
    wire = Wire(limited("pause", rate=0.01))
    wire.read(messages(0, 5) + BYE)
    wire.connection.end(Cause.SHUTDOWN)
    wire.settle()
    assert ["0", "1"] == wire.endpoint.messages
    assert [Cause.SHUTDOWN] == [ending.cause for ending in wire.notes.endings]


def test_a_paused_client_that_is_gone_leaves_nothing_behind():
    wire = Wire(limited("pause", rate=0.01))
    wire.read(messages(0, 5))
    wire.transport.hang_up(ConnectionResetError())
    wire.settle()
    assert all(timer.cancelled for _, _, timer in wire.loop._timers if timer.function is not None and not wire.hub.timers._order)
    wire.loop.advance(1000)
    assert ["0", "1"] == wire.endpoint.messages


@pytest.mark.parametrize(
    "new",
    [limited("close", rate=0.01), limited("drop", rate=0.01), RouteSettings(keepalive=CALM), limited("pause", rate=1000.0, burst=1000)],
    ids=["close", "drop", "no rate", "another rate"],
)
def test_other_settings_end_a_pause(new):
    wire = Wire(limited("pause", rate=0.01))
    wire.read(messages(0, 4))
    old, wire.endpoint.settings = wire.endpoint.settings, new
    wire.connection.settings_changed(old)
    wire.settle()
    assert wire.transport.is_reading
    if new.limits.on_exceed == "close" and new.limits.message_rate.rate:
        assert Cause.RATE_LIMIT is wire.connection.ending.cause
    elif new.limits.on_exceed == "drop":
        assert 2 == wire.connection.losses.dropped_in
    else:
        assert ["0", "1", "2", "3"] == wire.endpoint.messages


# Many messages in one read.


def test_a_large_read_is_handed_on_a_slice_a_turn_in_order_with_what_follows_behind_it():
    wire = Wire(QUIET)
    wire.read(messages(0, 1000) + masked(PING, b"behind") + messages(1000, 1500) + BYE)
    assert MESSAGES_A_TURN == len(wire.endpoint.messages)
    assert not wire.transport.is_reading
    wire.loop.turn()
    assert 2 * MESSAGES_A_TURN == len(wire.endpoint.messages)
    wire.settle()
    assert [str(number) for number in range(1500)] == wire.endpoint.messages
    assert [str(number) for number in range(1500)] == texts(wire.sent)
    assert b"behind" == split_frames(wire.sent)[1000][1]
    assert Cause.CLIENT_CLOSE is wire.notes.endings[0].cause


def test_what_comes_although_reading_is_paused_waits_behind_the_rest():
    wire = Wire(QUIET)
    whole = messages(0, 700)
    wire.read(whole[:-3], whole[-3:], message(700))
    wire.settle()
    assert [str(number) for number in range(701)] == wire.endpoint.messages


def test_a_read_of_one_slice_is_one_turn_and_one_write():
    wire = Wire(QUIET)
    wire.read(messages(0, MESSAGES_A_TURN))
    assert MESSAGES_A_TURN == len(wire.endpoint.messages)
    assert 1 == len(wire.transport.writes)
    assert [] == wire.transport.calls


def test_replies_that_are_not_taken_hold_up_the_rest_of_a_read():
    wire = Wire(QUIET)
    wire.endpoint.on_message = lambda *_: "x" * 10_240
    wire.transport.is_stuck = True
    wire.read(masked(TEXT) * 43_690)
    wire.settle()
    assert MESSAGES_A_TURN == len(wire.endpoint.messages)
    assert wire.transport.get_write_buffer_size() < 3 * 1024 * 1024
    for _ in range(3):
        wire.transport.take(wire.transport.get_write_buffer_size())
        wire.settle()
        assert wire.transport.get_write_buffer_size() < 3 * 1024 * 1024
    assert 4 * MESSAGES_A_TURN == len(wire.endpoint.messages)


def test_a_slice_whose_replies_fill_the_outbox_never_closes_a_client_that_reads_slowly():
    wire = Wire(RouteSettings(keepalive=CALM, outbox=Outbox(size=1024)))
    wire.endpoint.on_message = lambda *_: "x" * 1000
    wire.transport.is_stuck = True
    wire.read(masked(TEXT) * 2000)
    while len(wire.endpoint.messages) < 2000:
        wire.settle()
        wire.transport.take(50_000)
        assert not wire.connection.closing


def test_a_handler_that_is_behind_is_given_no_more_of_a_read_until_it_has_caught_up():
    wire = Wire(QUIET)
    wire.endpoint.on_message = lambda connection, _: connection.pause_reading()
    wire.read(messages(0, 600))
    wire.settle()
    assert MESSAGES_A_TURN == len(wire.endpoint.messages)
    wire.connection.resume_reading()
    wire.settle()
    assert 2 * MESSAGES_A_TURN == len(wire.endpoint.messages)
    wire.connection.resume_reading()
    wire.settle()
    assert 600 == len(wire.endpoint.messages)
    assert not wire.transport.is_reading
    wire.connection.resume_reading()
    assert wire.transport.is_reading


def test_a_connection_that_its_handler_closes_in_the_first_slice_gets_no_second():
    wire = Wire(QUIET)
    wire.endpoint.on_message = lambda connection, _: connection.close()
    wire.read(messages(0, 600) + BYE)
    wire.settle()
    assert ["0"] == wire.endpoint.messages
    assert Cause.HANDLER_CLOSE is wire.notes.endings[0].cause


# Control frames.


def test_a_flood_of_control_frames_is_closed_with_1008_and_nothing_more_is_answered():
    wire = Wire(QUIET)
    wire.read(masked(PING) * 1000)
    wire.settle()
    assert 51 >= len([1 for first, _ in split_frames(wire.sent) if first == 0x8A]) >= 50
    assert [1008] == close_codes(wire.sent)
    assert Cause.FLOOD is wire.connection.ending.cause
    sent = wire.sent
    wire.read(masked(PING) * 1000)
    assert sent == wire.sent


@pytest.mark.parametrize("opcode", [0x9, 0xA])
def test_control_frames_within_their_rate_may_go_on_for_ever(opcode):
    wire = Wire(QUIET)
    for _ in range(200):
        wire.read(masked(opcode, b"p"))
        wire.loop.advance(0.05)
    assert not wire.connection.closing


def test_answers_to_our_own_pings_are_no_flood():
    wire = Wire(QUIET)
    wire.connection.pongs_due = 200
    wire.read(masked(PONG) * 250)
    wire.settle()
    assert not wire.connection.closing
    wire.read(masked(PONG) * 2)
    assert wire.connection.closing


def test_a_flood_after_our_close_frame_is_not_answered_either():
    wire = Wire(QUIET)
    wire.connection.close(1000)
    wire.read(masked(PING) * 60)
    wire.settle()
    assert [1000] == close_codes(wire.sent)
    assert wire.connection._slow.is_over
    assert Cause.HANDLER_CLOSE is wire.connection.ending.cause


# Frames that are not finished.


@pytest.mark.parametrize("ping", [0.0, 20.0, 3600.0])
def test_a_frame_that_is_not_finished_is_closed_with_1008(ping):
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=ping, pong=3600.0)))
    wire.read(masked(TEXT, b"x" * 1000)[:500])
    wire.loop.advance(29)
    assert not wire.connection.closing
    wire.loop.advance(35)
    assert Cause.TIMEOUT is wire.connection.ending.cause
    assert [1008] == close_codes(wire.sent)


def test_a_frame_that_dribbles_in_is_closed_and_one_that_comes_slowly_but_steadily_is_not():
    for size, is_closed in ((10, True), (3000, False)):
        wire = Wire(QUIET)
        data = masked(TEXT, b"x" * 60_000)
        for at in range(0, 20 * size, size):
            wire.read(data[at : at + size])
            wire.loop.advance(4)
        assert is_closed is wire.connection.closing


def test_many_frames_that_are_each_finished_in_time_are_as_welcome_as_ever():
    wire = Wire(QUIET)
    whole = masked(TEXT, b"hello")
    wire.read(whole[:5])
    for _ in range(20):
        wire.loop.advance(10)
        wire.read(whole[5:] + whole[:5])
    assert not wire.connection.closing
    assert frame(TEXT, b"hello") * 20 == b"".join(frame(TEXT, payload) for first, payload in split_frames(wire.sent) if first == 0x81)


def test_a_frame_is_not_held_against_a_client_that_we_do_not_read_from():
    wire = Wire(QUIET)
    wire.read(masked(TEXT, BIG.encode()[:60_000])[:500])
    wire.connection.pause_reading()
    wire.loop.advance(300)
    assert not wire.connection.closing
