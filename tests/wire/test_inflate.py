from __future__ import annotations

import zlib

import pytest

from support.wire import BINARY, CONT, FIN, PING, RSV1, TEXT, masked
from wsrouter.wire.slow_lane import SlowLane
from wsrouter.wire.upgrade import Deflate

LIMIT = 1000


def final(payload):
    """Deflated with a final block, as section 7.2.3.4 of RFC 7692 has it, without the padding behind it."""
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(payload) + compressor.flush()


def compress(payload):
    compressor = zlib.compressobj(wbits=-15)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def run(*frames, lane=None):
    """(the messages that come of the frames; what the lane answers)"""
    lane = lane or SlowLane(LIMIT, Deflate(15, 12))
    messages = [lane.assemble(event) for data in frames for event in lane.feed(data) if event.opcode in {TEXT, BINARY, CONT}]
    return [message for message in messages if message is not None], lane.to_send()


def refused(code):
    return lambda sent: sent[:1] == b"\x88" and sent[2:4] == code.to_bytes(2)


# The examples of RFC 7692, section 7.2.3.
@pytest.mark.parametrize(
    "payload",
    ["f248cdc9c90700", "f348cdc9c90700", "f348cdc9c9070000", "f248050000 00ffff cac9c90700", "000500faff48656c6c6f00"],
    ids=["one block", "a final block", "a final block and its padding", "two blocks", "no compression"],
)
def test_the_examples_of_the_standard_are_hello(payload):
    assert (["Hello"], b"") == run(masked(TEXT, bytes.fromhex(payload), flags=FIN | RSV1))


def test_the_example_of_the_standard_in_two_fragments_is_hello_with_a_ping_between():
    messages, sent = run(masked(TEXT, b"\xf2\x48\xcd", flags=RSV1), masked(PING, b"p"), masked(CONT, b"\xc9\xc9\x07\x00"))

    assert (["Hello"], b"\x8a\x01p") == (messages, sent)


def test_messages_do_not_need_each_other():
    frames = [masked(TEXT, compress(b"Hello"), flags=FIN | RSV1), masked(TEXT, b"plain"), masked(TEXT, compress(b"Hello"), flags=FIN | RSV1)]

    assert (["Hello", "plain", "Hello"], b"") == run(*frames)


@pytest.mark.parametrize("padding", [b"", b"\x00", b"\x00\x00\x00\xff\xff", b"\x00\x00\xff\xff"])
@pytest.mark.parametrize("length", [5, LIMIT])
def test_only_empty_blocks_may_follow_a_final_one(padding, length):
    payload = bytes(index % 251 for index in range(length))

    assert ([payload], b"") == run(masked(BINARY, final(payload) + padding, flags=FIN | RSV1))


@pytest.mark.parametrize("behind", [compress(b"World"), b"\x00" * 17], ids=["a block", "much padding"])
def test_what_else_follows_a_final_block_is_a_protocol_error_and_not_dropped_without_a_word(behind):
    messages, sent = run(masked(TEXT, final(b"Hello") + behind, flags=FIN | RSV1))

    assert [] == messages
    assert refused(1002)(sent)


def test_fragments_behind_a_final_block_are_not_collected():
    """They inflate to nothing, so they count towards no limit: the library keeps them all, and copies them with each fragment."""
    lane = SlowLane(LIMIT, Deflate(15, 12))

    assert ([], b"") == run(masked(TEXT, final(b"Hello"), flags=RSV1), lane=lane)
    messages, sent = run(masked(CONT, b"x" * 900, flags=0), lane=lane)

    assert [] == messages
    assert refused(1002)(sent)
    assert lane.is_over


@pytest.mark.parametrize("length", [LIMIT, LIMIT + 1])
@pytest.mark.parametrize("is_cut", [False, True])
def test_the_limit_is_that_of_the_inflated_message(length, is_cut):
    payload = compress(b"x" * length)
    pieces = [masked(BINARY, payload[:3], flags=RSV1), masked(CONT, payload[3:])] if is_cut else [masked(BINARY, payload, flags=FIN | RSV1)]

    messages, sent = run(*pieces)

    if length <= LIMIT:
        assert ([b"x" * length], b"") == (messages, sent)
    else:
        assert [] == messages
        assert refused(1009)(sent)
