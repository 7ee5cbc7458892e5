"""Tables of the reference pages, in Markdown: settings, options, close codes and refusals, from where the code declares them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path

from wsrouter.api.causes import Cause, Reason
from wsrouter.api.options import REQUIRED, OptionField
from wsrouter.config.annotations import RecordField, describe, form_of, is_record, record_fields
from wsrouter.config.describe import option_rows, shown
from wsrouter.config.setting_forms import SHORT
from wsrouter.observe.events import EVENTS
from wsrouter.observe.metrics import METRICS, PROCESS_METRICS

Row = tuple[str, ...]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would end a cell is escaped."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (header, *rows)]
    lines.insert(1, "|" + "---|" * len(header))
    return "\n".join(lines)


def code(text: str) -> str:
    """Text as code; nothing as nothing."""
    return f"`{text}`" if text else ""


def settings_table(record: type) -> str:
    """Every key of a record, with the keys of the records within it by dotted names."""
    return markdown_table(("key", "takes", "default", "what it says"), _record_rows(record, ""))


def _record_rows(record: type, prefix: str) -> list[Row]:
    rows: list[Row] = []
    for field in record_fields(record):
        name, form = prefix + field.name, form_of(field.annotation)
        if isinstance(form.base, type) and is_record(form.base) and form.base not in SHORT:
            rows += _record_rows(form.base, f"{name}.")
        else:
            rows.append((code(name), _taken(field), "required" if field.default is REQUIRED else code(_default(field)), form.description))
            rows += [row for record in _records_in(field.annotation) for row in _record_rows(record, f"{name}.")]
    return rows


def _taken(field: RecordField) -> str:
    """What a key takes, short forms first."""
    base = form_of(field.annotation).base
    if isinstance(base, type) and base in SHORT:
        inner = next(each for each in record_fields(base) if each.name == SHORT[base])
        return f"{describe(inner.annotation)}, or a mapping"
    return describe(field.annotation)


def _default(field: RecordField) -> str:
    """A default as the site would write it; records in a list by their short form."""
    value = field.default
    if isinstance(value, list) and value and type(value[0]) in SHORT:
        return ", ".join(str(getattr(item, SHORT[type(item)])) for item in value)
    return shown(value, field.annotation)


def options_table(fields: Sequence[OptionField]) -> str:
    """The options of a handler; those of records among them by dotted names."""
    rows: list[Row] = []
    for field, (name, kind, default, text) in zip(fields, option_rows(fields), strict=True):
        rows.append((code(name), kind, code(default) if default else "required", text))
        rows += [(code(f"{name}.{inner[0].strip('`')}"), *inner[1:]) for record in _records_in(field.annotation) for inner in _record_rows(record, "")]
    return markdown_table(("option", "takes", "default", "what it says"), rows)


def _records_in(annotation: object) -> list[type]:
    """The records that an option may be, besides its short forms."""
    base = form_of(annotation).base
    return [member for member in getattr(base, "__args__", ()) if isinstance(member, type) and is_record(member)]


def metrics_table() -> str:
    """Every metric with its labels."""
    rows = [(code(metric.name), metric.type, ", ".join(map(code, metric.labels)), metric.help) for metric in METRICS]
    return markdown_table(("name", "type", "labels", "what it tells"), rows)


def process_metrics_table() -> str:
    """What is told of the process."""
    return markdown_table(("name", "type", "what it tells"), [(code(name), kind, text) for name, (kind, text) in PROCESS_METRICS.items()])


def label_rows(name: str, words: Mapping[str, str]) -> str:
    """Rows of a table: the words that a label may have."""
    return "\n".join(f"| {name} | `{word}`: {text} |" for word, text in words.items())


def events_table() -> str:
    """Every event of the log with its facts."""
    rows = [(code(event.name), event.level, event.help, ", ".join(map(code, event.facts))) for event in EVENTS]
    return markdown_table(("event", "level", "what it tells", "facts"), rows)


def causes_table(sources: Path) -> str:
    """Why connections end. `sources` is the package, which is searched for the causes that this version gives."""
    used = names_used(sources, "Cause")
    rows = [(code(str(cause)), str(cause.code or _any_code(cause)), cause.help, _since(cause, used)) for cause in Cause]
    return markdown_table(("cause", "close code", "why", "in this version"), rows)


def reasons_table(sources: Path) -> str:
    """Why handshakes are refused, in the order of the checks."""
    used = names_used(sources, "Reason")
    rows = [(str(reason.status), code(str(reason)), reason.help, _since(reason, used)) for reason in Reason]
    return markdown_table(("status", "reason", "why", "in this version"), rows)


def _any_code(cause: Cause) -> str:
    """Where the code comes from, for causes that have none of their own."""
    return {Cause.CLIENT_CLOSE: "the client's", Cause.CLIENT_ABORT: "none; 1006 in the record", Cause.HANDLER_CLOSE: "1000, or the handler's"}.get(cause, "any")


def _since(member: Enum, used: set[str]) -> str:
    return "yes" if member.name in used else "not yet"


def names_used(sources: Path, enum: str) -> set[str]:
    """The members of an enum that the code names anywhere but where they are declared."""
    found: set[str] = set()
    for file in sorted(sources.rglob("*.py")):
        if file.name == "causes.py":
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == enum:
                found.add(node.attr)
    return found
