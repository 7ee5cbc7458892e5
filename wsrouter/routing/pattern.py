"""Path patterns as a site writes them: `/rooms/{room}`, `/items/{id:int}`, `/files/{rest:path}`.

A segment is literal text or one parameter, never both. Literals are written decoded (`/café`, not `/caf%C3%A9`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

MAX_PARAMETER: Final = 256
"""The most characters that a parameter stands for; a longer one does not match."""

_MAX_PATTERN: Final = 1024
_MAX_SEGMENTS: Final = 64
_MAX_DIGITS: Final = 18  # so that every int fits the 64 bits that JSON readers are sure of
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\\\\?#\ud800-\udfff]|%[0-9A-Fa-f]{2}")


class PatternError(ValueError):
    """A pattern that cannot be. `offset` counts characters into the pattern, to where it goes wrong."""

    def __init__(self, message: str, offset: int) -> None:
        """`message` is one line and says what to write instead."""
        super().__init__(message)
        self.message = message
        self.offset = offset


class Kind(IntEnum):
    """What a segment of a pattern matches, by precedence: a lower one beats a higher one."""

    LITERAL = 0
    INT = 1
    TEXT = 2
    REST = 3


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: `text` is the literal, or the parameter's name."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        """As it is written in a pattern."""
        return _FORMS[self.kind].format(self.text)


_FORMS: Final = {Kind.LITERAL: "{0}", Kind.INT: "{{{0}:int}}", Kind.TEXT: "{{{0}}}", Kind.REST: "{{{0}:path}}"}
_KINDS: Final = {"": Kind.TEXT, "int": Kind.INT, "path": Kind.REST}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern. Two are equal when they are written the same."""

    text: str
    segments: tuple[Segment, ...] = field(compare=False)
    params: tuple[str, ...] = field(compare=False)
    """The names of its parameters, from left to right."""

    @property
    def shape(self) -> tuple[tuple[Kind, str], ...]:
        """What decides which paths it matches: its segments without the names of parameters."""
        return tuple((segment.kind, segment.text if segment.kind is Kind.LITERAL else "") for segment in self.segments)

    def __str__(self) -> str:
        """As written."""
        return self.text


def is_int(segment: str) -> bool:
    """Whether `{id:int}` takes this: 1 to 18 ASCII digits."""
    return len(segment) <= _MAX_DIGITS and segment.isdigit() and segment.isascii()


def parse_pattern(text: str) -> Pattern:
    """Parses a pattern.

    Raises:
        PatternError: with the offset of what is wrong, and what to write instead.
    """
    if not text.startswith("/"):
        raise PatternError(
            f"the pattern {_short(text)} does not begin with /; write /{_short(text)}" if text else "the pattern is empty; write / for the root", 0
        )
    if len(text) > _MAX_PATTERN:
        raise PatternError(f"the pattern has {len(text)} characters; at most {_MAX_PATTERN}", _MAX_PATTERN)
    parts = text[1:].split("/")
    if len(parts) > _MAX_SEGMENTS:
        raise PatternError(f"the pattern has {len(parts)} segments; at most {_MAX_SEGMENTS}", 0)
    segments: list[Segment] = []
    offset = 1
    for index, part in enumerate(parts):
        segments.append(_parse_segment(text, part, offset))
        _check_segment(segments, part, offset, last=index == len(parts) - 1)
        offset += len(part) + 1
    return Pattern(text, tuple(segments), tuple(segment.text for segment in segments if segment.kind is not Kind.LITERAL))


def find_ties(patterns: list[Pattern]) -> list[tuple[int, int]]:
    """Pairs (first, later) of patterns that match the same paths with the same precedence: `/a/{x}` and `/a/{y}`.

    Others never tie: of two patterns that match one path, the first segment in which they differ decides.
    """
    seen: dict[tuple[tuple[Kind, str], ...], int] = {}
    ties = []
    for index, pattern in enumerate(patterns):
        first = seen.setdefault(pattern.shape, index)
        if first != index:
            ties.append((first, index))
    return ties


def _parse_segment(text: str, part: str, offset: int) -> Segment:
    """One segment by itself."""
    forbidden = _FORBIDDEN.search(part)
    if forbidden is not None:
        raise PatternError(_forbidden_message(forbidden[0]), offset + forbidden.start())
    if not part and text != "/":
        raise PatternError(_empty_message(text), offset - 1)
    brace = min((at for at in (part.find("{"), part.find("}")) if at >= 0), default=-1)
    if brace < 0:
        return Segment(Kind.LITERAL, part)
    if not (part.startswith("{") and part.endswith("}") and part.count("{") == part.count("}") == 1):
        raise PatternError(f"a parameter fills a whole segment: write /{{name}} instead of /{part}", offset + brace)
    return _parse_parameter(part, offset)


def _parse_parameter(part: str, offset: int) -> Segment:
    """`{name}`, `{name:int}` or `{name:path}`."""
    name, colon, kind = part[1:-1].partition(":")
    if _NAME.fullmatch(name) is None:
        cure = re.sub(r"[^A-Za-z0-9_]", "_", name.strip()) or "name"
        cure = f"_{cure}" if cure[0].isdigit() else cure
        raise PatternError(f"{name!r} cannot name a parameter: letters, digits and _ only, no digit first; write {{{cure}{colon}{kind}}}", offset + 1)
    if kind not in _KINDS or (colon and not kind):
        raise PatternError(f"{kind!r} is no type of parameter; write {{{name}}}, {{{name}:int}} or {{{name}:path}}", offset + len(name) + 2)
    return Segment(_KINDS[kind], name)


def _check_segment(segments: list[Segment], part: str, offset: int, *, last: bool) -> None:
    """What a segment must not be beside those before it."""
    new = segments[-1]
    if new.kind is Kind.LITERAL:
        return
    if any(other.kind is not Kind.LITERAL and other.text == new.text for other in segments[:-1]):
        raise PatternError(f"the parameter {new.text!r} stands here twice; give each its own name", offset + 1)
    if new.kind is Kind.REST and not last:
        raise PatternError(f"{part} takes the rest of the path and must stand last; write {{{new.text}}} for one segment", offset)


def _forbidden_message(what: str) -> str:
    """Why this may not stand in a pattern."""
    if what == "?":
        return "a pattern has no query: end it before the ?; handlers read connection.query"
    if what == "#":
        return "a pattern has no fragment: end it before the #"
    if what.startswith("%"):
        return f"a pattern is written decoded: write the character instead of {what}"
    if what == "\\":
        return "a pattern has no backslash; write /"
    return f"a pattern has no control character or half a surrogate pair (U+{ord(what):04X})"


def _empty_message(text: str) -> str:
    """Why an empty segment may not be."""
    if text.endswith("/") and "//" not in text:
        return f"a pattern does not end with /: write {_short(text.rstrip('/'))}"
    return "a pattern has no empty segment: write / instead of //"


def _short(text: str) -> str:
    """A pattern as a message quotes it."""
    return text if len(text) <= 60 else text[:60] + "…"
