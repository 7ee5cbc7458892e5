"""Problems of a site: what is wrong, where, and what is allowed. All of them are collected; none stops the check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

WIDEST_SOURCE: Final = 160
"""How many characters of a source line are shown around a problem."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file: line and column count from 1, columns in code points."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        """`file:line:column`, as editors and terminals make links of."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. The message is one line, lower case, with the value, what is allowed and, where there is one, the cure."""

    place: Place
    message: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """`file:line:column: message`; a warning says so."""
        mark = "warning: " if self.severity == "warning" else ""
        return f"{self.place}: {mark}{self.message}"


class Problems:
    """Collects problems in the order of their places, each once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, place: Place, message: str) -> None:
        """Notes an error."""
        self._found[Problem(place, message)] = None

    def warn(self, place: Place, message: str) -> None:
        """Notes a warning: it does not keep the site from running."""
        self._found[Problem(place, message, "warning")] = None

    def extend(self, problems: Problems) -> None:
        """Takes all of another's."""
        self._found.update(problems._found)

    @property
    def errors(self) -> list[Problem]:
        """The errors, by place."""
        return [problem for problem in self if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        """The warnings, by place."""
        return [problem for problem in self if problem.severity == "warning"]

    def __iter__(self) -> Iterator[Problem]:
        return iter(sorted(self._found, key=lambda problem: (problem.place, problem.message)))

    def __len__(self) -> int:
        return len(self._found)


def with_source(problem: Problem, line: str | None) -> str:
    """The problem with its source line and a caret below it; of a long line as much as helps.

    Nothing in the line can steer the terminal: a tab is shown as a space, any other control character as `?`.
    """
    if line is None or not line.strip():
        return str(problem)
    column = problem.place.column - 1
    begin = max(0, column - WIDEST_SOURCE // 2) if len(line) > WIDEST_SOURCE else 0
    shown = "".join(character if character.isprintable() else " " if character == "\t" else "?" for character in line[begin : begin + WIDEST_SOURCE])
    left, right = "…" if begin else "", "…" if begin + WIDEST_SOURCE < len(line) else ""
    return f"{problem}\n    {left}{shown.rstrip()}{right}\n    {' ' * (len(left) + column - begin)}^"


def relative_to_here(path: Path) -> str:
    """A path as short as it can be said from the working directory: relative to it where it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path.resolve() if path.is_absolute() and ".." in path.parts else path)
