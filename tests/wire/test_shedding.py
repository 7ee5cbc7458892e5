"""What is dropped for a client that is behind, under each policy of `outbox.on_full`; against a simple model, too."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.wire import CONT, FIN, HIGH_BYTES, PING, RSV1, TEXT, Wire, frame, split_frames, texts
from wsrouter.access.bounds import MOST_SHEDDING
from wsrouter.api.causes import Cause
from wsrouter.config.settings import Keepalive, Latest, Outbox, RouteSettings
from wsrouter.wire.frames import encode
from wsrouter.wire.outbox import Outbox as PlainOutbox
from wsrouter.wire.shedding import Boundaries, SheddingOutbox, change_outbox, count_messages, find_key, make_outbox
from wsrouter.wire.shedding import split_frames as split
from wsrouter.wire.upgrade import Deflate

NEWEST = Latest(latest="message.symbol")


def settings(on_full, size=1024, stalled=10.0):
    return RouteSettings(keepalive=Keepalive(ping=0.0), outbox=Outbox(on_full=on_full, size=size, stalled=stalled))


def behind(on_full, size=1024, deflate=None, **more):
    """A client that takes nothing, with a little less on its way than its transport holds; what is in the outbox counts from there."""
    wire = Wire(settings(on_full, size + HIGH_BYTES + 100, **more), deflate=deflate)
    wire.transport.is_stuck = True
    wire.connection.send_control(frame(0xA, b"") * (HIGH_BYTES // 2 + 1))
    assert wire.connection._outbox is not None
    return wire


def publish(wire, *messages):
    for each in messages:
        wire.hub.topics.publish("t", each)
    wire.settle()


def price(symbol, value):
    return json.dumps({"symbol": symbol, "price": value})


def test_drop_oldest_keeps_the_newest_that_fit():
    wire = behind("drop_oldest")
    wire.connection.join("t")
    for number in range(10):
        publish(wire, f"{number}" * 300)
    wire.transport.take()
    assert ["7", "8", "9"] == [text[0] for text in texts(wire.sent)]
    assert 7 == wire.connection.losses.dropped_out
    assert 3 == wire.connection.messages_out
    assert not wire.connection.closing


def test_drop_newest_keeps_the_oldest_that_fit():
    wire = behind("drop_newest")
    wire.connection.join("t")
    publish(wire, *(f"{number}" * 300 for number in range(10)))
    wire.transport.take()
    assert ["0", "1", "2"] == [text[0] for text in texts(wire.sent)]
    assert 7 == wire.connection.losses.dropped_out


def test_latest_keeps_the_newest_message_of_each_key_in_the_order_of_the_newest():
    wire = behind(NEWEST, size=100_000)
    wire.connection.join("t")
    publish(wire, price("A", 1), price("B", 1), "no JSON", price("A", 2))
    publish(wire, price("C", 1), price("A", 3), json.dumps({"no": "symbol"}), price("B", 2))
    wire.transport.take()
    assert ["no JSON", price("C", 1), price("A", 3), '{"no": "symbol"}', price("B", 2)] == texts(wire.sent)
    assert 3 == wire.connection.losses.dropped_out


def test_latest_of_compressed_messages():
    wire = behind(NEWEST, size=100_000, deflate=Deflate(12, 12))
    wire.connection.join("t")
    publish(wire, price("A", 1), price("A", 2))
    wire.transport.take()
    payloads = [payload for first, payload in split_frames(wire.sent) if first == FIN | RSV1 | TEXT]
    assert [price("A", 2).encode()] == [zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff") for payload in payloads]


def test_a_client_that_keeps_up_gets_every_message_whatever_the_policy():
    wire = Wire(settings(NEWEST))
    wire.connection.join("t")
    publish(wire, price("A", 1), price("A", 2), price("A", 3))
    assert 3 == len(texts(wire.sent))
    assert 1 == len(wire.transport.writes)
    assert wire.connection.losses is None


def test_one_message_fits_an_empty_outbox_whatever_its_size():
    for policy in ("drop_oldest", "drop_newest", NEWEST):
        wire = behind(policy)
        wire.connection.join("t")
        publish(wire, "x" * 5000)
        wire.transport.take()
        assert ["x" * 5000] == texts(wire.sent)


def test_control_frames_and_what_a_coroutine_waits_for_are_never_dropped():
    wire = behind("drop_oldest")
    wire.connection.join("t")
    wire.connection.send_control(frame(PING, b"p"))
    wire.connection.send_awaited(encode("awaited " + "w" * 900))
    for number in range(5):
        publish(wire, f"{number}" * 300)
    wire.transport.take()
    sent = split_frames(wire.sent)
    assert (FIN | PING, b"p") in sent
    assert ["a", "4"] == [text[0] for text in texts(wire.sent)]


def test_messages_held_back_by_one_in_fragments_are_dropped_as_well_and_never_come_between_them():
    wire = behind("drop_oldest")
    wire.connection.join("t")
    wire.connection.begin_fragments()
    wire.connection.send_awaited(frame(TEXT, b"a", flags=0), is_last=False)
    publish(wire, *(f"{number}" * 300 for number in range(6)))
    wire.connection.send_awaited(frame(CONT, b"b"))
    wire.connection.end_fragments()
    wire.transport.take()
    data = [(first, payload[:1]) for first, payload in split_frames(wire.sent) if first & 0x0F < 8]
    assert [(TEXT, b"a"), (FIN | CONT, b"b"), (FIN | TEXT, b"3"), (FIN | TEXT, b"4"), (FIN | TEXT, b"5")] == data


def test_who_loses_messages_is_told_of_when_it_begins_and_when_it_has_caught_up_and_not_more_than_once_in_ten_seconds():
    wire = behind("drop_oldest")
    wire.connection.join("t")
    for number in range(10):
        wire.loop.advance(0.5)
        publish(wire, f"{number}" * 300)
    wire.transport.take()
    ((first, begun), (second, ended)) = wire.notes.told
    assert ("behind", 1) == (first, begun.dropped_out)
    assert begun.waiting_bytes > HIGH_BYTES
    assert 1.9 < begun.behind_s < 2.1
    assert ("caught_up", 7) == (second, ended.dropped_out)
    assert 4.9 < ended.behind_s < 5.1
    for after_s, told in ((1.0, 2), (10.0, 4)):
        wire.loop.advance(after_s)
        wire.transport.is_stuck = True
        wire.connection.send_control(frame(0xA, b"") * (HIGH_BYTES // 2 + 1))
        publish(wire, *("y" * 300 for _ in range(5)))
        wire.transport.take()
        assert told == len(wire.notes.told)


def test_a_client_that_takes_nothing_is_stalled_under_every_policy_however_much_is_dropped_for_it():
    for policy in ("drop_oldest", "drop_newest", NEWEST):
        wire = behind(policy)
        wire.connection.join("t")
        for number in range(150):
            publish(wire, price("A", "x" * 300 + str(number)))
            wire.loop.advance(0.1)
        assert Cause.SLOW_CONSUMER is wire.connection.ending.cause
        assert wire.connection.losses.waiting_bytes > HIGH_BYTES


def test_a_client_that_is_closed_for_it_has_in_its_record_what_waited():
    wire = behind("close")
    wire.connection.join("t")
    publish(wire, *("x" * 300 for _ in range(3)))
    wire.loop.advance(3)
    publish(wire, "y" * 300)
    assert Cause.SLOW_CONSUMER is wire.connection.ending.cause
    losses = wire.connection.losses
    assert 3 == losses.dropped_out
    assert 3 * 304 == losses.waiting_bytes - wire.transport.get_write_buffer_size()
    assert 2.9 < losses.behind_s < 3.1


def test_another_policy_on_reload_counts_for_what_comes_and_loses_nothing_that_waits():
    for old, new in (("close", "drop_oldest"), ("drop_oldest", "close"), ("drop_newest", NEWEST)):
        wire = behind(old, size=2000)
        wire.connection.join("t")
        publish(wire, price("A", 1), price("A", 2))
        before = wire.endpoint.settings
        wire.endpoint.settings = settings(new, before.outbox.size)
        wire.connection.settings_changed(before)
        publish(wire, price("A", 3))
        wire.transport.take()
        expected = [price("A", 3)] if new is NEWEST else [price("A", 1), price("A", 2), price("A", 3)]
        assert expected[-1] == texts(wire.sent)[-1]
        assert len(expected) <= len(texts(wire.sent)) <= 3


def test_the_awaiting_and_the_pause_survive_a_change_of_policy():
    for old in ("close", "drop_oldest"):
        outbox = make_outbox(old, 5.0)
        outbox.is_paused = True
        outbox.append(b"1")
        outbox.begin_hold()
        outbox.hold(b"2")
        other = change_outbox(outbox, "close" if old != "close" else "drop_oldest")
        assert type(other) is (PlainOutbox if old != "close" else SheddingOutbox)
        assert (True, 2, 5.0) == (other.is_paused, other.size_bytes, other.since)
        other.release_held()
        assert [b"1", b"2"] == [other.popleft(), other.popleft()]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_batch_is_cut_where_it_was_joined(size):
    frames = [encode("x" * size), encode(b"y" * size), encode("z" * size, 12), frame(PING, b"p")]
    assert frames == split(b"".join(frames))


def test_messages_are_counted_and_control_frames_and_fragments_are_not():
    assert 2 == count_messages(encode("a") + frame(PING, b"p") + encode(b"b" * 300) + frame(TEXT, b"c", flags=0))


def test_a_key_is_found_at_its_place_and_nowhere_else():
    names = ["a", "b"]
    assert ("str", "x") == find_key(encode('{"a": {"b": "x"}}'), names)
    assert ("int", 1) == find_key(encode(b'{"a": {"b": 1}}'), names)
    assert find_key(encode('{"a": {"b": 1}}'), names) != find_key(encode('{"a": {"b": true}}'), names)
    assert ("str", "x") == find_key(encode('{"a": {"b": "x"}}', 12), names)
    for other in ("", "{", "[1]", '{"a": 1}', '{"a": {"b": []}}', '{"a": {"b": null}}', "[" * 100_000):
        assert find_key(encode(other), names) is None
    assert find_key(frame(TEXT, b"\xff", flags=FIN | RSV1), names) is None


def test_a_batch_is_cut_once_for_all_who_are_behind():
    later = []
    boundaries = Boundaries(later.append)
    batch = encode("a") + encode("b")
    assert boundaries.split(batch) is boundaries.split(batch)
    assert boundaries.keys(batch, "message.x") is boundaries.keys(batch, "message.x")
    assert 1 == len(later)
    first = boundaries.split(batch)
    later[0]()
    assert first is not boundaries.split(batch)


# The model: a list of (key, frame), and what each policy says of it.


def model(policy, waiting, new, key, room):
    """What waits after one more message: written the slow way."""
    if policy == "latest":
        waiting = [each for each in waiting if key is None or each[0] != key]
    size = sum(len(each[1]) for each in waiting)
    if policy == "drop_newest":
        return waiting if waiting and size + len(new) > room else [*waiting, (key, new)]
    while waiting and sum(len(each[1]) for each in waiting) + len(new) > room:
        waiting = waiting[1:]
    return [*waiting, (key, new)]


@given(
    st.sampled_from(["drop_oldest", "drop_newest", "latest"]),
    st.lists(st.tuples(st.sampled_from([None, "A", "B", "C"]), st.integers(0, 60), st.booleans()), max_size=40),
    st.integers(1, 200),
)
def test_every_policy_does_what_its_model_does(policy, messages, room):
    outbox, waiting, taken, expected_taken = SheddingOutbox(0.0), [], [], []
    dropped = 0
    for number, (key, size, client_takes) in enumerate(messages):
        new = encode(f"{number} " + "x" * size)
        keys = [key] if policy == "latest" else None
        count, size_bytes = outbox.shed([new], keys, room, keep_old=policy == "drop_newest")
        before = [*waiting, (key, new)]
        waiting = model(policy, waiting, new, key if policy == "latest" else None, room)
        dropped += count
        assert size_bytes == sum(len(each[1]) for each in before) - sum(len(each[1]) for each in waiting)
        if client_takes and waiting:
            expected_taken.append(waiting.pop(0)[1])
            taken.append(outbox.popleft())
        assert outbox.size_bytes == sum(len(each[1]) for each in waiting)
        assert len(outbox.frames) <= 1 or outbox.size_bytes <= room
    assert expected_taken == taken
    assert [each[1] for each in waiting] == outbox.all()
    assert dropped + len(taken) + len(waiting) == len(messages)


def test_an_outbox_that_drops_bounds_the_number_of_its_messages_too():
    outbox = SheddingOutbox(0.0)
    dropped, _ = outbox.shed([encode("")] * (MOST_SHEDDING + 5), None, 1 << 30, keep_old=False)
    assert (5, MOST_SHEDDING) == (dropped, len(outbox.frames))


@given(
    st.sampled_from(["drop_oldest", "drop_newest", NEWEST]),
    st.lists(st.one_of(st.tuples(st.just("publish"), st.integers(1, 5)), st.tuples(st.just("take"), st.integers(1, 100_000))), max_size=30),
)
def test_whatever_a_client_takes_and_when_it_gets_whole_messages_in_order_and_the_others_are_counted(policy, steps):
    wire = behind(policy, size=40_000)  # the last batch that the transport took may be beyond its own limit by five messages
    wire.connection.join("t")
    published = 0
    for what, amount in steps:
        if what == "take":
            wire.transport.take(min(amount, wire.transport.get_write_buffer_size()))
            continue
        for _ in range(amount):
            wire.hub.topics.publish("t", json.dumps({"symbol": published % 3, "number": published, "pad": "x" * 4000}))
            published += 1
        wire.settle()
    wire.transport.take()
    numbers = [json.loads(text)["number"] for text in texts(wire.sent)]
    assert sorted(set(numbers)) == numbers
    dropped = wire.connection.losses.dropped_out if wire.connection.losses is not None else 0
    assert published == len(numbers) + dropped == wire.connection.messages_out + dropped
    assert wire.connection.bytes_out == len(wire.sent)
    if policy is NEWEST:
        assert {symbol: max(range(symbol, published, 3)) for symbol in range(min(3, published))} == {number % 3: number for number in numbers}
