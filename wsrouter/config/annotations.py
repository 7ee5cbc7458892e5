"""Reads the annotations that settings and options are declared with: what they admit, and how to say it in plain words."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import fields as struct_fields

from wsrouter.api.options import REQUIRED
from wsrouter.api.template import Template
from wsrouter.config.units import format_duration, format_rate, format_size

LISTS: Final = (list, tuple, set, frozenset, Sequence, Collection)
MAPPINGS: Final = (dict, Mapping)
_WORDS: Final = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "nothing"}
_UNITS: Final = {"duration": "a time like 5s", "size": "a size like 64KiB", "rate": "a rate like 100/s"}


@dataclass(frozen=True, slots=True)
class Form:
    """One annotation taken apart: the type without `Annotated`, and all that was annotated."""

    base: object
    metas: tuple[Meta, ...]

    @property
    def origin(self) -> object:
        """`list` of `list[str]`; the type itself where it has no parameters."""
        return get_origin(self.base) or self.base

    @property
    def unit(self) -> str | None:
        """`duration`, `size` or `rate`, where the value is written with a unit."""
        return next((str(meta.extra["unit"]) for meta in self.metas if meta.extra and "unit" in meta.extra), None)

    @property
    def is_secret(self) -> bool:
        """Whether no listing shows its value."""
        return any(meta.extra.get("secret") for meta in self.metas if meta.extra)

    @property
    def placeholders(self) -> list[str]:
        """The placeholders that a template may use beyond those of every handler."""
        return [name for meta in self.metas if meta.extra for name in meta.extra.get("placeholders", ())]

    @property
    def description(self) -> str:
        """The outermost sentence of help, or nothing."""
        return next((meta.description for meta in reversed(self.metas) if meta.description), "")

    def bound(self, name: str) -> Any:
        """A bound such as `ge` or `max_length`, the outermost one; None where there is none."""
        return next((value for meta in reversed(self.metas) if (value := getattr(meta, name)) is not None), None)


@dataclass(frozen=True, slots=True)
class RecordField:
    """One key of a record; `default` is REQUIRED where it must be given."""

    name: str
    annotation: object
    default: object


def form_of(annotation: object) -> Form:
    """Takes an annotation apart."""
    metas: tuple[Meta, ...] = ()
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metas = (*(meta for meta in more if isinstance(meta, Meta)), *metas)
    return Form(annotation, metas)


def members_of(form: Form) -> tuple[object, ...]:
    """The alternatives of a union, the outer bounds handed on to each; of anything else the one."""
    if form.origin not in (Union, types.UnionType):
        return (form.base,)
    return get_args(form.base)


def is_record(base: object) -> bool:
    """Whether it is a class whose fields are keys: a msgspec Struct or a dataclass."""
    return isinstance(base, type) and (issubclass(base, Struct) or is_dataclass(base))


def record_fields(record: type) -> tuple[RecordField, ...]:
    """The keys of a record in the order of their declaration."""
    return _record_fields(record)


@lru_cache(maxsize=128)  # reading annotations costs a hundred microseconds, and a site has its settings once a route
def _record_fields(record: Any) -> tuple[RecordField, ...]:
    hints = get_type_hints(record, include_extras=True)
    if issubclass(record, Struct):
        return tuple(RecordField(field.name, hints[field.name], _struct_default(field)) for field in struct_fields(record))
    return tuple(RecordField(field.name, hints[field.name], _dataclass_default(field)) for field in fields(record) if field.init)


def find_owner(record: type, key: str) -> str | None:
    """The field of a record that is itself a record with this key: `limits` for `message_size`; None where none is."""
    for field in record_fields(record):
        inner = form_of(field.annotation).base
        if isinstance(inner, type) and is_record(inner) and key in {own.name for own in record_fields(inner)}:
            return field.name
    return None


def _struct_default(field: Any) -> object:
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return REQUIRED if field.default is NODEFAULT else field.default


def _dataclass_default(field: Any) -> object:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return REQUIRED if field.default is MISSING else field.default


def describe(annotation: object) -> str:
    """What an annotation admits, in plain words: `a whole number from 1 to 100`, `a time like 5s`, `text or a list of text`."""
    form = form_of(annotation)
    if form.unit is not None:
        return _UNITS[form.unit] + _range(form)
    if form.origin in (Union, types.UnionType):
        return _alternatives([word for member in members_of(form) if member is not type(None) for word in _kinds(member)])
    if form.origin is Literal:
        return _alternatives([str(value) for value in get_args(form.base)])
    if isinstance(form.base, type) and issubclass(form.base, Enum):
        return _alternatives([str(member.value) for member in form.base])
    if form.base is Template:
        return "text or a structure"
    if is_record(form.base) and isinstance(form.base, type):
        names = [field.name for field in record_fields(form.base)]
        return f"{{{names[0]}: …}}" if len(names) == 1 else "a mapping"
    return _describe_plain(form)


def _kinds(member: object) -> Sequence[str]:
    """One alternative in words; a template is two of them."""
    return ("text", "a structure") if form_of(member).base is Template else (describe(member),)


def _describe_plain(form: Form) -> str:
    """Scalars, lists and mappings."""
    if form.origin in LISTS:
        inner = [argument for argument in get_args(form.base) if argument is not Ellipsis]
        return f"a list of {describe(inner[0]).removeprefix('a ')}" if inner and form_of(inner[0]).base is str else "a list"
    if form.origin in MAPPINGS:
        return "a mapping"
    word = _WORDS.get(form.base) if isinstance(form.base, type) else None
    if word is None:
        return f"a {getattr(form.base, '__name__', 'value')}"
    return word + (_length(form) if form.base is str else _range(form))


def help_for(annotation: object, description: str = "") -> str:
    """What to give for something that is missing: its sentence of help, else what it admits; to stand after a colon."""
    sentence = (description or form_of(annotation).description).rstrip(".")
    if not sentence:
        return describe(annotation)
    return sentence if sentence[1:2].isupper() else sentence[0].lower() + sentence[1:]


def _alternatives(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`, each once."""
    once = list(dict.fromkeys(words))
    return once[0] if len(once) == 1 else f"{', '.join(once[:-1])} or {once[-1]}" if once else "nothing"


