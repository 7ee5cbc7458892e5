from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.wire import BINARY, CLOSE, CONT, FIN, MASK, PING, RSV1, TEXT, frame, masked, split_frames
from wsrouter.wire.frames import BAD, DONE, MORE, NOT_TEXT, SLOW, cut, deflate, encode, join, measure
from wsrouter.wire.frames import frame as make_frame

LIMIT = 70_000
LENGTHS = [0, 1, 125, 126, 127, 65535, 65536, 65537]

messages_of_any_length = st.one_of(st.text(max_size=200), st.binary(max_size=200), st.sampled_from(LENGTHS).map(lambda length: b"x" * length))


def to_frame(message, key=MASK):
    return masked(TEXT, message.encode(), key=key) if isinstance(message, str) else masked(BINARY, message, key=key)


def cut_all(reads, limit=LIMIT):
    """What a connection does with its fast lane: reads are cut, the rest of each is put before the next."""
    messages, tail = [], b""
    for data in reads:
        tail += data
        at, stop, wanted = cut(tail, 0, limit, messages)
        assert stop in {DONE, MORE}
        tail = tail[at:]
        if stop == MORE:
            assert wanted > len(tail), "it asks for no more than it has"
        else:
            assert b"" == tail
    return messages


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_of_every_length_of_header_is_cut_unmasked(opcode, length):
    payload = bytes(65 + index % 26 for index in range(length))
    data = masked(opcode, payload, key=b"\x01\xff\x00\x7f")
    messages = []

    assert (len(data), DONE, 0) == cut(data, 0, LIMIT, messages)
    assert [payload.decode() if opcode == TEXT else payload] == messages


@pytest.mark.parametrize("length", LENGTHS)
def test_encoding_writes_the_shortest_header_of_every_length(length):
    assert frame(TEXT, b"x" * length) == encode("x" * length)
    assert frame(BINARY, b"x" * length) == encode(b"x" * length)
    assert frame(PING, b"x" * length) == make_frame(FIN | PING, b"x" * length)


@pytest.mark.parametrize("length", LENGTHS)
def test_every_beginning_of_a_frame_asks_for_more_and_never_for_more_than_the_frame_has(length):
    data = masked(BINARY, b"x" * length)
    for size in {*range(min(len(data), 20)), len(data) // 2, len(data) - 1}:
        messages = []
        at, stop, wanted = cut(data[:size], 0, LIMIT, messages)
        assert (0, [], MORE if size else DONE) == (at, messages, stop)
        assert not size or size < wanted <= len(data)
        stop, wanted = measure(data[:size], 0, LIMIT)
        assert MORE == stop
        assert size < wanted <= len(data)


@given(st.lists(messages_of_any_length, max_size=8), st.binary(min_size=4, max_size=4), st.data())
def test_a_stream_cut_anywhere_gives_the_same_messages(messages, key, data):
    stream = b"".join(to_frame(message, key) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))

    assert messages == cut_all([stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)])


@given(st.lists(st.one_of(st.text(max_size=5), st.binary(max_size=5)), max_size=5))
def test_a_stream_cut_at_every_byte_gives_the_same_messages(messages):
    stream = b"".join(to_frame(message) for message in messages)
    assert messages == cut_all([stream[index : index + 1] for index in range(len(stream))])


@given(st.lists(messages_of_any_length, max_size=6))
def test_what_is_encoded_is_what_a_client_decodes(messages):
    frames = split_frames(join(messages))
    assert messages == [payload.decode() if first == FIN | TEXT else payload for first, payload in frames]
    assert all(first in {FIN | TEXT, FIN | BINARY} for first, _ in frames)


@pytest.mark.parametrize(
    "other",
    [
        masked(PING, b"hi"),
        masked(CLOSE, b"\x03\xe8"),
        masked(TEXT, b"hi", flags=0),
        masked(CONT, b"hi"),
        masked(BINARY, b"x" * 65536, flags=FIN | RSV1),
        masked(0x3, b"hi"),
    ],
)
def test_it_stops_at_a_frame_that_is_not_for_the_fast_lane_with_the_place_where_that_ends(other):
    before, after = masked(TEXT, b"a"), masked(TEXT, b"b")
    messages = []

    assert (len(before), SLOW, len(before + other)) == cut(before + other + after, 0, LIMIT, messages)
    assert ["a"] == messages
    if other[0] & 0x0F != 3:
        assert (SLOW, len(before + other)) == measure(before + other + after, len(before), LIMIT)


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"hello"),  # not masked
        frame(TEXT, b"hello")[:2],
        masked(0x3, b"x" * 300)[:8],
        masked(0x3)[:2],
        masked(0xB)[:3],
        masked(TEXT, b"x" * 126)[:8],
        masked(BINARY, b"x" * 65536)[:14],
        bytes.fromhex("82ff400000000000000000000000"),  # 2^62 bytes
        bytes.fromhex("82ff800000000000000000000000"),  # the most significant bit must be 0
    ],
)
def test_what_fails_at_its_header_is_told_before_its_payload_is_there(data):
    before = masked(TEXT, b"a")
    messages = []

    assert (len(before), BAD, 0) == cut(before + data, 0, 125, messages)
    assert ["a"] == messages
    assert (BAD, 0) == measure(before + data, len(before), 125)


@pytest.mark.parametrize("length", [125, 126, 65535, 65536])
def test_the_limit_is_the_longest_message_that_passes(length):
    messages = []
    assert DONE == cut(masked(BINARY, b"x" * length), 0, length, messages)[1]
    assert BAD == cut(masked(BINARY, b"x" * (length + 1)), 0, length, messages)[1]
    assert 1 == len(messages)


@pytest.mark.parametrize("payload", ["c328", "eda080", "c080", "f4908080", "e282"])
def test_text_that_is_not_utf_8_is_told_with_its_place(payload):
    before, bad = masked(TEXT, b"a"), masked(TEXT, bytes.fromhex(payload), key=b"\x11\x22\x33\x44")
    messages = []

    assert (len(before), NOT_TEXT, len(before + bad)) == cut(before + bad + before, 0, LIMIT, messages)
    assert ["a"] == messages


@given(st.binary(max_size=60), st.integers(0, 60))
def test_no_bytes_make_it_raise_or_go_on_past_what_it_has(data, at):
    at = min(at, len(data))
    messages = []
    stopped, stop, _ = cut(data, at, 40, messages)
    assert at <= stopped <= len(data)
    assert stop in {DONE, MORE, SLOW, BAD, NOT_TEXT}
    assert measure(data, at, 40)[0] in {MORE, SLOW, BAD}


@given(messages_of_any_length, st.integers(9, 15))
def test_compressed_messages_come_back_whole_without_a_context_from_before(message, bits):
    ((first, payload),) = split_frames(encode(message, bits))
    plain = zlib.decompressobj(-bits).decompress(payload + b"\x00\x00\xff\xff")

    assert (FIN | RSV1 | (TEXT if isinstance(message, str) else BINARY)) == first
    assert message == (plain.decode() if isinstance(message, str) else plain)
    assert payload == deflate(message.encode() if isinstance(message, str) else message, bits)


def test_text_with_a_lone_surrogate_cannot_be_encoded():
    for variant in (0, 12):
        with pytest.raises(UnicodeEncodeError):
            encode("\ud800", variant)
