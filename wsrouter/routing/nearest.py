"""The nearest route of a path that none serves, for the record of a 404: `/echo/` -> `/echo`, `/ehco` -> `/echo`.

Anyone can ask for paths that do not exist, so this is bounded: with 500 routes 0.5 ms, and 3.5 ms for a path that was made
to be slow (measured, CPython 3.11).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from wsrouter.routing.pattern import Kind, Pattern, Segment, is_int

_MAX_LITERAL: Final = 64  # nobody mistypes longer segments by one letter, and the comparison is quadratic


class Nearest:
    """Finds the nearest of some patterns; prepares on first use, as most sites never ask."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        """Keeps the patterns in their order: of two that are as near, the first is found."""
        self._patterns = tuple(patterns)
        self._by_length: dict[int, list[tuple[Pattern, tuple[frozenset[str], ...]]]] | None = None

    def find(self, segments: Sequence[str]) -> Pattern | None:
        """The pattern with the fewest mistakes, at most two; else one that begins as the path does; else None."""
        return self._find_misspelt(segments) or self._find_beginning(segments)

    def _find_misspelt(self, segments: Sequence[str]) -> Pattern | None:
        best, fewest = None, 3
        for pattern, letters in self._prepared().get(len(segments), ()):
            mistakes = _mistakes(pattern.segments, letters, segments, fewest)
            if mistakes < fewest:
                best, fewest = pattern, mistakes
        return best

    def _find_beginning(self, segments: Sequence[str]) -> Pattern | None:
        """The pattern whose literals agree longest with the path: `/room` -> `/room/{room}`, `/room/a/b` too."""
        agreeing = [
            (-agreed, abs(len(pattern.segments) - len(segments)), index)
            for index, pattern in enumerate(self._patterns)
            if (agreed := _agree(pattern, segments))
        ]
        return self._patterns[min(agreeing)[2]] if agreeing else None

    def _prepared(self) -> dict[int, list[tuple[Pattern, tuple[frozenset[str], ...]]]]:
        """The patterns by their number of segments, with the letters of each segment."""
        if self._by_length is None:
            self._by_length = {}
            for pattern in self._patterns:
                letters = tuple(frozenset(segment.text) for segment in pattern.segments)
                self._by_length.setdefault(len(letters), []).append((pattern, letters))
        return self._by_length


def _mistakes(pattern: Sequence[Segment], letters: Sequence[frozenset[str]], segments: Sequence[str], limit: int) -> int:
    """How many letters must change for the pattern to match, or `limit` where it is that or more."""
    total = 0
    for segment, own_letters, text in zip(pattern, letters, segments, strict=True):
        if segment.kind is not Kind.LITERAL:
            total += 0 if text and (segment.kind is not Kind.INT or is_int(text)) else limit
        elif segment.text != text:
            total += _literal_mistakes(segment.text, own_letters, text, limit - total)
        if total >= limit:
            return limit
    return total


def _literal_mistakes(literal: str, letters: frozenset[str], text: str, limit: int) -> int:
    """The mistakes in one literal segment; the wrong case counts as none but makes it one."""
    if literal.lower() == text.lower():
        return 1
    most = min(limit, 3 if len(literal) > 3 else 2)  # two mistakes in three letters make another word
    # A mistake changes at most two letters of the set: this keeps nearly all from the slow comparison.
    if abs(len(literal) - len(text)) >= most or len(text) > _MAX_LITERAL or len(letters.symmetric_difference(text)) > 2 * (most - 1):
        return limit
    mistakes = distance(literal, text, most)
    return mistakes if mistakes < most else limit


def distance(first: str, second: str, limit: int) -> int:
    """How many letters to add, drop, change or swap with their neighbour (optimal string alignment); `limit` for that or more."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        before, previous, row = row, before, [i]
        for j, other in enumerate(second, 1):
            cost = before[j - 1] if letter == other else 1 + min(before[j], row[-1], before[j - 1])
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                cost = min(cost, previous[j - 2] + 1)
            row.append(cost)
        if min(row) >= limit and min(before) >= limit:
            return limit
    return min(row[-1], limit)


def _agree(pattern: Pattern, segments: Sequence[str]) -> int:
    """How many leading segments are the same literals."""
    agreed = 0
    for segment, text in zip(pattern.segments, segments, strict=False):
        if segment.kind is not Kind.LITERAL or segment.text != text or not text:
            break
        agreed += 1
    return agreed
