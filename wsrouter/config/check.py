"""Holds nodes against annotations: the same walk for the site's settings and for the options of handlers.

Records are checked key by key, lists item by item, scalars by msgspec with the bounds of their annotation; every problem is
noted at its own place, and nothing stops at the first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta, ValidationError, convert

from wsrouter.api.errors import TemplateError
from wsrouter.api.options import REQUIRED, OptionError
from wsrouter.api.template import Template, unknown_placeholders
from wsrouter.config.annotations import LISTS, MAPPINGS, Form, RecordField, describe, find_owner, form_of, help_for, is_record, members_of, record_fields
from wsrouter.config.cures import find_braced, misfit
from wsrouter.config.nearest import suggest
from wsrouter.config.nodes import MappingNode, Node, ScalarNode, SequenceNode, hide, is_nothing, plain_value, show, show_text, walk_scalars
from wsrouter.config.problems import Place, Problems
from wsrouter.config.riddles import quoted
from wsrouter.config.setting_forms import RECORD_CHECKS, SHORT, TEXT_CHECKS, expand
from wsrouter.config.units import parse_duration, parse_rate, parse_size

BASE_PLACEHOLDERS: Final = ("path", "query.*", "user", "claims.*", "now", "connections")
"""What the templates of every handler may use besides the parameters of the route's path."""

_PARSERS: Final[dict[str, Callable[[str], float]]] = {"duration": parse_duration, "size": parse_size, "rate": parse_rate}
_UNIT_NAMES: Final = {"duration": "a time", "size": "a size", "rate": "a rate"}
_ZERO: Final = {"duration": "0s", "size": "0B", "rate": "0"}
_OFF: Final = {"off", "no", "none", "never", "false", "disabled"}
_NUMERIC_BOUNDS: Final = ("gt", "ge", "lt", "le", "multiple_of")
_TEXT_BOUNDS: Final = ("min_length", "max_length", "pattern")


class _Invalid:
    """The one value that says: no value could be made, the problems say why."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = _Invalid()


def check(annotation: object, node: Node, problems: Problems, *, name: str = "this", known: Sequence[str] = BASE_PLACEHOLDERS) -> object:
    """The node as a value of the annotated type; INVALID, with all problems noted, where it is none.

    `name` is what messages call it; `known` are the placeholders that its templates may use, as `unknown_placeholders` takes them.
    """
    return _Check(problems, tuple(known)).value(annotation, node, name)


def key_of(field_name: str) -> str:
    """The key of a field in YAML: `as` for `as_`, which Python reserves."""
    return field_name.removesuffix("_")


def place_within(node: Node, offset: int) -> Place:
    """The place of a character of a scalar's text; of the scalar itself where it spans lines or was filled in."""
    if not isinstance(node, ScalarNode) or node.written is not None or "\n" in node.text:
        return node.place
    return Place(node.place.file, node.place.line, node.place.column + offset + (0 if node.plain else 1))


