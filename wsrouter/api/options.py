"""How the options of a handler, and the settings of a site, are declared: annotations with bounds and one sentence of help.

    every: Annotated[Duration, Option(gt=0, description="The time between two messages.")] = 1.0

The same declaration is the check, the JSON Schema, the help page and the reference. At run time a `Duration` is a float of
seconds and a `Size` an int of bytes; in YAML they are written `1m30s` and `64KiB`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from msgspec import Meta

Option = Meta
"""Bounds (`gt`, `ge`, `lt`, `le`, `min_length`, `max_length`, `pattern`), `description` and `examples` of an option."""

DURATION_PATTERN: Final = r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"
SIZE_PATTERN: Final = r"^\d+(\.\d+)?(B|k|kB|KiB|M|MB|MiB|G|GB|GiB)$"
RATE_PATTERN: Final = r"^\d+(\.\d+)?/(s|m|h)$"

Duration = Annotated[
    float, Meta(extra={"unit": "duration"}, extra_json_schema={"type": "string", "pattern": DURATION_PATTERN, "examples": ["500ms", "5s", "1m30s"]})
]
"""A time in seconds; written `500ms`, `2s`, `1m30s`, `1h`, `1d`."""

Size = Annotated[int, Meta(extra={"unit": "size"}, extra_json_schema={"type": "string", "pattern": SIZE_PATTERN, "examples": ["64KiB", "1MiB"]})]
"""A number of bytes; written `64KiB`, `64k`, `1MiB`."""


class _Required:
    """The one value that says: this option has no default."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class OptionField:
    """One declared option: what the check, the schema, the help page and the reference are made of."""

    name: str
    annotation: object
    """The type, evaluated, with its `Annotated` metadata."""
    default: object
    """The default as it is at run time, or REQUIRED."""
    description: str


class OptionSet(Protocol):
    """What `config` needs to know of a handler to check the options that a step gives it."""

    @property
    def name(self) -> str:
        """The handler's name as the site writes it."""

    @property
    def fields(self) -> tuple[OptionField, ...]:
        """Its options in the order of their declaration."""

    def check(self, options: dict[str, object]) -> None:
        """Looks at all options together.

        Raises:
            ValueError: what is wrong; `option` of an OptionError names the one to point at.
        """


class OptionError(ValueError):
    """Options that cannot work. `option` is the one to point at; `offset` counts characters into its text, or is None."""

    def __init__(self, message: str, option: str | None = None, offset: int | None = None) -> None:
        """`message` says what is wrong and what is allowed."""
        super().__init__(message)
        self.option = option
        self.offset = offset
