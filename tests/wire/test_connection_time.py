from __future__ import annotations

from support.wire import (
    BYE,
    FIN,
    HELLO,
    PING,
    PONG,
    QUIET,
    Wire,
    close_codes,
    masked,
    split_frames,
)
from wsrouter.api.causes import Cause
from wsrouter.api.ports import Ending
from wsrouter.config.settings import Keepalive, Limits, RouteSettings
from wsrouter.wire.connection import CLOSE_TIMEOUT_S


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


def test_while_we_do_not_read_pings_go_on_as_only_a_write_tells_that_the_client_is_gone():
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=20.0, pong=5.0)))
    wire.connection.pause_reading()
    wire.loop.advance(61)
    (payload,) = set(sent := pinged(wire.sent))
    assert 3 == len(sent)
    wire.connection.resume_reading()
    wire.read(masked(PONG, payload) * 3)
    wire.loop.advance(6)
    assert not wire.connection.closing


def test_a_second_ping_does_not_go_out_before_the_first_is_answered():
    wire = Wire(RouteSettings(keepalive=Keepalive(ping=2.0, pong=20.0)))
    wire.loop.advance(15)
    assert 1 == len(pinged(wire.sent))


def test_no_pings_where_the_interval_is_zero():
    wire = Wire(QUIET)
    wire.loop.advance(10_000)
    assert b"" == wire.sent


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
