"""Checks the options that a step gives its handler: each by its annotation, then all together by the handler itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from wsrouter.api.errors import WsrouterError
from wsrouter.api.options import REQUIRED, OptionError, OptionSet
from wsrouter.config.annotations import help_for
from wsrouter.config.check import INVALID, check, key_of, place_within
from wsrouter.config.nearest import suggest
from wsrouter.config.nodes import MappingNode, Node, ScalarNode, hide, is_nothing, show, show_text
from wsrouter.config.problems import Problems
from wsrouter.config.settings import RouteSettings

ROUTE_SETTINGS = RouteSettings.__struct_fields__


def check_options(handler: OptionSet, name: ScalarNode, node: Node | None, known: Sequence[str], problems: Problems) -> dict[str, object] | None:
    """The options that are given, by field name, without defaults; None, with all problems noted, where they cannot be.

    `name` is where the step names its handler; `known` are the placeholders of the route.
    """
    options = MappingNode(name.place, ()) if node is None or is_nothing(node) else node
    if not isinstance(options, MappingNode):
        problems.add(options.place, hide(options, f"the options of {handler.name} are a mapping, not {show(options)}: {_example(handler)}"))
        return None
    values = _check_each(handler, name, options, known, problems)
    if values is None or not _check_together(handler, name, options, values, problems):
        return None
    return values


def _example(handler: OptionSet) -> str:
    """How options are written, with one that it has."""
    if not handler.fields:
        return f"{handler.name} has no options, write its name alone"
    return f"write {handler.name}: {{{key_of(handler.fields[0].name)}: …}}"


def _check_each(handler: OptionSet, name: ScalarNode, options: MappingNode, known: Sequence[str], problems: Problems) -> dict[str, object] | None:
    """Each option by itself; None where one is unknown, missing or wrong."""
    fields = {key_of(field.name): field for field in handler.fields}
    values: dict[str, object] = {}
    complete = True
    for key, value in options.pairs:
        if key.text not in fields:
            problems.add(key.place, _unknown(handler, key.text, fields))
            complete = False
            continue
        field = fields[key.text]
        values[field.name] = check(field.annotation, value, problems, name=key.text, known=known)
        complete = complete and values[field.name] is not INVALID
    for key_name, field in fields.items():
        if field.default is REQUIRED and field.name not in values:
            problems.add(name.place, f"{handler.name} needs the option {key_name}: {help_for(field.annotation, field.description)}")
            complete = False
    return values if complete else None


def _unknown(handler: OptionSet, key: str, fields: Collection[str]) -> str:
    """What to say of an option that the handler does not have."""
    if key in ROUTE_SETTINGS:
        return f"{key} is a setting of the route: write it beside {handler.name}:, not below it"
    if not fields:
        return f"{handler.name} has no options: delete {show_text(key)}"
    return f"{handler.name} has no option {show_text(key)}: {suggest(key, fields)}"


def _check_together(handler: OptionSet, name: ScalarNode, options: MappingNode, values: dict[str, object], problems: Problems) -> bool:
    """Whether the handler takes the options as a whole."""
    try:
        handler.check(dict(values))
    except (ValueError, WsrouterError) as error:
        option = error.option if isinstance(error, OptionError) else None
        node = options.find(key_of(option)) if option else None
        offset = error.offset if isinstance(error, OptionError) else None
        place = name.place if node is None else node.place if offset is None else place_within(node, offset)
        text = hide(options, str(error))
        problems.add(place, text if node is not None and option is not None and key_of(option) in text else f"{handler.name}: {text}")
        return False
    return True