class _Check:
    """One walk, with where its problems go and the placeholders that it knows."""

    def __init__(self, problems: Problems, known: tuple[str, ...]) -> None:
        self._problems = problems
        self._known = known

    def value(self, annotation: object, node: Node, name: str) -> object:
        """The value of a node, or INVALID."""
        form = form_of(annotation)
        if form.placeholders:
            return _Check(self._problems, (*self._known, *form.placeholders))._of_form(annotation, form, node, name)
        return self._of_form(annotation, form, node, name)

    def _of_form(self, annotation: object, form: Form, node: Node, name: str) -> object:
        if isinstance(node, ScalarNode) and node.broken:
            return INVALID
        if form.unit is not None:
            return self._unit(annotation, form, node, name)
        if len(members_of(form)) > 1:
            return self._union(annotation, form, node, name)
        if form.base is Template:
            return self._template(node, name)
        if is_record(form.base):
            return self._record(form.base, node, name)
        if form.origin in LISTS and not _fixed_tuple(form):
            return self._list(annotation, form, node, name)
        if form.origin in MAPPINGS:
            return self._dict(annotation, form, node, name)
        return self._leaf(annotation, form, node, name)

    def _refuse(self, node: Node, message: str) -> _Invalid:
        self._problems.add(node.place, hide(node, message))
        return INVALID

    def _misfit(self, annotation: object, node: Node, name: str) -> _Invalid:
        self._problems.add(node.place, misfit(annotation, node, name))
        return INVALID

    def _unit(self, annotation: object, form: Form, node: Node, name: str) -> object:
        """A duration, size or rate: parsed from its text, then held against its bounds."""
        if not isinstance(node, ScalarNode) or node.value is None or isinstance(node.value, bool):
            return self._misfit(annotation, node, name)
        try:
            return convert(_PARSERS[str(form.unit)](node.text), _bounded(form))
        except ValidationError:
            if node.written is not None:
                return self._misfit(annotation, node, name)
            return self._refuse(node, f"{name} must be {describe(annotation)}, not {show_text(node.text)[1:-1]}")
        except ValueError as error:
            if node.text.lower() in _OFF and _admits_zero(form):
                return self._refuse(node, f"{name}: {show_text(node.text)} is not {_UNIT_NAMES[str(form.unit)]}: write {_ZERO[str(form.unit)]} to turn it off")
            return self._misfit(annotation, node, name) if node.written is not None else self._refuse(node, f"{name}: {error}")

    def _union(self, annotation: object, form: Form, node: Node, name: str) -> object:
        """The first alternative that the node fits; where none, the problems of the one that was meant."""
        if type(None) in members_of(form) and isinstance(node, ScalarNode) and node.value is None:
            return None
        members = [_with_bounds(member, form.metas) for member in members_of(form)]
        tried = []
        for member in members:
            if not _has_shape(member, node):
                continue
            found = Problems()
            value = _Check(found, self._known).value(member, node, name)
            if value is not INVALID:
                self._problems.extend(found)
                return value
            tried.append((member, found))
        deeper = [found for _, found in tried if all(problem.place != node.place for problem in found)]
        meant = deeper or [found for member, found in tried if form_of(member).origin is not Literal and len(tried) == 1]
        if not meant:
            return self._misfit(annotation, node, name)
        self._problems.extend(meant[0])
        return INVALID

    def _template(self, node: Node, name: str) -> object:
        """A template, with each unknown placeholder at its own place."""
        if any(scalar.broken for scalar in walk_scalars(node)):
            return INVALID
        braced = find_braced(node)
        if braced is not None:
            self._problems.add(braced[0], f"{{{braced[1]}}} is a mapping to YAML here, not text: write {quoted('{' + braced[1] + '}')}")
            return INVALID
        if isinstance(node, ScalarNode) and node.empty:
            return self._misfit(Template, node, name)
        try:
            template = Template(plain_value(node))
        except TemplateError as error:
            return self._refuse(node, f"{name}: {error}")
        if not unknown_placeholders(template, self._known):
            return template
        for scalar in walk_scalars(node):
            if isinstance(scalar.value, str) or not scalar.plain:
                for placeholder, message in unknown_placeholders(Template(scalar.text), self._known):
                    self._problems.add(place_within(scalar, placeholder.offset), message)
        return INVALID

    def _list(self, annotation: object, form: Form, node: Node, name: str) -> object:
        """A list, tuple or set, item by item; one thing alone where it has a short form."""
        inner = next(iter(get_args(form.base)), object)
        if not isinstance(node, SequenceNode):
            if form_of(inner).base not in SHORT or is_nothing(node):
                return self._misfit(annotation, node, name)
            node = SequenceNode(node.place, (node,))
        least, most = form.bound("min_length"), form.bound("max_length")
        if (least is not None and len(node.items) < least) or (most is not None and len(node.items) > most):
            wanted = f"at least {least}" if least is not None and len(node.items) < least else f"at most {most}"
            return self._refuse(node, f"{name} must have {wanted} items, not {len(node.items)}")
        values = [self.value(inner, item, name) for item in node.items]
        return INVALID if _some_invalid(values) else _as_list(form, values)

    def _dict(self, annotation: object, form: Form, node: Node, name: str) -> object:
        """A mapping of open keys."""
        if not isinstance(node, MappingNode):
            return self._misfit(annotation, node, name)
        key_annotation, inner = get_args(form.base) or (str, object)
        keys = [key.text if form_of(key_annotation).base in (str, object, Any) else self.value(key_annotation, key, name) for key, _ in node.pairs]
        values = [self.value(inner, value, key.text) for key, value in node.pairs]
        return INVALID if _some_invalid([*keys, *values]) else dict(zip(keys, values, strict=True))

    def _record(self, record: Any, node: Node, name: str) -> object:
        """A record key by key, then as a whole."""
        mapping = expand(record, node)
        if not isinstance(mapping, MappingNode):
            return self._misfit(record, node, name)
        fields = {key_of(field.name): field for field in record_fields(record)}
        values: dict[str, object] = {}
        for key, value in mapping.pairs:
            if key.text in fields:
                label = key.text if mapping is node else name  # of a short form: the name that is written
                values[fields[key.text].name] = self._field(record, fields[key.text], value, label)
            else:
                self._problems.add(key.place, f"unknown key {show_text(key.text)} in {name}: {_where(record, key.text, fields)}")
                values[key.text] = INVALID
        for key_name, field in fields.items():
            if field.default is REQUIRED and field.name not in values:
                values[field.name] = self._refuse(mapping, f"{name} lacks {key_name}: {help_for(field.annotation)}")
        return INVALID if _some_invalid(values.values()) else self._build(record, values, mapping, name)

    def _field(self, record: Any, field: RecordField, node: Node, name: str) -> object:
        """The value of one key, its texts held against their grammar."""
        value = self.value(field.annotation, node, name)
        text_check = TEXT_CHECKS.get((record, field.name))
        if text_check is None or (value is INVALID and not isinstance(node, SequenceNode)):
            return value
        for scalar in walk_scalars(node):
            if value is INVALID and (scalar.broken or not isinstance(scalar.value, str)):
                continue  # told of already; the other items of the list are looked at all the same
            try:
                text_check(scalar.text)
            except ValueError as error:
                hidden = f"{name}: {show(scalar)} does not fit; expected: {help_for(field.annotation)}"
                value = self._refuse(scalar, str(error) if scalar.written is None else hidden)
        return value

    def _build(self, record: Any, values: dict[str, object], mapping: MappingNode, name: str) -> object:
        """The record made and looked at as a whole."""
        try:
            made = record(**values)
            if record in RECORD_CHECKS:
                RECORD_CHECKS[record](made)
        except Exception as error:  # noqa: BLE001 -- a record of a plugin may run its own code when it is made
            option = error.option if isinstance(error, OptionError) else None
            at = (mapping.find(key_of(option)) if option else None) or mapping
            self._problems.add(at.place, hide(mapping, str(error) if option else f"{name}: {error}"))
            return INVALID
        return made

    def _leaf(self, annotation: object, form: Form, node: Node, name: str) -> object:
        """A scalar, or a type that only msgspec knows."""
        if form.base in (object, Any):
            return plain_value(node)
        try:
            return convert(plain_value(node), annotation)
        except ValidationError as error:
            at = _find_at(node, str(error))
            return self._misfit(annotation, node, name) if at is node else self._refuse(at, f"{name}: {_plain_error(str(error))}")
        except Exception as error:  # noqa: BLE001 -- a type that msgspec does not know, or one whose own code raises
            return self._refuse(node, f"{name} cannot be read as {describe(annotation)}: {error}")


