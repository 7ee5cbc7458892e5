"""`Template`, text or a structure with `{placeholders}`, and `Values`, what they stand for.

Only `{identifier}`, `{identifier.field}` and `{identifier:format}` are placeholders; `{"json": 1}`, `{}` and `{ x }` stay as
they are, and `{{room}}` is the literal `{room}`. In a structure each value is put in as a value, so nothing that a client
sends can break out of its place in the JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from wsrouter.api.errors import TemplateError
from wsrouter.api.messages import to_json

if TYPE_CHECKING:
    from wsrouter.api.connection import Connection
    from wsrouter.api.context import Clock

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_-]+)*(?::[A-Za-z_][A-Za-z0-9_]*)?"
_PLACEHOLDER: Final = re.compile(rf"\{{\{{(?P<literal>{_NAME})\}}\}}|\{{(?P<name>{_NAME})\}}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DEPTH: Final = 64  # as deep as a site's file may be
_FORMATS: Final = ("now", "now:unix", "now:unix_ms")

_Fill = Callable[[Mapping[str, object]], object]


class _Missing:
    """The one value that says: there is no message."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One `{name}`: its name without braces (`room`, `query.x`, `now:unix_ms`) and where its brace stands in its text, from 0."""

    name: str
    offset: int

    @property
    def root(self) -> str:
        """The name up to the first dot or colon."""
        return re.split(r"[.:]", self.name, maxsplit=1)[0]


def value_text(value: object) -> str:
    """A value as it stands within text: text as it is, None as nothing, true and false and structures as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return to_json(value) if isinstance(value, bool | dict | list | tuple) else str(value)


def time_text(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC with milliseconds: `2024-05-01T12:00:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_ms(moment: datetime) -> int:
    """A moment in whole milliseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _get(values: Mapping[str, object], name: str) -> object:
    """The value of a placeholder; raises TemplateError where there is none to be had."""
    try:
        return values[name]
    except KeyError:
        raise TemplateError(f"{{{name}}} stands for nothing here") from None


def _split(text: str, found: list[Placeholder]) -> list[str | Placeholder]:
    """Cuts text into what stays and what is filled; adds the placeholders to `found`."""
    parts: list[str | Placeholder] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        parts.append(text[end : match.start()])
        if match["literal"] is not None:
            parts.append(match[0][1:-1])
        else:
            found.append(Placeholder(match["name"], match.start()))
            parts.append(found[-1])
        end = match.end()
    parts.append(text[end:])
    return [part for part in parts if part != ""]


def _text_filler(text: str, found: list[Placeholder]) -> _Fill:
    """What fills one text: a constant, a single value that keeps its type, or pieces joined."""
    parts = _split(text, found)
    if all(isinstance(part, str) for part in parts):
        constant = "".join(map(str, parts))
        return lambda values: constant
    if len(parts) == 1 and isinstance(parts[0], Placeholder):
        name = parts[0].name
        return lambda values: _get(values, name)
    return lambda values: "".join([part if isinstance(part, str) else value_text(_get(values, part.name)) for part in parts])


def _filler(source: object, found: list[Placeholder], depth: int) -> _Fill:
    """What fills a source of any shape; adds its placeholders to `found` in reading order."""
    if depth > _MAX_DEPTH:
        raise TemplateError(f"a template is nested deeper than {_MAX_DEPTH}")
    if isinstance(source, str):
        return _text_filler(source, found)
    if source is None or isinstance(source, bool | int | float):
        return lambda values: source
    if isinstance(source, list | tuple):
        items = [_filler(item, found, depth + 1) for item in source]
        return lambda values: [fill(values) for fill in items]
    if isinstance(source, Mapping):
        pairs = [(_key_filler(key, found), _filler(item, found, depth + 1)) for key, item in source.items()]
        return lambda values: {value_text(key(values)): fill(values) for key, fill in pairs}
    raise TemplateError(f"a template is text, a number, true, false, null, a list or a mapping, not {type(source).__name__}")


def _key_filler(key: object, found: list[Placeholder]) -> _Fill:
    """What fills a key: JSON has only text there."""
    if not isinstance(key, str):
        raise TemplateError(f"the key {key!r} of a template is not text: put it in quotes")
    return _text_filler(key, found)


class Template:
    """Text, or a YAML structure (mappings, lists, scalars) whose strings and keys hold `{placeholders}`. Immutable.

    Two templates are equal when their sources are written the same.
    """

    __slots__ = ("_fill", "_key", "placeholders", "source")

    source: object
    placeholders: tuple[Placeholder, ...]

    def __init__(self, source: object) -> None:
        """Parses the source once.

        Raises:
            TemplateError: if it is neither text nor a structure that JSON can carry.
        """
        found: list[Placeholder] = []
        self._fill = _filler(source, found, 0)
        self._key = repr(source)
        self.source = source
        self.placeholders = tuple(found)

    @property
    def constant(self) -> bool:
        """Whether it has no placeholder, so that it is the same for all values."""
        return not self.placeholders

    def fill(self, values: Mapping[str, object]) -> object:
        """The source with its placeholders replaced; a scalar that is exactly one placeholder keeps the value's type.

        Raises:
            TemplateError: if `values` lacks one.
        """
        return self._fill(values)

    def text(self, values: Mapping[str, object]) -> str:
        """As text: a text source with each value as text, any other source as JSON text with each value escaped.

        Raises:
            TemplateError: if `values` lacks a placeholder.
            TypeError: if a value cannot be JSON.
        """
        filled = self._fill(values)
        return value_text(filled) if isinstance(self.source, str) else to_json(filled)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Template({self._key})"


