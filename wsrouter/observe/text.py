"""Log lines as text: what clients supplied made harmless, a record as one line of JSON or as lines for a terminal. Pure.

A value never ends a line, moves a cursor or turns the direction of writing, and never takes more than 256 characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Final

import orjson

MAX_TEXT: Final = 256
MAX_TRACEBACK: Final = 16_384
MAX_ITEMS: Final = 32
MAX_DEPTH: Final = 4

MULTILINE: Final = ("traceback", "exception", "stack")
"""The facts that keep their line breaks; they are made by wsrouter, though they may quote a client."""

# C0, DEL, C1; line and paragraph separator; marks that turn the direction of writing; halves of surrogate pairs.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_BUT_LINES: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_HALF_ESCAPE: Final = re.compile(r"\\(?:x[0-9a-f]?|u[0-9a-f]{0,3})?\Z")
_PLAIN: Final = re.compile(r"[^\s\"'=]+")
_INT64: Final = 2**63

SYSLOG_PREFIXES: Final = {"debug": b"<7>", "info": b"<6>", "warning": b"<4>", "error": b"<3>", "critical": b"<3>"}
"""Levels as systemd reads them (sd-daemon(3))."""

_REPEATS: Final = (("request_id", "connection_id"), ("path", "route"), ("reason", "cause"))
"""Facts that are left out for people where they say what the second one says."""

_RESET, _BOLD, _DIM, _RED, _YELLOW, _GREEN, _CYAN = (f"\x1b[{code}m" for code in (0, 1, 2, 31, 33, 32, 36))
_LEVEL_COLOURS: Final = {"debug": _DIM, "info": _GREEN, "warning": _YELLOW, "error": _RED, "critical": _RED}


def clean(text: str, limit: int = MAX_TEXT) -> str:
    r"""A text that is safe in a log: control characters as `\x1b` or `\u2028`, at most `limit` characters, the last one `…` if cut."""
    if len(text) <= limit and text.isascii() and text.isprintable():  # nearly all: 0.1 us instead of 0.5
        return text
    cleaned = _UNSAFE.sub(_escape, text[: limit + 1])
    return cleaned if len(cleaned) <= limit else _HALF_ESCAPE.sub("", cleaned[: limit - 1]) + "…"


def clean_lines(text: str, limit: int = MAX_TRACEBACK) -> str:
    """The same for a text of several lines. Of one that is too long the end is kept: there a traceback names its error."""
    cut = text if len(text) <= limit else "…" + text[-limit:]
    return _UNSAFE_BUT_LINES.sub(_escape, cut)


def clean_value(value: object, depth: int = 0) -> object:
    """A value as a log can hold it: JSON's types, texts cleaned, structures bounded, everything else as its text. Never raises."""
    kind = type(value)
    if kind is str:
        return clean(value)  # type: ignore[arg-type]
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return value if -_INT64 <= value < _INT64 else clean(_to_text(value))  # type: ignore[operator]
    try:
        if depth < MAX_DEPTH and isinstance(value, Mapping):
            return {clean(_to_text(key)): clean_value(item, depth + 1) for key, item in list(value.items())[:MAX_ITEMS]}
        if depth < MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
            return [clean_value(item, depth + 1) for item in list(value)[:MAX_ITEMS]]
    except Exception:  # noqa: BLE001  a plugin's own mapping may raise anything
        return f"<{kind.__name__}>"
    return clean(_to_text(value))


def clean_facts(facts: MutableMapping[str, object]) -> None:
    """Cleans all facts of a record in place, names included, so that no call site can forget it."""
    for name, value in list(facts.items()):
        if type(value) is str:  # nearly all facts are clean: looked at here, without two calls, half the time
            if len(value) <= MAX_TEXT and value.isascii() and value.isprintable() and name.isidentifier():
                continue
        elif type(value) is int and -_INT64 <= value < _INT64 and name.isidentifier():
            continue
        if not name.isidentifier():
            del facts[name]
            name = clean(name, 64)
        facts[name] = clean_lines(value) if name in MULTILINE and isinstance(value, str) else clean_value(value)


def to_json_line(facts: MutableMapping[str, object]) -> bytes:
    """One line of JSON without its line break: `ts`, `level`, `event`, then the facts in their order. The facts are clean."""
    return orjson.dumps({"ts": facts.pop("ts"), "level": facts.pop("level"), "event": facts.pop("event"), **facts})


def to_pretty_lines(facts: MutableMapping[str, object], *, colours: bool) -> bytes:
    """A record for people: local time, level, event and facts on one line; a traceback indented below it. The facts are clean."""
    moment = datetime.fromisoformat(str(facts.pop("ts"))).astimezone()
    level, event = str(facts.pop("level")), str(facts.pop("event"))
    below = [str(facts.pop(name)) for name in MULTILINE if name in facts]
    for name, other in _REPEATS:
        if name in facts and facts[name] == facts.get(other):
            del facts[name]
    paint = _paint if colours else _leave
    parts = [paint(f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}", _DIM), paint(f"{level:<7}", _LEVEL_COLOURS.get(level, "")), paint(event, _BOLD)]
    padding = " " * max(0, 18 - len(event))
    pairs = " ".join(paint(f"{name}=", _CYAN) + _shown(value) for name, value in facts.items())
    line = " ".join(parts) + (f"{padding} {pairs}" if pairs else "")
    return "\n".join([line, *(paint(f"    {row}", _DIM) for text in below for row in text.rstrip().split("\n"))]).encode()


def with_prefix(lines: bytes, level: str) -> bytes:
    """Each line with the mark by which the journal knows its level."""
    prefix = SYSLOG_PREFIXES.get(level, b"<6>")
    return prefix + lines.replace(b"\n", b"\n" + prefix)


def _escape(match: re.Match[str]) -> str:
    r"""One character as `\xNN` or `\uNNNN`."""
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _to_text(value: object) -> str:
    """The text of anything, also of what has none."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001  a plugin's own object may raise anything
        return f"<{type(value).__name__}>"


def _shown(value: object) -> str:
    """A fact's value as people read it: text bare where it is one word, in quotes elsewhere."""
    if isinstance(value, str):
        quote = '"' if '"' not in value else "'"
        return value if _PLAIN.fullmatch(value) else quote + value + quote
    return orjson.dumps(value).decode()


def _paint(text: str, colour: str) -> str:
    return f"{colour}{text}{_RESET}" if colour else text


def _leave(text: str, colour: str) -> str:
    return text
