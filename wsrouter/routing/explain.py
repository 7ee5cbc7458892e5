"""Why a path is served by one route and not by another, in words: for `wsrouter explain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from wsrouter.routing.pattern import MAX_PARAMETER, Kind, Pattern, is_int

_WORDS: Final = {
    Kind.LITERAL: "a literal",
    Kind.INT: "a typed parameter",
    Kind.TEXT: "an untyped parameter",
    Kind.REST: "a catch-all",
}


class Verdict(NamedTuple):
    """What became of one pattern: whether it serves the path, and if not why; one that matches and is beaten says so."""

    pattern: Pattern
    won: bool
    why: str


def find_mismatch(pattern: Pattern, segments: Sequence[str]) -> str | None:
    """Why a pattern does not match these segments, or None where it does. The slow and plain twin of the compiled router."""
    for position, segment in enumerate(pattern.segments):
        if position == len(segments):
            return f"the path ends before {segment}"
        text = "/".join(segments[position:]) if segment.kind is Kind.REST else segments[position]
        if segment.kind is Kind.LITERAL:
            if text != segment.text:
                return f"segment {position + 1} is {_quote(text)}, not {_quote(segment.text)}"
            continue
        if not segments[position]:
            return f"segment {position + 1} is empty; {segment} needs at least one character"
        if segment.kind is Kind.INT and not is_int(text):
            return f"segment {position + 1} is {_quote(text)}; {segment} takes 1 to 18 digits"
        if len(text) > MAX_PARAMETER:
            return f"{segment} would stand for {len(text)} characters; at most {MAX_PARAMETER}"
        if segment.kind is Kind.REST:
            return None
    if len(segments) > len(pattern.segments):
        return f"the path goes on after {pattern}: {_quote('/' + '/'.join(segments[len(pattern.segments) :]))}"
    return None


def why_beaten(loser: Pattern, winner: Pattern) -> str:
    """Why one of two patterns that match the same path comes second."""
    for position, (lost, won) in enumerate(zip(loser.segments, winner.segments, strict=False), 1):
        if lost.kind is not won.kind:
            return f"matches, but {winner} wins: in segment {position} {_WORDS[won.kind]} ({won}) beats {_WORDS[lost.kind]} ({lost})"
    return f"matches as {winner} does"


def explain(patterns: Sequence[Pattern], winner: Pattern | None, segments: Sequence[str]) -> list[Verdict]:
    """One verdict for each pattern, in their order."""
    return [_judge(pattern, winner, segments) for pattern in patterns]


def _judge(pattern: Pattern, winner: Pattern | None, segments: Sequence[str]) -> Verdict:
    """One pattern's verdict."""
    if pattern == winner:
        return Verdict(pattern, won=True, why="")
    mismatch = find_mismatch(pattern, segments)
    if mismatch is None and winner is not None:
        mismatch = why_beaten(pattern, winner)
    return Verdict(pattern, won=False, why=mismatch or "")


def _quote(text: str) -> str:
    """A piece of a path as a message quotes it."""
    return repr(text if len(text) <= 60 else text[:60] + "…")
