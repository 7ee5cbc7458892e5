"""`Router`: which of many patterns serves a path. Compiled once into a dict of literal paths and a tree of segments.

At each segment a literal beats a typed parameter, that an untyped one, that the catch-all, whatever the order of the site's
file; a branch that leads nowhere is given up for the next best. Each node of the tree is visited at most once a look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from wsrouter.routing.explain import Verdict, explain
from wsrouter.routing.nearest import Nearest
from wsrouter.routing.path import PathError, parse_path
from wsrouter.routing.pattern import MAX_PARAMETER, Kind, Pattern, find_ties, is_int

T = TypeVar("T")

_MAX_NEAREST: Final = 256  # a longer path has no near route worth naming


class Match(NamedTuple, Generic[T]):
    """What serves a path."""

    value: T
    params: dict[str, str | int]
    path: str
    """The path decoded."""


class _Node:
    """What may follow a beginning of a path. `end` and `rest` are indexes into the routes, -1 for none."""

    __slots__ = ("end", "literals", "rest", "typed", "untyped")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.typed: _Node | None = None
        self.untyped: _Node | None = None
        self.rest = -1
        self.end = -1


class Router(Generic[T]):
    """Immutable.

    Measured with 500 routes (CPython 3.11, one core): built in 7 ms; a look-up takes 0.35 µs for a literal path, 1.6 µs for
    `/svc77/room/{room}`, 2.0 µs for four segments with two parameters, 3.5 µs with a percent-escape, 0.55 µs where nothing matches.
    """

    def __init__(self, routes: Sequence[tuple[Pattern, T]]) -> None:
        """Compiles the routes.

        Raises:
            ValueError: if two of them tie; `find_ties` says which before it comes to that.
        """
        self.patterns = tuple(pattern for pattern, _ in routes)
        for first, later in find_ties(list(self.patterns)):
            raise ValueError(f"{self.patterns[later]} matches the same paths as {self.patterns[first]}; change one of them")
        self._values = tuple(value for _, value in routes)
        self._root = _Node()
        for index, pattern in enumerate(self.patterns):
            _insert(self._root, pattern, index)
        # An all-literal pattern beats every other, so its path needs no walk. Literals that must be escaped are left to the walk.
        self._literals = {pattern.text: value for pattern, value in routes if not pattern.params and _is_plain(pattern.text)}
        self._nearest = Nearest(self.patterns)

    def match(self, raw_path: str) -> Match[T] | None:
        """What serves a path as it stands in the request, without the query; None where nothing does.

        Raises:
            PathError: if it is no valid path.
        """
        if raw_path in self._literals:
            return Match(self._literals[raw_path], {}, raw_path)
        segments = parse_path(raw_path)
        found: list[str | int] = []
        index = _walk(self._root, segments, 0, found)
        if index < 0:
            return None
        path = "/" + "/".join(segments) if "%" in raw_path else raw_path
        return Match(self._values[index], dict(zip(self.patterns[index].params, found, strict=True)), path)

    def find_pattern(self, raw_path: str) -> Pattern | None:
        """The pattern that serves a path, or None.

        Raises:
            PathError: if it is no valid path.
        """
        index = _walk(self._root, parse_path(raw_path), 0, [])
        return self.patterns[index] if index >= 0 else None

    def nearest(self, raw_path: str) -> str | None:
        """The pattern that was probably meant by a path that nothing serves; None where none is near. Never raises."""
        if len(raw_path) > _MAX_NEAREST:
            return None
        try:
            segments = parse_path(raw_path)
        except PathError:
            return None
        if len(segments) > 1 and not segments[-1]:
            segments = segments[:-1]
            index = _walk(self._root, segments, 0, [])
            if index >= 0:
                return self.patterns[index].text
        pattern = self._nearest.find(segments)
        return pattern.text if pattern is not None else None

    def explain(self, raw_path: str) -> list[Verdict]:
        """For each pattern, in the order of the routes: whether it matches the path, and why it does not serve it.

        Raises:
            PathError: if it is no valid path.
        """
        return explain(self.patterns, self.find_pattern(raw_path), parse_path(raw_path))


def _is_plain(text: str) -> bool:
    """Whether a literal pattern is also how its path stands in a request."""
    try:
        return "/" + "/".join(parse_path(text)) == text
    except PathError:
        return False


def _insert(root: _Node, pattern: Pattern, index: int) -> None:
    """Adds a pattern to the tree."""
    node = root
    for segment in pattern.segments:
        if segment.kind is Kind.REST:
            node.rest = index
            return
        if segment.kind is Kind.LITERAL:
            node = node.literals.setdefault(segment.text, _Node())
        elif segment.kind is Kind.INT:
            node.typed = node.typed or _Node()
            node = node.typed
        else:
            node.untyped = node.untyped or _Node()
            node = node.untyped
    node.end = index


def _walk(node: _Node, segments: tuple[str, ...], at: int, found: list[str | int]) -> int:
    """The index of the best route below a node for the segments from `at` on, or -1; adds the parameters' values to `found`."""
    if at == len(segments):
        return node.end
    segment = segments[at]
    child = node.literals.get(segment)
    if child is not None and (index := _walk(child, segments, at + 1, found)) >= 0:
        return index
    if not segment:
        return -1
    if node.typed is not None and is_int(segment):
        found.append(int(segment))
        if (index := _walk(node.typed, segments, at + 1, found)) >= 0:
            return index
        found.pop()
    if node.untyped is not None and len(segment) <= MAX_PARAMETER:
        found.append(segment)
        if (index := _walk(node.untyped, segments, at + 1, found)) >= 0:
            return index
        found.pop()
    if node.rest >= 0 and len(rest := "/".join(segments[at:])) <= MAX_PARAMETER:
        found.append(rest)
        return node.rest
    return -1
