"""Reads a YAML file into nodes with positions, within bounds: whatever the bytes are, the answer is nodes or located problems.

PyYAML with libyaml, its event stream only: libyaml's composer crashes the process on deep nesting, and its constructors
make values that nobody meant. Anchors, aliases and `<<` work; tags, several documents and duplicate keys are problems.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

import yaml
from yaml._yaml import CParser

from wsrouter.config.nodes import MappingNode, Node, ScalarNode, SequenceNode, show_text
from wsrouter.config.problems import Place, Problems, relative_to_here
from wsrouter.config.riddles import Fault, control_character, explain_fault
from wsrouter.config.scalars import parse_scalar

MAX_FILE_BYTES: Final = 1 << 20  # 20,000 routes fit; Docker Compose and Kubernetes cap at the same
MAX_DEPTH: Final = 64
MAX_NODES: Final = 200_000  # with every alias counted as what it stands for

# What YAML calls printable, less the byte order mark (YAML 1.2, section 5.1).
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # as libyaml counts lines


class _StopError(Exception):
    """The rest of the file cannot be read; its problem is noted."""


class Wording(NamedTuple):
    """What a file of some kind is told to do where it cannot be read."""

    folder: str
    missing: str
    empty: str
    too_long: str


SITE_WORDING: Final = Wording("name the site's file in it", "wsrouter init makes one", "it needs at least routes:", "split it with include:")


def load_document(path: Path, problems: Problems, wording: Wording = SITE_WORDING) -> Node | None:
    """Reads a file; None where nothing can be made of it, with the problem noted."""
    name = _name_of(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        problems.add(Place(name), _unreadable(error, wording))
        return None
    if len(data) > MAX_FILE_BYTES:
        problems.add(Place(name), f"the file is over {MAX_FILE_BYTES >> 20} MiB: {wording.too_long}")
        return None
    text = _decode(data, name, problems)
    return None if text is None else parse_document(text, name, problems, wording)


def parse_document(text: str, file: str, problems: Problems, wording: Wording = SITE_WORDING) -> Node | None:
    """Parses YAML text; None where nothing can be made of it, with the problem noted."""
    match = _UNPRINTABLE.search(text)
    if match is not None:
        problems.add(_place_at(text, match.start(), file), control_character(match[0]))
        return None
    try:
        return _Reader(text, file, problems, wording).read()
    except _StopError:
        return None
    except yaml.MarkedYAMLError as error:
        answer = explain_fault(_fault(error), _LINE_BREAK.split(text))
        problems.add(Place(file, answer.line + 1, answer.column + 1), answer.message)
    except yaml.YAMLError as error:
        problems.add(Place(file), f"this is not YAML: {' '.join(str(error).split())}")
    return None


def _name_of(path: Path) -> str:
    """The path as problems show it."""
    try:
        return relative_to_here(path)
    except RuntimeError:  # a ring of symbolic links, before Python 3.13
        return str(path)


def _unreadable(error: Exception, wording: Wording) -> str:
    """Why a file cannot be read, with the cure where there is one."""
    if isinstance(error, IsADirectoryError):
        return f"this is a directory: {wording.folder}"
    if isinstance(error, FileNotFoundError):
        return f"there is no such file; {wording.missing}"
    if isinstance(error, PermissionError):
        return "the file may not be read by this user: change its permissions"
    return f"the file cannot be read: {getattr(error, 'strerror', None) or error}"


def _decode(data: bytes, name: str, problems: Problems) -> str | None:
    """The bytes as text; None with a problem where they are not plain UTF-8."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        problems.add(Place(name), "the file is UTF-16: save it as UTF-8")
        return None
    if data.startswith(b"\xef\xbb\xbf"):
        problems.add(Place(name), "the file begins with a byte order mark: save it as UTF-8 without one")
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        problems.add(_place_at(before, len(before), name), f"the byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8")
        return None


def _place_at(text: str, offset: int, file: str) -> Place:
    """The place of a character in a text."""
    breaks = list(_LINE_BREAK.finditer(text, 0, offset))
    return Place(file, len(breaks) + 1, offset - (breaks[-1].end() if breaks else 0) + 1)


def _fault(error: yaml.MarkedYAMLError) -> Fault:
    """The parser's error as facts."""
    problem, context = error.problem_mark, error.context_mark
    line, column = (problem.line, problem.column) if problem else (0, 0)
    where = (context.line, context.column) if context else (line, column)
    return Fault(error.problem or "it cannot be read", line, column, error.context or "", *where)


