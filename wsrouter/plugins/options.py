"""The options that a handler declares: annotated fields of a class, keyword-only parameters of a function.

Annotations may be strings. A default may be written as in YAML: `"1s"` for a Duration is 1.0, `"64KiB"` for a Size is 65536,
text for a Template is that template.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import get_args
from uuid import UUID

from wsrouter.api.errors import TemplateError
from wsrouter.api.handler import option_names
from wsrouter.api.options import REQUIRED, OptionField
from wsrouter.api.template import Template
from wsrouter.config.annotations import Form, form_of, members_of
from wsrouter.config.units import parse_duration, parse_size
from wsrouter.plugins.spec import error_text

_PLAIN = (
    str,
    int,
    float,
    bool,
    bytes,
    list,
    dict,
    tuple,
    set,
    frozenset,
    object,
    type(None),
    datetime,
    date,
    time,
    timedelta,
    Decimal,
    UUID,
    Template,
    typing.Any,
)
_STRUCTURED = ("__struct_fields__", "__dataclass_fields__", "__total__", "_fields")  # msgspec, dataclass, TypedDict, NamedTuple
_SIMPLE_DEFAULTS = (bool, int, float, str, list, dict)


class DeclarationError(Exception):
    """An option is declared in a way that cannot work. `owner` is the class or function whose source declares it."""

    def __init__(self, message: str, owner: object, option: str) -> None:
        """`message` says what is wrong and what to write."""
        super().__init__(message)
        self.owner = owner
        self.option = option


def fields_of_class(handler: type[object]) -> tuple[OptionField, ...]:
    """The options of a handler class, base classes first.

    Raises:
        DeclarationError: if an annotation cannot be evaluated or is no type for an option, or a default does not fit.
    """
    fields = []
    for name in option_names(handler):
        owner = next(cls for cls in handler.__mro__ if name in vars(cls).get("__annotations__", {}))
        namespace = {**vars(sys.modules.get(owner.__module__, typing)), **vars(owner)}
        annotation = _evaluate(vars(owner)["__annotations__"][name], namespace, owner, name)
        fields.append(_field(name, annotation, getattr(handler, name, REQUIRED), owner))
    return tuple(fields)


def fields_of_function(function: Callable[..., object]) -> tuple[OptionField, ...]:
    """The options of a coroutine or generator function: its keyword-only parameters.

    One without annotation has the type of its default, or takes any value.

    Raises:
        DeclarationError: as for a class.
    """
    import inspect  # not at the top: classes do without it

    fields = []
    inner = inspect.unwrap(function)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        default = REQUIRED if parameter.default is parameter.empty else parameter.default
        if parameter.annotation is parameter.empty:
            annotation: object = type(default) if type(default) in _SIMPLE_DEFAULTS else object
        else:
            annotation = _evaluate(parameter.annotation, getattr(inner, "__globals__", {}), inner, parameter.name)
        fields.append(_field(parameter.name, annotation, default, inner))
    return tuple(fields)


def _evaluate(annotation: object, namespace: Mapping[str, object], owner: object, name: str) -> object:
    """The annotation as a type, with `Annotated` kept; text in it is evaluated where its owner stands."""
    bearer = types.SimpleNamespace(__annotations__={name: annotation})
    try:
        return typing.get_type_hints(bearer, dict(namespace), include_extras=True)[name]
    except Exception as error:  # noqa: BLE001 -- evaluating text can raise whatever that text does
        written = annotation if isinstance(annotation, str) else repr(annotation)
        raise DeclarationError(f"the annotation {written!r} of option {name!r} cannot be evaluated: {error_text(error)}", owner, name) from None


def _field(name: str, annotation: object, default: object, owner: object) -> OptionField:
    """The option, its default in the form that it has at run time."""
    odd = next(_not_for_yaml(annotation), None)
    if odd is not None:
        raise DeclarationError(
            f"the annotated field {name!r} is an option, but {odd} cannot be written in YAML; begin the name of what is the handler's own with _ (_{name})",
            owner,
            name,
        )
    try:
        ready = _default(annotation, default)
    except (ValueError, TemplateError) as error:
        raise DeclarationError(f"the default {default!r} of option {name!r} does not fit: {error}", owner, name) from None
    return OptionField(name, annotation, ready, form_of(annotation).description)


def _default(annotation: object, default: object) -> object:
    """A default as it is at run time."""
    members = list(_members(annotation))
    admitted = {member.origin for member in members}
    if Template in admitted and isinstance(default, str | list | dict) and type(default) not in admitted:
        return Template(default)
    if isinstance(default, str) and str not in admitted:
        units = {member.unit for member in members}
        if "duration" in units:
            return parse_duration(default)
        if "size" in units:
            return parse_size(default)
    return default


def _members(annotation: object) -> Iterator[Form]:
    """What an annotation admits, taken apart: of a union each member."""
    form = form_of(annotation)
    for member in members_of(form):
        if member is form.base:
            yield form
        else:
            yield from _members(member)


def _not_for_yaml(annotation: object) -> Iterator[str]:
    """The names of the classes in an annotation that no YAML value can become: a lock, a set of connections, …"""
    for member in _members(annotation):
        if member.origin is typing.Literal:
            continue
        if isinstance(member.origin, type) and not _fits_yaml(member.origin):
            yield member.origin.__qualname__
        for argument in get_args(member.base):
            yield from _not_for_yaml(argument)


def _fits_yaml(cls: type[object]) -> bool:
    """Whether a YAML value can become an instance."""
    abstract = cls.__module__ == "collections.abc" and cls.__name__ != "Callable"
    return cls in _PLAIN or abstract or issubclass(cls, Enum) or any(hasattr(cls, mark) for mark in _STRUCTURED)
