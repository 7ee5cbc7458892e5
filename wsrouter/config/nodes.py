"""What a YAML file says, with positions: scalars, mappings and sequences as they were written."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from wsrouter.config.problems import Place

_SHOWN_CHARACTERS = 60
_SHORTEST_SECRET = 4  # shorter values are found in any message by chance


class ScalarNode(Struct, frozen=True):
    """One scalar. `value` is `text` typed by the YAML 1.2 core rules where it stands plain, else the text itself.

    `written` is what the file says where variables were filled in, so that no secret gets into a message. `broken` where it
    could not be read or filled; the problem is noted, and nothing more need be said of it.
    """

    place: Place
    text: str
    value: object
    plain: bool
    written: str | None = None
    broken: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing at all is written here."""
        return self.plain and self.text == ""


class SequenceNode(Struct, frozen=True):
    """A list of nodes."""

    place: Place
    items: tuple[Node, ...]


class MappingNode(Struct, frozen=True):
    """Pairs of key and value in the order of the file, each key once. `flow` where it is written with braces."""

    place: Place
    pairs: tuple[tuple[ScalarNode, Node], ...]
    flow: bool = False

    def find(self, name: str) -> Node | None:
        """The value of a key, or None."""
        for key, value in self.pairs:
            if key.text == name:
                return value
        return None

    def find_key(self, name: str) -> ScalarNode | None:
        """The key of that name, for its place, or None."""
        for key, _ in self.pairs:
            if key.text == name:
                return key
        return None

    def without(self, *names: str) -> MappingNode:
        """The same mapping less these keys."""
        return MappingNode(self.place, tuple(pair for pair in self.pairs if pair[0].text not in names), self.flow)


Node = ScalarNode | SequenceNode | MappingNode


def plain_value(node: Node) -> object:
    """The node as plain values: dict with text keys, list, str, int, float, bool, None."""
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, SequenceNode):
        return [plain_value(item) for item in node.items]
    return {key.text: plain_value(value) for key, value in node.pairs}


def walk_scalars(node: Node) -> Iterator[ScalarNode]:
    """All scalars of a node in reading order, keys included."""
    if isinstance(node, ScalarNode):
        yield node
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from walk_scalars(item)
    else:
        for key, value in node.pairs:
            yield key
            yield from walk_scalars(value)


def is_nothing(node: Node | None) -> bool:
    """Whether there is no node, or one with nothing written in it, as below a key whose lines are all commented out."""
    return node is None or (isinstance(node, ScalarNode) and node.value is None)


def is_broken(node: Node) -> bool:
    """Whether it is a scalar of which a problem is noted already."""
    return isinstance(node, ScalarNode) and node.broken


def show(node: Node) -> str:
    """A node in the words of a message: `the number 5`, `the text "on"`, `a list`, `nothing`."""
    if isinstance(node, SequenceNode):
        return "a list"
    if isinstance(node, MappingNode):
        return "a mapping"
    if node.written is not None:
        return f"what {show_text(node.written)} stands for"
    if node.value is None:
        return "nothing" if node.empty else node.text
    if isinstance(node.value, bool):
        return node.text
    return f"the text {show_text(node.text)}" if isinstance(node.value, str) else f"the number {node.text}"


def show_text(text: str) -> str:
    """Text in double quotes for a message: on one line, printable, cut at 60 characters."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
    return '"' + "".join(character if character.isprintable() else repr(character)[1:-1] for character in cut) + '"'


def hide(node: Node, message: str) -> str:
    """A message about a node on one line, with what variables stand for replaced by their names."""
    for scalar in walk_scalars(node):
        if scalar.written is not None and len(scalar.text) >= _SHORTEST_SECRET:
            message = scalar.written.join(part.replace(scalar.text, scalar.written) for part in message.split(scalar.written))
    return " ".join(message.split())
