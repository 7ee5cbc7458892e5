"""The same frames to our connection and to `websockets`: same messages, same bytes back, same close code, however they are cut.

`WSROUTER_EXAMPLES=20000` in the environment runs that many examples instead of CI's.
"""

from __future__ import annotations

import os
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.oracle import MAX_FRAGMENTS, Oracle
from support.wire import BINARY, CLOSE, CONT, FIN, PING, PONG, RSV1, RSV2, RSV3, TEXT, EchoEndpoint, Wire, close_payload, frame, masked
from wsrouter.config.settings import Limits, RouteSettings
from wsrouter.wire.upgrade import Deflate

EXAMPLES = int(os.environ.get("WSROUTER_EXAMPLES", "250"))
BITS = (12, 11)
CLOSES_AT = "close, please"

keys = st.sampled_from([b"\x00\x00\x00\x00", b"\x12\x34\x56\x78", b"\xff\x00\xff\x01"])
payloads = st.one_of(
    st.text(max_size=12).map(str.encode),
    st.binary(max_size=12),
    st.sampled_from([b"", b"x" * 125, b"x" * 126, b"x" * 299, b"x" * 300, b"x" * 301, b"\xc3\xa9" * 70, b"\xf0\x9f\x90", b"\xed\xa0\x80", CLOSES_AT.encode()]),
)
good_texts = st.one_of(st.text(max_size=12), st.sampled_from(["", "é" * 60, "x" * 126, CLOSES_AT])).map(str.encode)


def compress(payload):
    compressor = zlib.compressobj(wbits=-BITS[0])
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


@st.composite
def whole_messages(draw, deflate):
    opcode = draw(st.sampled_from([TEXT, TEXT, BINARY]))
    payload = draw(good_texts if opcode == TEXT else payloads)
    if deflate and draw(st.booleans()):
        return [masked(opcode, compress(payload), flags=FIN | RSV1, key=draw(keys))]
    return [masked(opcode, payload, key=draw(keys))]


@st.composite
def pings(draw):
    return [masked(draw(st.sampled_from([PING, PONG])), draw(st.binary(max_size=8)), key=draw(keys))]