def unknown_placeholders(template: Template, known: Collection[str]) -> list[tuple[Placeholder, str]]:
    """The placeholders of a template that stand for nothing, each with a message that lists the known ones.

    `known` holds names (`room`, `user`, `now`, `n`) and families (`query.*`, `claims.*`; `message.*` admits `message` too).
    """
    found = []
    for placeholder in template.placeholders:
        message = _complaint(placeholder, known)
        if message is not None:
            found.append((placeholder, message))
    return found


def _complaint(placeholder: Placeholder, known: Collection[str]) -> str | None:
    """What is wrong with a placeholder, or None."""
    name, root = placeholder.name, placeholder.root
    family = f"{root}.*" in known
    if name in known or (root == "now" in known and name in _FORMATS) or (name == "message" and family):
        return None
    if family and name.startswith(f"{root}.") and ":" not in name:
        return None
    return f"{{{name}}} stands for nothing here: {_cure(name, root, known)}"


def _cure(name: str, root: str, known: Collection[str]) -> str:
    """What to write instead of an unknown placeholder."""
    if root == "now" and "now" in known:
        return "write " + ", ".join(f"{{{form}}}" for form in _FORMATS[:-1]) + f" or {{{_FORMATS[-1]}}}"
    if ":" in name and (root in known or f"{root}.*" in known):
        return f"only now has formats; write {{{name.partition(':')[0]}}}"
    if root in known:
        return f"{root} has no fields; write {{{root}}}"
    if f"{root}.*" in known:
        return f"write {{{root}.NAME}}"
    listed = ", ".join(f"{{{entry.replace('*', 'NAME')}}}" for entry in known)
    return f"{_guess(root, known)}known are {listed or 'none'}; for the text itself write {{{{{name}}}}}"


def _guess(root: str, known: Collection[str]) -> str:
    """The nearest known name as a question, or nothing."""
    from difflib import get_close_matches  # only where something is wrong

    near = get_close_matches(root, [entry.removesuffix(".*") for entry in known], 1)
    if not near:
        return ""
    tail = "" if near[0] in known else ".NAME"
    return f"did you mean {{{near[0]}{tail}}}? "


class Values(Mapping[str, object]):
    """What the placeholders stand for, for one connection at one moment; looked up when asked.

    Names: the route's path parameters (these win), `path`, `query.x`, `user`, `claims.x`, `connections`, `now`, `now:unix`,
    `now:unix_ms`, `n`, `message` and `message.x.y`. A query value, claim or message field that is missing is None: nothing
    in text, null in a structure. KeyError where there is nothing to ask: no connection, no `n`, no message.
    """

    __slots__ = ("_clock", "_connection", "_connections", "_message", "_n")

    def __init__(
        self,
        connection: Connection | None = None,
        *,
        clock: Clock,
        n: int | None = None,
        message: object = MISSING,
        connections: Callable[[], int] | None = None,
    ) -> None:
        """`message` is a value as JSON gives it, or text; `connections` counts those of the route."""
        self._connection = connection
        self._clock = clock
        self._n = n
        self._message = message
        self._connections = connections

    def __getitem__(self, name: str) -> object:
        if self._connection is not None and name in self._connection.params:
            return self._connection.params[name]
        root, _, rest = name.partition(".")
        if root == "message" and self._message is not MISSING:
            return _field(self._message, rest)
        if name == "n" and self._n is not None:
            return self._n
        if name == "connections" and self._connections is not None:
            return self._connections()
        return self._of_connection(root, rest) if self._connection is not None and root in _OF_CONNECTION else self._time(name)

    def __iter__(self) -> Iterator[str]:
        yield from _FORMATS
        if self._connection is not None:
            yield from self._connection.params
            yield from ("path", "user")
            yield from (f"query.{name}" for name in self._connection.query)
            yield from (f"claims.{name}" for name in self._connection.claims)
        if self._n is not None:
            yield "n"
        if self._message is not MISSING:
            yield "message"
        if self._connections is not None:
            yield "connections"

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _of_connection(self, root: str, rest: str) -> object:
        """`path`, `user`, `query.x` and `claims.x.y`."""
        assert self._connection is not None
        if root == "query":
            return self._connection.query.get(rest)
        if root == "claims":
            return _field(self._connection.claims, rest)
        return self._connection.path if root == "path" else self._connection.user

    def _time(self, name: str) -> object:
        """The three forms of `now`."""
        if name == "now":
            return time_text(self._clock.now())
        if name == "now:unix_ms":
            return unix_ms(self._clock.now())
        if name == "now:unix":
            return unix_ms(self._clock.now()) // 1000
        raise KeyError(name)


_OF_CONNECTION: Final = frozenset({"path", "user", "query", "claims"})


def _field(value: object, path: str) -> object:
    """A field within a value, by dotted names and list positions; None where it is not there."""
    for step in path.split(".") if path else ():
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list | tuple) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
