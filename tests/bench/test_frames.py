"""Frames of the generator, against the library's own encoder and parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from wsrouter.bench.frames import BAD, DONE, MORE, SLOW, client_frame, cut, cut_one, frame_head

PAYLOADS = st.binary(max_size=300) | st.integers(0, 70_000).map(lambda size: b"x" * size)


def server_frame(payload, opcode=Opcode.TEXT, fin=True, mask=False):
    return Frame(opcode, payload, fin=fin).serialize(mask=mask)


def cut_in_pieces(stream, edges):
    """Feeds a stream piece by piece, as reads come."""
    messages, rest = [], b""
    for start, end in zip([0, *edges], [*edges, len(stream)], strict=True):
        rest += stream[start:end]
        at, why = cut(rest, 0, messages)
        rest = rest[at:]
    return messages, why, rest


@given(st.lists(PAYLOADS, max_size=6), st.lists(st.integers(0, 2000), max_size=6))
def test_messages_come_out_whole_wherever_reads_end(payloads, edges):
    stream = b"".join(map(server_frame, payloads))
    edges = sorted(min(edge, len(stream)) for edge in edges)

    assert (payloads, DONE, b"") == cut_in_pieces(stream, edges)


@given(PAYLOADS)
def test_the_library_reads_what_a_client_sends(payload):
    reader = StreamReader()
    reader.feed_data(client_frame(payload))
    parser = Frame.parse(reader.read_exact, mask=True)
    with pytest.raises(StopIteration) as caught:
        next(parser)

    frame = caught.value.value
    assert (Opcode.TEXT, payload, True) == (frame.opcode, bytes(frame.data), frame.fin)


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_head_is_for_every_payload_of_its_length(size):
    assert client_frame(b"x" * size) == frame_head(size) + b"x" * size


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (server_frame(b"x" * 200)[:3], MORE),
        (server_frame(b"hello")[:-1], MORE),
        (b"\x81", MORE),
        (server_frame(b"", Opcode.PING), SLOW),
        (server_frame(b"he", fin=False), SLOW),
        (server_frame(b"hello", mask=True), BAD),
        (b"\xc1\x00", BAD),
    ],
    ids=["part of a header", "part of a payload", "one byte", "a ping", "a fragment", "masked", "compressed"],
)
def test_it_stops_at_what_is_no_whole_message(frame, why):
    messages = []
    first = server_frame(b"first")

    assert (len(first), why) == cut(first + frame, 0, messages)
    assert [b"first"] == messages


@pytest.mark.parametrize("size", [5, 200, 70_000])
def test_one_frame_is_cut_out_whatever_it_is(size):
    stream = b"before" + server_frame(b"x" * size, Opcode.BINARY, fin=False) + b"after"

    first, payload, end = cut_one(stream, 6)

    assert (0x02, b"x" * size, b"after") == (first, payload, stream[end:])
