"""Settings and options as rows for people: what `explain`, `handlers` and the reference pages show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import orjson
from msgspec import Struct

from wsrouter.api.options import REQUIRED, OptionField
from wsrouter.api.template import Template
from wsrouter.config.annotations import describe, form_of, is_record, record_fields, units_of, written
from wsrouter.config.setting_forms import SHORT
from wsrouter.config.settings import Rate

if TYPE_CHECKING:
    from typing import Any


def flat_settings(record: type[Any], values: object, prefix: str = "") -> list[tuple[str, str]]:
    """Every setting with its value as the site writes it: `("limits.message_size", "64KiB")`."""
    rows: list[tuple[str, str]] = []
    for field in record_fields(record):
        value, name = getattr(values, field.name), prefix + field.name
        inner = form_of(field.annotation).base
        if isinstance(inner, type) and is_record(inner) and inner not in SHORT and isinstance(value, inner):
            rows += flat_settings(inner, value, f"{name}.")
        else:
            rows.append((name, shown(value, field.annotation)))
    return rows


def declared(record: type[Any], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Every setting of a record: its dotted name, what it admits, its default, its sentence of help."""
    for field in record_fields(record):
        name, form = prefix + field.name, form_of(field.annotation)
        if isinstance(form.base, type) and is_record(form.base) and field.default is not REQUIRED:
            yield name, "a mapping", "", form.description
            yield from declared(form.base, f"{name}.")
        else:
            default = "" if field.default is REQUIRED else shown(field.default, field.annotation)
            yield name, describe(field.annotation), default, form.description


def option_rows(fields: Sequence[OptionField]) -> list[tuple[str, str, str, str]]:
    """The options of a handler: name, what it admits, its default (empty: it must be given), its sentence of help."""
    return [
        (
            field.name.removesuffix("_"),
            describe(field.annotation),
            "" if field.default is REQUIRED else shown(field.default, field.annotation),
            field.description,
        )
        for field in fields  # `as_`, which Python reserves, is `as` in the site
    ]


def shown(value: object, annotation: object) -> str:
    """A value as the site writes it, on one line."""
    unit = next(iter(units_of(annotation)), None)
    if value is None:
        return "none"
    if form_of(annotation).is_secret:
        return "***" if isinstance(value, str) else "{" + ", ".join(f"{name}: ***" for name in value) + "}" if isinstance(value, dict) else "***"
    if isinstance(value, Template):
        value = value.source
    if unit is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return written(value, unit)
    if isinstance(value, str):
        return value if value and value == value.strip() and not set(value) & set("{}[]:#&*!|>'\"%@`\n") else orjson.dumps(value).decode()
    if isinstance(value, Rate):
        return written(value.rate, "rate") + (f", burst {value.burst}" if value.burst else "")
    if isinstance(value, Struct):
        parts = (f"{name}: {text}" for name, text in flat_settings(type(value), value))
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(item, object) for item in value) + "]"
    return orjson.dumps(value, default=str).decode()
