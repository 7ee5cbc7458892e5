"""Plain scalars by the core rules of YAML 1.2, with three departures that help.

`on`, `yes`, `12:30` and `2024-05-01` are text. Departures: a number with leading zeros (`012`, `0660`) is text, as it is a
file mode, a postal code or a doubt, never twelve; `.inf` and `.nan`, and numbers beyond 64 bits, are text, as JSON has none.
"""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final[dict[str, object]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,19})")
_BASED: Final = re.compile(r"0o[0-7]{1,21}|0x[0-9a-fA-F]{1,16}")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LIKE_A_NUMBER: Final = re.compile(r"[-+.]?[0-9]")
_SMALLEST_INT: Final = -(1 << 63)
_LARGEST_INT: Final = (1 << 64) - 1


def parse_scalar(text: str) -> object:
    """The value of a plain scalar: None, a bool, an int, a float, or the text itself. Never raises."""
    if text in _WORDS:
        return _WORDS[text]
    if not _LIKE_A_NUMBER.match(text):
        return text
    if _INT.fullmatch(text):
        return _within(int(text), text)
    if _BASED.fullmatch(text):
        return _within(int(text, 0), text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if abs(number) != float("inf") else text
    return text


def _within(number: int, text: str) -> int | str:
    """The number where JSON can carry it, else its text."""
    return number if _SMALLEST_INT <= number <= _LARGEST_INT else text