@st.composite
def fragmented_messages(draw, deflate):
    """Fragments with pings between them; now and then of text that is not UTF-8 or ends within a character, or never finished."""
    opcode = draw(st.sampled_from([TEXT, TEXT, BINARY]))
    payload = draw(st.one_of(good_texts, good_texts, payloads))
    flags = 0
    if deflate and draw(st.booleans()):
        payload, flags = compress(payload), RSV1
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), min_size=1, max_size=4)))
    parts = [payload[start:end] for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    pieces = []
    for index, part in enumerate(parts):
        is_last = index == len(parts) - 1
        pieces.append(masked(CONT if index else opcode, part, flags=(0 if index else flags) | (FIN if is_last else 0), key=draw(keys)))
        if not is_last and draw(st.booleans()):
            pieces += draw(pings())
    return pieces if draw(st.integers(0, 9)) else pieces[:-1]


@st.composite
def close_frames(draw):
    code = draw(st.sampled_from([1000, 1001, 1002, 1007, 1011, 1014, 3000, 4999, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]))
    payload = draw(
        st.sampled_from([b"", b"\x03", close_payload(code), close_payload(code, "bye é"), close_payload(code) + b"\xff", close_payload(code, "x" * 123)])
    )
    return [masked(CLOSE, payload, key=draw(keys))]


@st.composite
def bad_frames(draw):
    """One frame that fails; it is as long as it says, or fails at its header."""
    payload = draw(payloads)
    key = draw(keys)
    return [
        draw(
            st.sampled_from(
                [
                    frame(TEXT, payload),  # not masked
                    frame(PING, payload),
                    masked(TEXT, payload, flags=FIN | RSV1, key=key),
                    masked(TEXT, payload, flags=FIN | RSV2, key=key),
                    masked(BINARY, payload, flags=RSV3, key=key),
                    masked(PING, b"", flags=FIN | RSV1, key=key),
                    masked(CONT, payload, flags=FIN | RSV1, key=key),
                    masked(CONT, payload, key=key),  # an orphan
                    masked(0x3, payload, key=key),
                    masked(0x7, payload, flags=0, key=key),
                    masked(0xB, payload, key=key),
                    masked(0xF, payload, key=key),
                    masked(PING, b"", flags=0, key=key),
                    masked(PING, b"x" * 126, key=key),
                    masked(PONG, b"x" * 130, key=key),
                    masked(CLOSE, b"x" * 126, key=key),
                    masked(TEXT, b"\xc3\x28", key=key),
                    masked(TEXT, b"fine \xf4\x90\x80\x80", key=key),
                    masked(BINARY, b"x" * 301, key=key),
                    masked(TEXT, b"x" * 70_000, key=key)[:14],
                    bytes.fromhex("82ff400000000000000000000000"),
                    bytes.fromhex("82ff800000000000000000000000"),
                    bytes.fromhex("c18400000000ffffffff"),  # no deflate data
                    masked(TEXT, compress(b"x" * 1000), flags=FIN | RSV1, key=key),  # too big once inflated
                ]
            )
        )
    ]


@st.composite
def streams(draw, deflate):
    """(frames; bytes after them that may be anything, or half a frame)."""
    kinds = [whole_messages(deflate), whole_messages(deflate), fragmented_messages(deflate), pings()]
    groups = draw(st.lists(st.one_of(*kinds), max_size=6))
    if draw(st.booleans()):
        groups.append(draw(st.one_of(bad_frames(), close_frames())))
        groups += draw(st.lists(st.one_of(*kinds, close_frames(), bad_frames()), max_size=3))
    pieces = [piece for group in groups for piece in group]
    return pieces, draw(rests(deflate))


def rests(deflate):
    """Bytes at the end of a stream: none, any, half a frame, the beginning of a header that fails."""
    too_long = st.sampled_from([masked(TEXT, b"x" * 301), masked(BINARY, b"x" * 70_000), masked(CONT, b"x" * 301)])
    return st.one_of(
        st.just(b""),
        st.just(b""),
        st.binary(max_size=12),
        whole_messages(deflate).map(lambda one: one[0][:-1]),
        st.builds(lambda data, size: data[:size], too_long, st.integers(1, 14)),
    )


def run_ours(reads, limit, deflate):
    endpoint = EchoEndpoint(RouteSettings(limits=Limits(message_size=limit)))
    endpoint.on_message = lambda connection, message: connection.close(1000, "bye") if message == CLOSES_AT else message
    wire = Wire(endpoint=endpoint, deflate=Deflate(*BITS) if deflate else None)
    for data in reads:
        if not wire.transport.is_closing():  # as a loop does: it reads no more once the transport is closing
            wire.read(data)
        if wire.connection.is_held:  # a read of very many frames is dealt with in several turns
            wire.settle()
    return wire


def run_oracle(pieces, rest, limit, deflate):
    oracle = Oracle(limit, BITS if deflate else None, lambda message: message == CLOSES_AT)
    for piece in [*pieces, *(rest[index : index + 1] for index in range(len(rest)))]:
        oracle.feed(piece)
    return oracle


def compare(pieces, rest, cuts, limit, deflate):
    stream = b"".join(pieces) + rest
    ends = [*sorted({min(cut, len(stream)) for cut in cuts} - {0, len(stream)}), len(stream)]
    reads = [data for start, end in zip([0, *ends], ends, strict=False) if (data := stream[start:end])]
    oracle = run_oracle(pieces, rest, limit, deflate)
    wire = run_ours(reads, limit, deflate)

    ending = wire.connection.ending
    assert oracle.messages == wire.endpoint.messages
    assert oracle.sent == wire.sent
    assert oracle.close_code == (None if ending is None else ending.code)
    assert (oracle.protocol.close_rcvd, oracle.protocol.close_sent, oracle.protocol.close_rcvd_then_sent) == wire.connection.closes
    assert oracle.is_over == wire.transport.is_over
    assert [] == wire.notes.failures


@pytest.mark.slow
@pytest.mark.timeout(0 if EXAMPLES > 1000 else 60)
@pytest.mark.parametrize("deflate", [False, True])
def test_any_frames_cut_anywhere_give_the_messages_the_bytes_and_the_close_code_of_the_library(deflate):
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(streams(deflate), st.lists(st.integers(0, 800), max_size=10), st.sampled_from([300, 300, 20]))
    def property_holds(stream, cuts, limit):
        compare(*stream, cuts, limit, deflate)

    property_holds()


@pytest.mark.parametrize("deflate", [False, True])
@settings(max_examples=max(30, EXAMPLES // 20), deadline=None)
@given(st.data())
def test_the_same_holds_for_reads_of_one_byte(deflate, data):
    pieces, rest = data.draw(streams(deflate))
    compare(pieces, rest, range(len(b"".join(pieces) + rest)), 300, deflate)


@pytest.mark.parametrize("length", [65535, 65536, 66000, 66001])
def test_the_same_holds_for_headers_of_every_length(length):
    for opcode in (TEXT, BINARY):
        compare([masked(opcode, b"x" * length), masked(PING, b"p")], b"", [1, 5, 7, 9, 13, 15, 40_000], 66_000, False)


@pytest.mark.parametrize("count", [MAX_FRAGMENTS - 1, MAX_FRAGMENTS, MAX_FRAGMENTS + 1])
def test_the_same_holds_for_very_many_fragments(count):
    pieces = [masked(TEXT, b"a", flags=0), *[masked(CONT, flags=0)] * (count - 2), masked(CONT, b"b"), masked(PING)]
    compare(pieces, b"", [1000, 4000], 300, False)


def test_the_same_holds_for_a_header_that_fails_by_the_fragments_before_it_also_while_closing():
    fragments = [masked(TEXT, flags=0), masked(CONT, b"x" * 20, flags=0)]
    for before in ([], [masked(TEXT, CLOSES_AT.encode())]):
        compare([*before, *fragments], masked(CONT, b"x")[:2], [], 20, False)