class _Reader:
    """Makes nodes of the events of one text."""

    def __init__(self, text: str, file: str, problems: Problems, wording: Wording) -> None:
        self._wording = wording
        self._parser = CParser(text)
        self._file = file
        self._problems = problems
        self._nodes = 0
        self._anchors: dict[str, tuple[Node, int, int]] = {}  # anchor -> node, its nodes, its height

    def read(self) -> Node | None:
        """The only document of the text."""
        self._next()  # the start of the stream
        if isinstance(self._next(), yaml.StreamEndEvent):
            self._problems.add(Place(self._file), f"the file is empty: {self._wording.empty}")
            return None
        node, _ = self._node(self._next(), 0)
        self._next()  # the end of the document
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            self._problems.add(self._place(event), "a second document begins here: one file is one document, delete the ---")
        return node

    def _next(self) -> yaml.Event:
        """The next event; the end of the stream is one, so there is always a next one until then."""
        event = self._parser.get_event()
        if event is None:
            raise _StopError
        return event

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file)

    def _count(self, nodes: int, depth: int, place: Place) -> None:
        """Counts nodes against the bounds; an alias counts as what it stands for."""
        self._nodes += nodes
        if depth > MAX_DEPTH:
            self._problems.add(place, f"this is nested deeper than {MAX_DEPTH} levels")
            raise _StopError
        if self._nodes > MAX_NODES:
            self._problems.add(place, f"the file has more than {MAX_NODES} values, aliases counted as what they stand for: {self._wording.too_long}")
            raise _StopError

    def _node(self, event: yaml.Event, depth: int) -> tuple[Node, int]:
        """The node that an event begins, and how many levels it has below it."""
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place, depth)
        before = self._nodes
        self._count(1, depth, place)
        node, height = self._content(event, place, depth)
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            self._anchors[event.anchor] = (node, self._nodes - before, height)
        return node, height

    def _content(self, event: yaml.Event, place: Place, depth: int) -> tuple[Node, int]:
        """A scalar, a list or a mapping."""
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            self._problems.add(place, f"the tag {show_text(event.tag)} is not supported: delete it; text is written in quotes")
        if isinstance(event, yaml.ScalarEvent):
            plain = event.implicit[0]
            return ScalarNode(place, event.value, parse_scalar(event.value) if plain else event.value, plain), 0
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(place, depth)
        return self._mapping(place, depth, flow=isinstance(event, yaml.MappingStartEvent) and bool(event.flow_style))

    def _alias(self, event: yaml.AliasEvent, place: Place, depth: int) -> tuple[Node, int]:
        """What an alias stands for, shared."""
        name = str(event.anchor)
        if name not in self._anchors:
            self._problems.add(place, f'no anchor &{name} stands before this: for the text itself write "*{name}"')
            return ScalarNode(place, f"*{name}", f"*{name}", plain=False, broken=True), 0
        node, nodes, height = self._anchors[name]
        self._count(nodes, depth + height, place)
        return node, height

    def _sequence(self, place: Place, depth: int) -> tuple[Node, int]:
        items = []
        height = 0
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            item, below = self._node(event, depth + 1)
            items.append(item)
            height = max(height, below + 1)
        return SequenceNode(place, tuple(items)), height

    def _mapping(self, place: Place, depth: int, *, flow: bool) -> tuple[Node, int]:
        pairs: list[tuple[ScalarNode, Node]] = []
        merged: list[Node] = []
        height = 0
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key, _ = self._node(event, depth + 1)
            value, below = self._node(self._next(), depth + 1)
            height = max(height, below + 1)
            if not isinstance(key, ScalarNode):
                self._problems.add(self._place(event), "a key must be text: put it in quotes")
            elif key.plain and key.text == "<<":
                merged.append(value)
            else:
                pairs.append((key, value))
        pairs = unique_pairs(pairs, self._problems)
        for value in merged:
            self._merge(value, pairs)
        return MappingNode(place, tuple(pairs), flow), height

    def _merge(self, value: Node, pairs: list[tuple[ScalarNode, Node]]) -> None:
        """Adds the pairs of `<<: mapping` or `<<: [mapping, …]` whose keys are not there yet."""
        names = {key.text for key, _ in pairs}
        for node in value.items if isinstance(value, SequenceNode) else (value,):
            if not isinstance(node, MappingNode):
                self._problems.add(node.place, "<< takes a mapping or a list of mappings, as <<: *anchor")
                continue
            self._count(len(node.pairs), 0, value.place)
            pairs.extend(pair for pair in node.pairs if pair[0].text not in names)
            names.update(key.text for key, _ in node.pairs)


def unique_pairs(pairs: list[tuple[ScalarNode, Node]], problems: Problems) -> list[tuple[ScalarNode, Node]]:
    """The pairs, the first of each key; the others are problems."""
    first: dict[str, tuple[ScalarNode, Node]] = {}
    for key, value in pairs:
        if key.text in first:
            line = first[key.text][0].place.line
            problems.add(key.place, f"the key {show_text(key.text)} stands here a second time, first in line {line}: delete one")
        else:
            first[key.text] = (key, value)
    return list(first.values())
