"""What to say of a value that does not fit: what is allowed, what stands there, and what to write instead."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, Literal, get_args

from wsrouter.config.annotations import LISTS, Form, describe, form_of, is_record, members_of, record_fields
from wsrouter.config.nearest import find_nearest
from wsrouter.config.nodes import MappingNode, Node, ScalarNode, SequenceNode, show
from wsrouter.config.problems import Place
from wsrouter.config.riddles import quoted
from wsrouter.config.scalars import parse_scalar

_BRACED: Final = re.compile(r"[A-Za-z_][\w.:-]*", re.ASCII)
_YES_NO: Final = {"on": "true", "yes": "true", "y": "true", "true": "true", "off": "false", "no": "false", "n": "false", "false": "false"}


def misfit(annotation: object, node: Node, name: str) -> str:
    """`every must be a time like 5s, not a list`, with what to write where that can be told."""
    braced = braced_name(node)
    if braced is not None:
        return f"{name} is a mapping to YAML here, not text: write {quoted('{' + braced + '}')}"
    if isinstance(node, ScalarNode) and node.written is not None:
        forms = [form_of(member) for member in members_of(form_of(annotation)) if form_of(annotation).unit is None]
        wants_number = any(form.base in (int, float, bool) and form.unit is None for form in forms)
        typed = wants_number and not node.plain and not isinstance(parse_scalar(node.text), str)  # in quotes it stays text
        return f"{name} must be {describe(annotation)}, not {show(node)}{'; write it without quotes, on a line of its own' if typed else ''}"
    cure = next((cure for member in members_of(form_of(annotation)) if (cure := _cure(form_of(member), node)) is not None), "")
    return f"{name} must be {describe(annotation)}, not {show(node)}{cure}"


def braced_name(node: Node) -> str | None:
    """`now`, where `{now}` stands without quotes, which YAML takes for a mapping."""
    if not isinstance(node, MappingNode) or not node.flow or len(node.pairs) != 1:
        return None
    key, value = node.pairs[0]
    bare = isinstance(value, ScalarNode) and value.empty and value.place.line == key.place.line
    return key.text if bare and key.plain and _BRACED.fullmatch(key.text) else None


def find_braced(node: Node) -> tuple[Place, str] | None:
    """The first `{name}` without quotes in a structure, with its place."""
    name = braced_name(node)
    if name is not None:
        return node.place, name
    children = node.items if isinstance(node, SequenceNode) else [value for _, value in node.pairs] if isinstance(node, MappingNode) else ()
    return next((found for child in children if (found := find_braced(child)) is not None), None)


def _cure(form: Form, node: Node) -> str | None:
    """The end of the message for one alternative of what is allowed, or None."""
    if form.origin in LISTS and isinstance(node, ScalarNode) and node.value is not None:
        return f"; write [{_as_item(node)}]"
    if isinstance(form.base, type) and is_record(form.base):
        return _keys_cure(form.base, node)
    if not isinstance(node, ScalarNode):
        return None
    if form.origin is Literal or (isinstance(form.base, type) and issubclass(form.base, Enum)):
        return _choice_cure(form, node)
    if form.base is str and not isinstance(node.value, str) and node.text not in {"", "~"}:
        return f"; write {quoted(node.text)}"
    if form.base is bool and node.text.lower() in _YES_NO:
        return f"; write {_YES_NO[node.text.lower()]}" + ("" if node.plain else " without quotes")
    if form.base in (int, float) and isinstance(node.value, str):
        return _number_cure(node.text)
    return None


def _choice_cure(form: Form, node: ScalarNode) -> str | None:
    """The nearest of the values that are allowed."""
    values = get_args(form.base) if form.origin is Literal else [member.value for member in form.base]  # type: ignore[attr-defined]
    texts = [value for value in values if isinstance(value, str)]
    if node.text in texts:
        return f"; write {quoted(node.text)}"
    nearest = find_nearest(node.text, texts)
    return f"; did you mean {nearest}?" if nearest else None


def _keys_cure(record: type, node: Node) -> str | None:
    """The keys of the mapping that is wanted, and the one that may be meant as an example; of one key alone the description tells already."""
    names = [field.name.removesuffix("_") for field in record_fields(record)]
    if len(names) == 1:
        return None
    meant = find_nearest(node.text, names) if isinstance(node, ScalarNode) else None
    return f"; its keys are {', '.join(names)}, as {{{meant or names[0]}: …}}"


def _number_cure(text: str) -> str | None:
    """A number that stands in quotes, or has leading zeros."""
    if isinstance(parse_scalar(text), int | float) and not isinstance(parse_scalar(text), bool):
        return f"; write {text} without quotes"
    stripped = text.lstrip("0")
    return f"; write {stripped}" if stripped.isascii() and stripped.isdigit() and stripped != text else None


def _as_item(node: ScalarNode) -> str:
    """A scalar as it stands in a list with brackets."""
    plain = node.plain and not any(character in node.text for character in "[]{},*&!|>'\"%@`#:")
    return node.text if plain else quoted(node.text)
