"""What a step expects, and how it differs from what came. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wsrouter.api.messages import Message

SHOWN_CHARACTERS = 200
SHOWN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Exactly:
    """This message and no other."""

    message: Message

    def __str__(self) -> str:
        return show_message(self.message)

    def find_difference(self, message: Message) -> str | None:
        """What is wrong with a message besides that it is another; None where it is the one."""
        return None if type(message) is type(self.message) and message == self.message else _first_difference(self.message, message)


@dataclass(frozen=True, slots=True)
class LikeJson:
    """JSON text in which every given key and value is there."""

    value: object

    def __str__(self) -> str:
        return _cut(json.dumps(self.value, ensure_ascii=False))

    def find_difference(self, message: Message) -> str | None:
        """Where it differs; None where it does not."""
        if not isinstance(message, str):
            return "it is binary, not JSON text"
        try:
            actual = json.loads(message)
        except (ValueError, RecursionError):
            return "it is not JSON"
        return find_json_difference(self.value, actual)


@dataclass(frozen=True, slots=True)
class Matching:
    """Text in which a regular expression is found."""

    pattern: re.Pattern[str]

    def __str__(self) -> str:
        return f"a match of /{_cut(self.pattern.pattern)}/"

    def find_difference(self, message: Message) -> str | None:
        """What is wrong with a message; None where nothing is."""
        if not isinstance(message, str):
            return "it is binary, not text"
        return None if self.pattern.search(message) else ""


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages in this order; the time to wait counts for each of them."""

    wanted: tuple[Exactly | LikeJson | Matching, ...]


@dataclass(frozen=True, slots=True)
class Closed:
    """That the connection is closed; with this code and reason where they are given."""

    code: int | None = None
    reason: str | None = None

    def __str__(self) -> str:
        return _joined("to be closed", self.code, self.reason)

    def admits(self, code: int, reason: str) -> bool:
        """Whether a close is the expected one."""
        return self.code in {None, code} and self.reason in {None, reason}


@dataclass(frozen=True, slots=True)
class Refused:
    """That the handshake is refused; with this HTTP status and for this reason where they are given."""

    status: int | None = None
    reason: str | None = None

    def __str__(self) -> str:
        return _joined("to be refused", self.status, self.reason)

    def admits(self, status: int, reason: str) -> bool:
        """Whether a refusal is the expected one; `reason` is the word of `api.causes.Reason`."""
        return self.status in {None, status} and self.reason in {None, reason}


@dataclass(frozen=True, slots=True)
class Nothing:
    """That for so long no message comes and the connection is not closed."""

    for_s: float


Expectation = Messages | Closed | Refused | Nothing


def find_json_difference(expected: object, actual: object, path: str = "") -> str | None:
    """Where `actual` differs from `expected`; None where it does not.

    Of a mapping every expected key must be there, others may be, too; lists have the same length, item for item; numbers are
    equal as numbers; `true` is not 1.
    """
    where = path or "it"
    if isinstance(expected, Mapping):
        if not isinstance(actual, Mapping):
            return f"{where} is {_shown(actual)}, not a mapping"
        for key, value in expected.items():
            inner = f"{path}.{key}" if path else str(key)
            if key not in actual:
                return f"{inner} is missing"
            difference = find_json_difference(value, actual[key], inner)
            if difference is not None:
                return difference
        return None
    if isinstance(expected, Sequence) and not isinstance(expected, str):
        if not isinstance(actual, list):
            return f"{where} is {_shown(actual)}, not a list"
        if len(actual) != len(expected):
            return f"{where} has {len(actual)} item{'s' * (len(actual) != 1)}, not {len(expected)}"
        differences = (find_json_difference(value, actual[index], f"{path}[{index}]") for index, value in enumerate(expected))
        return next((difference for difference in differences if difference is not None), None)
    return None if _is_same(expected, actual) else f"{where} is {_shown(actual)}, not {_shown(expected)}"


def show_message(message: Message) -> str:
    """A message on one line: text in quotes, binary as its size and bytes; cut where it is long."""
    if isinstance(message, str):
        quote = '"' if '"' not in message or "'" in message else "'"
        return f"{quote}{_cut(message)}{quote}"
    more = "…" if len(message) > SHOWN_BYTES else ""
    return f"{len(message)} byte{'s' * (len(message) != 1)} of binary {message[:SHOWN_BYTES].hex(' ')}{more}".rstrip()


def _is_same(expected: object, actual: object) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, int | float) and isinstance(actual, int | float):
        return expected == actual
    return type(expected) is type(actual) and expected == actual


def _shown(value: object) -> str:
    return _cut(json.dumps(value, ensure_ascii=False), 60)


def _cut(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """A text on one line, printable, and not too long."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in cut)


def _joined(text: str, code: int | None, reason: str | None) -> str:
    return " ".join([text, *([str(code)] if code is not None else []), *([json.dumps(reason, ensure_ascii=False)] if reason is not None else [])])


def _first_difference(expected: Message, actual: Message) -> str:
    """Where two long messages begin to differ: what is shown of them may be the same."""
    if isinstance(expected, bytes) != isinstance(actual, bytes):
        return "binary is expected, text came" if isinstance(expected, bytes) else "text is expected, binary came"
    shown = SHOWN_CHARACTERS if isinstance(expected, str) else SHOWN_BYTES
    if max(len(expected), len(actual)) < shown:
        return ""
    at = next((index for index, (one, other) in enumerate(zip(expected, actual, strict=False)) if one != other), min(len(expected), len(actual)))
    return f"they differ from {'character' if isinstance(expected, str) else 'byte'} {at + 1} on"
