from __future__ import annotations

import pytest

from support.wire import (
    BIG,
    BYE,
    CLOSE,
    CONT,
    FIN,
    PING,
    PONG,
    QUIET,
    TEXT,
    Wire,
    close_codes,
    close_payload,
    frame,
    masked,
    split_frames,
    stuck,
    texts,
)
from wsrouter.api.causes import Cause
from wsrouter.api.ports import Ending
from wsrouter.config.settings import Keepalive, Outbox, RouteSettings
from wsrouter.wire.connection import CLOSE_TIMEOUT_S, STALLED_CLOSE_TIMEOUT_S

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
    wire.loop.advance(9.8)
    assert not wire.connection.closing
    wire.loop.advance(1.3)
    assert wire.connection.closing
    assert [] == wire.notes.endings
    wire.loop.advance(STALLED_CLOSE_TIMEOUT_S + 0.2)
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
    wire.read(masked(PING, b"p" * 125) * 50)
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


def test_nothing_is_sent_behind_a_close_frame_that_a_topic_of_the_same_turn_led_to():
    wire = stuck(RouteSettings(keepalive=Keepalive(ping=0.0), outbox=Outbox(size=1024)))
    wire.connection.join("t")
    wire.connection.send("waits")
    wire.settle()
    wire.hub.topics.publish("t", "x" * 2000)
    wire.connection.send("too late")
    wire.settle()
    wire.transport.take()
    wire.settle()
    assert CLOSE == split_frames(wire.sent)[-1][0] & 0x0F


@pytest.mark.anyio
async def test_nobody_waits_for_a_client_that_is_gone():
    wire = stuck()
    wire.transport.hang_up(ConnectionResetError())
    wire.settle()
    await wire.connection.drained()


def test_a_client_that_ends_its_direction_and_takes_nothing_is_cut_off():
    wire = Wire(QUIET)
    wire.transport.is_stuck = True
    wire.connection.send("x" * 1000)
    wire.settle()
    wire.transport.hang_up()
    wire.loop.advance(CLOSE_TIMEOUT_S + 0.2)
    assert [Ending(Cause.CLIENT_ABORT, 1006, "", "client")] == wire.notes.endings
