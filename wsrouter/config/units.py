"""Durations, sizes and rates as the site writes them, and back: `1m30s`, `64KiB`, `100/s`.

A single letter counts in 1024 as in nginx, Docker and systemd (`64k` is `64KiB`); `kB`, `MB`, `GB` count in 1000.
"""

from __future__ import annotations

import re
from typing import Final

_DURATION_S: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_SIZE_BYTES: Final = {"B": 1, "k": 1 << 10, "kB": 1000, "KiB": 1 << 10, "M": 1 << 20, "MB": 10**6, "MiB": 1 << 20, "G": 1 << 30, "GB": 10**9, "GiB": 1 << 30}
_PER_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}

_NUMBER: Final = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_PART: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(ms|s|m|h|d)", re.ASCII)
_DURATION: Final = re.compile(r"(?:\d{1,15}(?:\.\d{1,9})?(?:ms|s|m|h|d))+", re.ASCII)
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)([A-Za-z]+)", re.ASCII)
_RATE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)/(s|m|h)", re.ASCII)

MAX_DURATION_S: Final = 3650 * 86400.0  # ten years: timers take no infinity, and nobody means more


def parse_duration(text: str) -> float:
    """Seconds of a duration: `500ms`, `2s`, `1m30s`, `1.5h`, `1d`.

    Raises:
        ValueError: if it is none, with what to write.
    """
    if _NUMBER.fullmatch(text):
        raise ValueError(f"a time needs a unit: write {text}s")
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{_shown(text)} is not a time: write 500ms, 5s, 1m30s, 1h or 1d")
    seconds = sum(float(number) * _DURATION_S[unit] for number, unit in _PART.findall(text))
    if seconds > MAX_DURATION_S:
        raise ValueError(f"{text} is over ten years: write 3650d at the most")
    return round(seconds, 9)


def parse_size(text: str) -> int:
    """Bytes of a size: `512B`, `64KiB`, `64k`, `1.5MiB`; a part of a byte is dropped.

    Raises:
        ValueError: if it is none, with what to write.
    """
    if _NUMBER.fullmatch(text):
        raise ValueError(f"a size needs a unit: write {_size_cure(text)}")
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(text)} is not a size: write 512B, 64KiB or 1MiB")
    factor = _SIZE_BYTES.get(match[2])
    if factor is None:
        raise ValueError(f"{_shown(text)} is not a size: write {match[1]}{_nearest_unit(match[2])}; units are {', '.join(_SIZE_BYTES)}")
    return int(float(match[1]) * factor)


def parse_rate(text: str) -> float:
    """How many a second: `100/s`, `6000/m`, `10/h`, or `0` for no limit.

    Raises:
        ValueError: if it is none, with what to write.
    """
    if _NUMBER.fullmatch(text):
        if float(text) == 0:
            return 0.0
        raise ValueError(f"a rate needs a unit: write {text}/s")
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(text)} is not a rate: write {_rate_cure(text)}")
    return float(match[1]) / _PER_S[match[2]]


def format_duration(seconds: float) -> str:
    """A duration as the site writes it: the units that it needs, `0s` for nothing."""
    if seconds < 1 and seconds != 0:
        return f"{_plain(seconds * 1000)}ms"
    rest = seconds
    text = ""
    for unit in ("d", "h", "m"):
        whole, rest = divmod(rest, _DURATION_S[unit])
        text += f"{int(whole)}{unit}" if whole else ""
    rest = round(rest, 9)
    return text + (f"{_plain(rest)}s" if rest or not text else "")


def format_size(size_bytes: int) -> str:
    """A size as the site writes it: in the largest unit that divides it."""
    for unit in ("GiB", "MiB", "KiB", "GB", "MB", "kB"):
        if size_bytes and size_bytes % _SIZE_BYTES[unit] == 0:
            return f"{size_bytes // _SIZE_BYTES[unit]}{unit}"
    return f"{size_bytes}B"


def format_rate(per_second: float) -> str:
    """A rate as the site writes it: a second, a minute or an hour, whichever gives a whole number; `0` for no limit."""
    if per_second == 0:
        return "0"
    for unit, seconds in _PER_S.items():
        number = per_second * seconds
        if abs(number - round(number)) < 1e-9 * number and round(number) > 0:
            return f"{round(number)}/{unit}"
    return f"{_plain(per_second)}/s"


def _plain(number: float) -> str:
    """A number without exponent, without needless zeros."""
    return f"{number:.9f}".rstrip("0").rstrip(".")


def _shown(text: str) -> str:
    """The text in quotes, cut where it is long."""
    return f'"{text}"' if len(text) <= 40 else f'"{text[:39]}…"'


def _size_cure(number: str) -> str:
    """A bare number as a size, and in a larger unit where it is one."""
    if "." in number:
        return f"{number}MiB"
    plain, short = f"{int(number)}B", format_size(int(number))
    return plain if short == plain or not short.endswith("iB") else f"{plain} or {short}"


def _nearest_unit(unit: str) -> str:
    """The unit that was meant: the same letters in another case, else KiB."""
    for known in ("KiB", "kB", "MiB", "MB", "GiB", "GB", "k", "M", "G", "B"):
        if known.lower() == unit.lower():
            return known
    return "KiB"


def _rate_cure(text: str) -> str:
    """What to write instead of a rate that is none: `64KiB/s` is 65536/s."""
    number, _, unit = text.partition("/")
    try:
        size_bytes = parse_size(number)
    except ValueError:
        return "100/s, 6000/m or 10/h"
    return f"{size_bytes}/{unit if unit in _PER_S else 's'}"
