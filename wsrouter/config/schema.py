"""The JSON Schema of a site (draft-07, which editors' YAML language server knows best), from the same declarations as the check.

Handlers that are known are completed with their options; names that are not known here, of plugins, are admitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal, Protocol, get_args

from wsrouter.api.options import DURATION_PATTERN, RATE_PATTERN, REQUIRED, SIZE_PATTERN, OptionSet
from wsrouter.api.template import Template
from wsrouter.config.annotations import LISTS, MAPPINGS, Form, form_of, is_record, members_of, record_fields, units_of, written
from wsrouter.config.check import key_of
from wsrouter.config.route_entry import LONG_FORM
from wsrouter.config.setting_forms import SHORT
from wsrouter.config.settings import Admin, Log, Plugins, RouteSettings, Server

Schema = dict[str, object]

_VARIABLE: Final[Schema] = {"$ref": "#/definitions/variable"}
_SCALARS: Final = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_UNIT_PATTERNS: Final = {"duration": DURATION_PATTERN, "size": SIZE_PATTERN, "rate": RATE_PATTERN}
_UNIT_EXAMPLES: Final = {"duration": ["500ms", "5s", "1m30s"], "size": ["64KiB", "1MiB"], "rate": ["100/s", "6000/m"]}
_BOUNDS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}
_ROUTE_PATTERN: Final = "^/"
_EXTENSIONS: Final[Schema] = {"^x-": {}}


class Summarized(OptionSet, Protocol):
    """A handler with its sentence of help."""

    @property
    def summary(self) -> str:
        """What it does, in one line."""


def site_schema(handlers: Sequence[Summarized]) -> Schema:
    """The schema of a site whose routes use these handlers; others are admitted with any options."""
    ordered = sorted(handlers, key=lambda handler: handler.name)
    definitions: Schema = {
        "variable": {
            "type": "string",
            "pattern": r"\$\{",
            "description": "${VAR}, ${VAR:-default}, ${file:/path} or ${credential:name}, filled when the site is loaded.",
        },
        "template": {
            "type": ["string", "number", "boolean", "object", "array", "null"],
            "description": "Text, or a structure that is sent as JSON, with {placeholders}.",
        },
        "files": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "handler": _handler_name(ordered),
        "step": _step(ordered),
        "steps": {
            "type": "array",
            "items": {"$ref": "#/definitions/step"},
            "minItems": 1,
            "description": "A chain of handlers: what one returns goes to the next.",
        },
        "route": _route(ordered),
    }
    for handler in ordered:
        definitions[f"options of {handler.name}"] = _options(handler)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A site of wsrouter",
        "type": "object",
        "properties": _site_properties(),
        "patternProperties": _EXTENSIONS,
        "additionalProperties": False,
        "definitions": definitions,
    }


def _site_properties() -> Schema:
    """The keys at the top."""
    routes = {
        "description": "What is served: path to handler.",
        "type": ["object", "null"],
        "patternProperties": {_ROUTE_PATTERN: {"$ref": "#/definitions/route"}},
        "additionalProperties": False,
    }
    return {
        "server": _of_record(Server) | {"description": "Where and how it serves."},
        "log": _of_record(Log) | {"description": "What is logged, and how."},
        "plugins": {"description": "Where handlers come from besides the built-in ones: folders, relative to this file.", **_short(Plugins)},
        "admin": {"description": "The address of the private side over TCP, as 127.0.0.1:9464.", **_short(Admin)},
        "include": {"description": "More routes: files of this pattern, relative to this file.", "$ref": "#/definitions/files"},
        "defaults": _of_record(RouteSettings) | {"description": "Any route setting; maps merge, lists replace, a route overrides."},
        "routes": routes,
        "tests": {
            "description": "Files with scenarios of this site, which `wsrouter test` plays: a pattern or a list of them; tests/*.yaml unless it is given.",
            "$ref": "#/definitions/files",
        },
    }


def _names(handlers: Sequence[Summarized]) -> list[Schema]:
    """Each known name with what it does, for completion."""
    return [{"const": handler.name, "description": handler.summary} for handler in handlers]


def _handler_name(handlers: Sequence[Summarized]) -> Schema:
    """The name of a handler, known or not."""
    other = {"type": "string", "minLength": 1, "description": "A plugin file, file:name, package.module:Class, or an entry point."}
    return {"description": "The name of a handler.", "anyOf": [*_names(handlers), other]}


def _step_properties(handlers: Sequence[Summarized]) -> Schema:
    """Known handlers as keys, each with its options; one that is named as a setting is written with `handler:`."""
    taken = {*RouteSettings.__struct_fields__, *LONG_FORM, "steps"}
    return {handler.name: {"$ref": f"#/definitions/options of {handler.name}"} for handler in handlers if handler.name not in taken}


def _long_form() -> Schema:
    """`handler` and `options`."""
    return {
        "handler": {"$ref": "#/definitions/handler"},
        "options": {"type": ["object", "null"], "description": "The options of the handler named beside."},
    }


def _step(handlers: Sequence[Summarized]) -> Schema:
    """A name, a name with options, or the long form."""
    short = {
        "type": "object",
        "properties": _step_properties(handlers),
        "additionalProperties": {"type": ["object", "null"]},
        "minProperties": 1,
        "maxProperties": 1,
    }
    long = {"type": "object", "properties": _long_form(), "required": ["handler"], "additionalProperties": False}
    return {"description": "A handler, with its options or without.", "anyOf": [{"$ref": "#/definitions/handler"}, short, long]}


def _route(handlers: Sequence[Summarized]) -> Schema:
    """A step, a list of steps, or one of these beside settings."""
    mapping = {
        "type": "object",
        "properties": {
            **_step_properties(handlers),
            **_long_form(),
            "steps": {"$ref": "#/definitions/steps"},
            **_properties(RouteSettings),
        },
        "additionalProperties": {"type": ["object", "null"], "description": "A plugin's handler with its options."},
        "minProperties": 1,
    }
    return {"description": "What serves a path.", "anyOf": [{"$ref": "#/definitions/handler"}, {"$ref": "#/definitions/steps"}, mapping]}


def _options(handler: Summarized) -> Schema:
    """The options of a handler; nothing at all where none must be given."""
    required = [key_of(field.name) for field in handler.fields if field.default is REQUIRED]
    properties = {key_of(field.name): _of_field(field.annotation, field.default, field.description) for field in handler.fields}
    schema: Schema = {
        "description": handler.summary,
        "type": "object" if required else ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
    }
    return {**schema, "required": required} if required else schema


def _of_record(record: type) -> Schema:
    """A record as an object; nothing at all where no key must be given."""
    required = [key_of(field.name) for field in record_fields(record) if field.default is REQUIRED]
    schema: Schema = {"type": "object" if required else ["object", "null"], "properties": _properties(record), "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _properties(record: type) -> Schema:
    """The keys of a record."""
    return {key_of(field.name): _of_field(field.annotation, field.default, "") for field in record_fields(record)}


def _short(record: type) -> Schema:
    """A record with its short form."""
    full = _of_record(record)
    if record not in SHORT:
        return full
    field = next(field for field in record_fields(record) if field.name == SHORT[record])
    if record is Plugins:
        return {"anyOf": [{"type": "string"}, _of(field.annotation), full]}
    return {"anyOf": [_of(field.annotation), *([] if field.name == "rate" else [{"type": "integer"}]), full]}


def _of_field(annotation: object, default: object, description: str) -> Schema:
    """A key with its default and its sentence of help."""
    schema = dict(_of(annotation))
    help_text = description or form_of(annotation).description
    if help_text:
        schema["description"] = help_text
    value = _default(annotation, default)
    return schema if value is REQUIRED else {**schema, "default": value}


def _default(annotation: object, default: object) -> object:
    """A default as the site writes it; REQUIRED where there is none to show."""
    if isinstance(default, Template):
        return default.source
    if isinstance(default, Enum):
        return default.value
    if isinstance(default, int | float) and not isinstance(default, bool):
        unit = next(units_of(annotation), None)
        return written(default, unit) if unit else default
    plain = isinstance(default, str | bool) or default is None or (isinstance(default, list) and all(isinstance(item, str) for item in default))
    return default if plain else REQUIRED


def _of(annotation: object) -> Schema:
    """What an annotation admits."""
    form = form_of(annotation)
    if form.unit is not None:
        return _of_unit(form)
    if len(members_of(form)) > 1:
        return _of_union(form)
    if form.base is Template:
        return {"$ref": "#/definitions/template"}
    if isinstance(form.base, type) and is_record(form.base):
        return _short(form.base)
    if form.origin in LISTS:
        return _of_list(form)
    if form.origin in MAPPINGS:
        arguments = get_args(form.base)
        return {"type": "object", "additionalProperties": _of(arguments[1]) if len(arguments) == 2 else {}}
    return _of_scalar(form)


def _of_unit(form: Form) -> Schema:
    """Text with a unit; a rate may be the number 0."""
    unit = str(form.unit)
    schema: Schema = {"type": "string", "pattern": _UNIT_PATTERNS[unit], "examples": _UNIT_EXAMPLES[unit]}
    return {"anyOf": [schema, *([{"const": 0}] if unit == "rate" else []), _VARIABLE]}


def _of_union(form: Form) -> Schema:
    """Any of the alternatives, those that are the same once."""
    alternatives: list[object] = []
    for member in members_of(form):
        for schema in _flat(_of(member)):
            if schema not in alternatives:
                alternatives.append(schema)
    return {"anyOf": alternatives}


def _flat(schema: Schema) -> Sequence[object]:
    """The alternatives of a schema."""
    inner = schema.get("anyOf")
    return inner if isinstance(inner, list) else [schema]


def _of_list(form: Form) -> Schema:
    """A list; one thing alone where it has a short form."""
    inner = next((argument for argument in get_args(form.base) if argument is not Ellipsis), object)
    items = _of(inner)
    schema: Schema = {"type": "array", "items": items}
    for name, word in (("min_length", "minItems"), ("max_length", "maxItems")):
        if form.bound(name) is not None:
            schema[word] = form.bound(name)
    return {"anyOf": [*_flat(items), schema]} if form_of(inner).base in SHORT else schema


def _of_scalar(form: Form) -> Schema:
    """Text, numbers, true and false, one of a few values; anything where the type is none that YAML has."""
    if form.origin is Literal:
        return {"anyOf": [{"enum": list(get_args(form.base))}, _VARIABLE]}
    if isinstance(form.base, type) and issubclass(form.base, Enum):
        return {"anyOf": [{"enum": [member.value for member in form.base]}, _VARIABLE]}
    word = _SCALARS.get(form.base) if isinstance(form.base, type) else None
    if word is None:
        return {}
    schema: Schema = {"type": word, **_bounds(form)}
    return schema if word == "null" or schema == {"type": "string"} else {"anyOf": [schema, _VARIABLE]}


def _bounds(form: Form) -> Mapping[str, Any]:
    """The bounds of a scalar."""
    return {word: form.bound(name) for name, word in _BOUNDS.items() if form.bound(name) is not None}
