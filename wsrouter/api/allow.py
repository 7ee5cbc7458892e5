"""`Allow`: which of the users that are known may do something; the same mapping for a route and for options of handlers.

All that it names must hold; of a list, one is enough. A client that nobody knows is never allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Struct, field

from wsrouter.api.errors import TemplateError
from wsrouter.api.options import Option
from wsrouter.api.template import Template, value_text


class Allow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is allowed: by name, by role, by what their credentials say of them."""

    user: Annotated[
        Annotated[list[Template], Option(min_length=1)] | Template | None,
        Option(description='The user, or a list of users; path parameters may stand in it, as "{device}".'),
    ] = None
    roles: Annotated[
        Annotated[list[str], Option(min_length=1)] | None, Option(description="Roles of which the user must have one; they are read from the claim roles.")
    ] = None
    claims: Annotated[
        dict[str, object], Option(description="Claims that the user must have: name to value, or to a list of values; path parameters may stand in texts.")
    ] = field(default_factory=dict)

    def admits(self, user: str | None, claims: Mapping[str, object], params: Mapping[str, object]) -> bool:
        """Whether somebody is allowed on a path with these parameters. A placeholder that stands for nothing allows nobody."""
        if user is None:
            return False
        if self.user is not None:
            named = self.user if isinstance(self.user, list) else [self.user]
            if user not in [_filled(template, params) for template in named]:
                return False
        if self.roles is not None and not set(self.roles) & set(_words(_find(claims, "roles"))):
            return False
        return all(_holds(_find(claims, name), wanted, params) for name, wanted in self.claims.items())


def _filled(template: Template, params: Mapping[str, object]) -> str | None:
    """A template with the parameters of the path; None where one is not there."""
    try:
        return template.text(params)
    except (KeyError, TemplateError):
        return None


def _find(claims: Mapping[str, object], name: str) -> object:
    """A claim by its name, or by dotted names into mappings; None where it is not there."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _words(value: object) -> list[str]:
    """Roles as a list of text, or as OAuth writes scopes: one text with spaces between."""
    if isinstance(value, str):
        return value.split()
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []


def _holds(value: object, wanted: object, params: Mapping[str, object]) -> bool:
    """Whether a claim is what is wanted, or, where it is a list, holds it."""
    if isinstance(wanted, list):
        return any(_holds(value, each, params) for each in wanted)
    if isinstance(value, list | tuple):
        return any(_is(each, wanted, params) for each in value)
    return _is(value, wanted, params)


def _is(value: object, wanted: object, params: Mapping[str, object]) -> bool:
    """Whether one value is another; true is not 1, and text with placeholders is held against text and whole numbers."""
    if isinstance(wanted, str) and "{" in wanted:
        filled = _filled(Template(wanted), params)
        return isinstance(value, str | int) and not isinstance(value, bool) and filled is not None and value_text(value) == filled
    return value is not None and isinstance(value, bool) is isinstance(wanted, bool) and value == wanted