def _range(form: Form) -> str:
    """The bounds of a number, written as the site writes it."""
    parts = []
    for name, words in (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most")):
        value = form.bound(name)
        if value is not None:
            parts.append(f"{words} {written(value, form.unit)}")
    return f", {' and '.join(parts)}" if parts else ""


def _length(form: Form) -> str:
    """The bounds of a text."""
    parts = []
    least, most, pattern = form.bound("min_length"), form.bound("max_length"), form.bound("pattern")
    if least == 1:
        parts.append("that is not empty")
    elif least is not None:
        parts.append(f"of at least {least} characters")
    if most is not None:
        parts.append(f"of at most {most} characters")
    if pattern is not None:
        examples = form.bound("examples")
        parts.append(f"like {examples[0]}" if isinstance(examples, list) and examples else f"that matches {pattern}")
    return f" {' and '.join(parts)}" if parts else ""


def written(value: object, unit: str | None) -> str:
    """A number as the site writes it in this unit."""
    if unit == "duration" and isinstance(value, int | float):
        return format_duration(value)
    if unit == "size" and isinstance(value, int):
        return format_size(value)
    if unit == "rate" and isinstance(value, int | float):
        return format_rate(value)
    return str(value)


def units_of(annotation: object) -> Iterator[str]:
    """The units of an annotation, those of a union's members included."""
    form = form_of(annotation)
    if form.unit is not None:
        yield form.unit
    for member in members_of(form):
        if member is not form.base:
            yield from units_of(member)
