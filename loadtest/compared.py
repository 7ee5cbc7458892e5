"""What `./dev compare` measured, and the file that holds it. Pure, but for the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured of one server in each round: its median, and what it lay between."""

    rounds: Sequence[float]

    @property
    def value(self) -> float:
        """The median."""
        return median(self.rounds)

    @property
    def low(self) -> float:
        """The least."""
        return min(self.rounds)

    @property
    def high(self) -> float:
        """The most."""
        return max(self.rounds)


@dataclass(frozen=True, slots=True)
class Compared:
    """A run. `figures` are by row (`echo-1`, `latency-p99`) and server; `failed` says why one has none."""

    figures: Mapping[str, Mapping[str, Sample]]
    failed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    peers: Mapping[str, str] = field(default_factory=dict)
    """Who took part, and what it is."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Who did not, and why."""
    date: str = ""
    command: str = ""
    machine: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def ranking(self, row: str) -> list[tuple[str, Sample]]:
        """Who was measured in a row, the least first: all rows are costs."""
        return sorted(self.figures.get(row, {}).items(), key=lambda item: item[1].value)


def load_compared(path: Path) -> Compared:
    """Reads a file that `save_compared` wrote; without one, nothing was measured."""
    if not path.exists():
        return Compared({})
    found = json.loads(path.read_text("utf-8"))
    figures = {row: {name: Sample(rounds) for name, rounds in servers.items()} for row, servers in found.pop("figures").items()}
    return Compared(figures, **found)


def save_compared(path: Path, compared: Compared) -> None:
    """Writes what each round gave, with four digits that count, a server a line, so that a new run is a readable diff."""
    about = {name: getattr(compared, name) for name in ("date", "command", "machine", "versions", "peers", "missing", "failed")}
    lines = [f'"{name}": {json.dumps(value, ensure_ascii=False)},' for name, value in about.items()]
    blocks = []
    for row, servers in compared.figures.items():
        body = ",\n".join(f'    "{name}": {json.dumps([float(f"{value:.4g}") for value in sample.rounds])}' for name, sample in servers.items())
        blocks.append(f'  "{row}": {{\n{body}\n  }}')
    path.write_text("{\n" + "\n".join(lines) + '\n"figures": {\n' + ",\n".join(blocks) + "\n}\n}\n", "utf-8")
