"""The stamp that a message of the lab carries: who sent it, its number, when it was due, and on which machine that clock runs.

    {"lab":["6f1c2a90","4711-12",17,81234567890123],"pad":"xxxx"}

The time is nanoseconds of CLOCK_MONOTONIC, which all processes of one machine share and nobody sets. On another machine it means nothing:
that is why the machine is in the stamp.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import orjson


class Stamp(NamedTuple):
    """Who sent it, as which number, due when (seconds of the monotonic clock of `host`)."""

    host: str
    sender: str
    number: int
    due_s: float


def name_host() -> str:
    """One word for this machine since it was started; processes of several containers on it have the same clock and the same word."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]
    except OSError:
        return f"{uuid.getnode():012x}"[-8:]


HOST = name_host()


def write_stamp(sender: str, number: int, due_s: float, size_bytes: int = 0) -> str:
    """A message with a stamp, filled up to a size; it is never cut."""
    text = f'{{"lab":["{HOST}","{sender}",{number},{round(due_s * 1e9)}],"pad":""}}'
    fill = size_bytes - len(text)
    return text if fill <= 0 else f"{text[:-2]}{'x' * fill}{text[-2:]}"


def read_stamp(message: str | bytes) -> Stamp | None:
    """The stamp of a message; None where it has none."""
    try:
        host, sender, number, due_ns = orjson.loads(message)["lab"]
        return Stamp(host, sender, int(number), due_ns / 1e9)
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def latency_s(stamp: Stamp) -> float | None:
    """How long ago it was due; None where its clock is another machine's."""
    return monotonic() - stamp.due_s if stamp.host == HOST else None


def wrap(message: str) -> str:
    """A message inside another one, for a route that takes it out again."""
    return f'{{"kind":"wrapped","body":{message}}}'