def _some_invalid(values: Iterable[object]) -> bool:
    """Whether one of the values could not be made."""
    return any(value is INVALID for value in values)


def _where(record: type, key: str, known: Collection[str]) -> str:
    """What to do about an unknown key: where it belongs, or which was meant."""
    owner = find_owner(record, key)
    return f"it belongs below {key_of(owner)}:" if owner else suggest(key, known)


def _fixed_tuple(form: Form) -> bool:
    """`tuple[int, str]`, whose items have their own types."""
    return form.origin is tuple and len(get_args(form.base)) > 0 and Ellipsis not in get_args(form.base)


def _as_list(form: Form, values: list[object]) -> object:
    """The items as the kind of list that is wanted."""
    return form.origin(values) if form.origin in (tuple, set, frozenset) and callable(form.origin) else values


def _bounded(form: Form) -> Any:
    """The number's type with its bounds only: `extra` says nothing to msgspec."""
    return Annotated[(form.base, *form.metas)] if form.metas else form.base


def _admits_zero(form: Form) -> bool:
    """Whether nothing at all is among a unit's values: then it turns off what it is for."""
    try:
        convert(0, _bounded(form), strict=False)
    except ValidationError:
        return False
    return True


def _with_bounds(member: object, metas: tuple[Meta, ...]) -> object:
    """An alternative with the outer bounds that mean something to it."""
    base = form_of(member).base
    names = _NUMERIC_BOUNDS if base in (int, float) else _TEXT_BOUNDS if base is str else ()
    meant = tuple(meta for meta in metas if any(getattr(meta, name) is not None for name in names))
    return Annotated[(member, *meant)] if meant else member


def _has_shape(member: object, node: Node) -> bool:
    """Whether an alternative is meant, judged by the kind of node alone."""
    form = form_of(member)
    if form.base is Template or form.base in (object, Any):
        return True
    if is_record(form.base) and isinstance(form.base, type):
        return isinstance(expand(form.base, node), MappingNode) and not is_nothing(node)
    if form.origin in LISTS:
        return isinstance(node, SequenceNode)
    if form.origin in MAPPINGS:
        return isinstance(node, MappingNode)
    if not isinstance(node, ScalarNode):
        return False
    if form.unit is not None:
        return node.value is not None and not isinstance(node.value, bool)
    if form.base in (str, bool, int, float, type(None)):
        return _has_type(form.base, node.value)
    return True


def _has_type(base: object, value: object) -> bool:
    """Whether a scalar's value is of a plain type; a whole number is a number, true is neither."""
    if base is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if base is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(base, type) and isinstance(value, base)


def _find_at(node: Node, message: str) -> Node:
    """The node that msgspec means by ` - at `$.a[0]``; the outermost where it names none."""
    path = message.rpartition(" - at `$")[2].rstrip("`") if " - at `$" in message else ""
    for step in path.replace("[", ".").replace("]", "").split("."):
        child = None
        if isinstance(node, SequenceNode) and step.isdigit() and int(step) < len(node.items):
            child = node.items[int(step)]
        elif isinstance(node, MappingNode):
            child = node.find(step)
        node = child or node
    return node


def _plain_error(message: str) -> str:
    """The message of msgspec without its path and marks."""
    words = message.rpartition(" - at `")[0] or message
    return (words[:1].lower() + words[1:]).replace("`", "")
