"""Inputs for the fuzzer: what is known, changed a little or beyond recognition. The same seed and number make the same input."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

# Where parsers keep their boundaries: ends of integers, the lengths at which a frame's header grows, bytes that separate things.
_BYTES: Final = (0x00, 0x01, 0x0A, 0x0D, 0x20, 0x25, 0x2C, 0x2F, 0x3A, 0x7D, 0x7E, 0x7F, 0x80, 0x81, 0x88, 0x89, 0xC1, 0xFE, 0xFF)
_MOST_REPEATS: Final = 300
MOST_BYTES: Final = 200_000
"""No input is longer."""


class Mutator:
    """Makes inputs from a corpus and a dictionary of words that the parser knows."""

    def __init__(self, corpus: Sequence[bytes], words: Sequence[bytes], seed: str) -> None:
        self._corpus = corpus
        self._words = (*words, b"")
        self._seed = seed

    def make(self, number: int) -> bytes:
        """The input of this number: first the corpus as it is, then mutations of it, one to eight on top of each other."""
        if number < len(self._corpus):
            return self._corpus[number]
        rng = random.Random(f"{self._seed} {number}")
        data = bytearray(rng.choice(self._corpus))
        for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
            rng.choice(_MUTATIONS)(self, rng, data)
        return bytes(data[:MOST_BYTES])

    def _flip(self, rng: random.Random, data: bytearray) -> None:
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)

    def _set(self, rng: random.Random, data: bytearray) -> None:
        if data:
            data[rng.randrange(len(data))] = rng.choice(_BYTES)

    def _noise(self, rng: random.Random, data: bytearray) -> None:
        start, end = _span(rng, data)
        data[start:end] = rng.randbytes(rng.randrange(12))

    def _cut(self, rng: random.Random, data: bytearray) -> None:
        start, end = _span(rng, data)
        del data[start:end]

    def _double(self, rng: random.Random, data: bytearray) -> None:
        start, end = _span(rng, data)
        data[end:end] = data[start:end]

    def _repeat(self, rng: random.Random, data: bytearray) -> None:
        start, end = _span(rng, data)
        piece = bytes(data[start : min(end, start + 20)])
        data[end:end] = piece * rng.randrange(_MOST_REPEATS)

    def _move(self, rng: random.Random, data: bytearray) -> None:
        start, end = _span(rng, data)
        piece = data[start:end]
        del data[start:end]
        at = rng.randint(0, len(data))
        data[at:at] = piece

    def _word(self, rng: random.Random, data: bytearray) -> None:
        at = rng.randint(0, len(data))
        data[at:at] = rng.choice(self._words)

    def _word_over(self, rng: random.Random, data: bytearray) -> None:
        word = rng.choice(self._words)
        at = rng.randint(0, len(data))
        data[at : at + len(word)] = word

    def _splice(self, rng: random.Random, data: bytearray) -> None:
        other = rng.choice(self._corpus)
        data[rng.randint(0, len(data)) :] = other[rng.randint(0, len(other)) :]

    def _line(self, rng: random.Random, data: bytearray) -> None:
        """Doubles, drops, moves or indents a line: what texts of lines are edited by."""
        lines = bytes(data).splitlines(keepends=True)
        if not lines:
            return
        at = rng.randrange(len(lines))
        line = lines.pop(at)
        deed = rng.randrange(5)
        if deed == 0:
            lines[at:at] = [line, line]
        elif deed == 1:
            lines.insert(rng.randint(0, len(lines)), line)
        elif deed == 2:
            lines.insert(at, b" " * rng.randrange(1, 5) + line)
        elif deed == 3:
            lines.insert(at, line.lstrip())
        data[:] = b"".join(lines)


_MUTATIONS: Final = (
    Mutator._flip,
    Mutator._set,
    Mutator._set,
    Mutator._noise,
    Mutator._cut,
    Mutator._double,
    Mutator._repeat,
    Mutator._move,
    Mutator._word,
    Mutator._word,
    Mutator._word_over,
    Mutator._splice,
    Mutator._line,
)


def _span(rng: random.Random, data: bytearray) -> tuple[int, int]:
    """A stretch of the data, more often a short one."""
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.choice((1, 2, 4, 8, 16, 64, 1024)))


def pieces(data: bytes) -> list[bytes]:
    """The data as several reads; where it is cut follows from the data itself, so that it is the same when it is repeated."""
    rng = random.Random(data[:64] + len(data).to_bytes(4, "big"))
    reads = []
    at = 0
    while at < len(data) and len(reads) < 40:
        size = rng.choice((1, 1, 2, 3, 7, 14, 100, 5000))
        reads.append(data[at : at + size])
        at += size
    return [*reads, data[at:]] if at < len(data) else reads
