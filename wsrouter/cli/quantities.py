"""What options of commands are worth: counts, rates, sizes and times, with what is allowed when one is none."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

from wsrouter.bench.messages import STAMP_BYTES
from wsrouter.config.units import parse_duration, parse_size

MOST = 65535
"""Connections, and messages of one in flight: a stamp has four digits for the sender."""
MOST_BYTES = 64 << 20

Value = TypeVar("Value")


def parse_count(text: str) -> int:
    """A number of things.

    Raises:
        ArgumentTypeError: if it is none, with what to write; argparse prints it.
    """
    if not text.isdecimal() or not 0 < int(text) <= MOST:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST}")
    return int(text)


def parse_per_s(text: str) -> float:
    """Messages a second: `1000`, `0.5`, `1000/s`.

    Raises:
        ArgumentTypeError: as `parse_count`.
    """
    number = text.removesuffix("/s")
    if not number.replace(".", "", 1).isdecimal() or not 0 < float(number) <= 1e7:
        raise ArgumentTypeError(f"{text!r} is not a number of messages a second: write 1000 or 0.5, 10000000 at the most")
    return float(number)


def parse_bytes(text: str) -> int:
    """Bytes, with or without a unit.

    Raises:
        ArgumentTypeError: as `parse_count`.
    """
    size_bytes = int(text) if text.isdecimal() else _told(parse_size, text)
    if not STAMP_BYTES <= size_bytes <= MOST_BYTES:
        raise ArgumentTypeError(f"{text} is not from {STAMP_BYTES} bytes, which the number and the time of a message take, to 64MiB")
    return size_bytes


def parse_time(text: str) -> float:
    """Seconds, with or without a unit.

    Raises:
        ArgumentTypeError: as `parse_count`.
    """
    seconds = _told(parse_duration, f"{text}s" if text.replace(".", "", 1).isdecimal() else text)
    if seconds <= 0:
        raise ArgumentTypeError(f"{text} is no time at all: write 10s")
    return seconds


def _told(parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
