"""What is sent: stamps that tell everything, and lines of a script in turn."""

from __future__ import annotations

import pytest

from wsrouter.bench.frames import client_frame
from wsrouter.bench.messages import STAMP_BYTES, Script, Stamped


def payloads(stream, size):
    step = len(client_frame(b"x" * size))
    return [stream[at + step - size : at + step] for at in range(0, len(stream), step)]


@pytest.mark.parametrize("size", [STAMP_BYTES, 64, 200, 70_000])
def test_a_message_has_its_size_and_bears_its_sender_its_number_and_when_it_was_due(size):
    first, second = payloads(Stamped(0xAB, 7, size).encode(41, 2, 1_000_000), size)

    assert b"00ab00070000002900000000000f4240" == first[:STAMP_BYTES]
    assert b"00ab00070000002a00000000000f4240" == second[:STAMP_BYTES]
    assert size == len(first)
    assert first[STAMP_BYTES:].decode().isprintable()


def test_each_message_of_a_schedule_has_a_time_of_its_own():
    messages = Stamped(1, 2, 64)

    assert messages.encode(5, 1, 100) + messages.encode(6, 1, 200) == messages.encode_scheduled(5, [100, 200])


def test_the_lines_of_a_script_are_sent_in_turn_and_again():
    script = Script(["one", "zwö"])

    assert b"".join(map(client_frame, [b"one", "zwö".encode(), b"one"])) == script.encode(0, 3, 0)
    assert client_frame("zwö".encode()) == script.encode_scheduled(3, [0])
