"""Reads one entry of `routes`: ROUTE and STEP of the site's grammar.

STEP   name | {name: options} | {handler: name, options: {…}}
ROUTE  STEP | [STEP, …] | a STEP's one key beside route settings | {steps: [STEP, …]} beside route settings
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from wsrouter.api.options import OptionSet
from wsrouter.config.annotations import find_owner
from wsrouter.config.check import BASE_PLACEHOLDERS, check, key_of, place_within
from wsrouter.config.finder import HandlerFinder, HandlerProblem
from wsrouter.config.merge import merge_settings, places_of
from wsrouter.config.nearest import find_nearest
from wsrouter.config.nodes import MappingNode, Node, ScalarNode, SequenceNode, is_nothing, show, show_text
from wsrouter.config.options import ROUTE_SETTINGS, check_options
from wsrouter.config.problems import Place, Problems
from wsrouter.config.settings import RouteSettings, Server

LONG_FORM: Final = ("handler", "options")


@dataclass(frozen=True, slots=True)
class StepEntry:
    """One step: the name as the site writes it, its handler, the options that are given (by field name, without defaults)."""

    name: str
    handler: OptionSet
    options: dict[str, object]
    place: Place


@dataclass(frozen=True, slots=True)
class RouteEntry:
    """One route as checked. `sources` says where a setting's value comes from, by dotted name; absent: the built-in default."""

    pattern: str
    place: Place
    steps: tuple[StepEntry, ...]
    settings: RouteSettings
    sources: dict[str, Place]


class _Step(NamedTuple):
    """A step as written."""

    name: ScalarNode
    options: Node | None


class _Written(NamedTuple):
    """A route as written: its steps, and the settings beside them."""

    steps: list[_Step]
    settings: MappingNode


class RouteReader:
    """Reads the routes of one site; handlers are found once, and routes without settings share those of the defaults."""

    def __init__(self, finder: HandlerFinder, pattern_params: Callable[[str], Collection[str]], defaults: MappingNode, problems: Problems) -> None:
        """`defaults` is the site's mapping of that name, empty where there is none; its problems are noted here."""
        self._finder = finder
        self._pattern_params = pattern_params
        self._problems = problems
        self._found: dict[str, OptionSet | HandlerProblem] = {}
        settings = check(RouteSettings, defaults, problems, name="defaults", known=())
        usable = isinstance(settings, RouteSettings)
        self._defaults = defaults if usable else MappingNode(defaults.place, ())
        self._settings = settings if isinstance(settings, RouteSettings) else RouteSettings()
        self._sources = places_of(self._defaults)
        self._empty: ScalarNode | None = None  # the path just before, where nothing stands below it

    def read(self, key: ScalarNode, node: Node) -> RouteEntry | None:
        """The route of one entry; None, with all its problems noted, where it cannot be."""
        before, self._empty = self._empty, key if isinstance(node, ScalarNode) and is_nothing(node) else None
        if before is not None and not key.text.startswith("/"):
            self._problems.add(key.place, f"{key.text} stands beside {before.text}, not below it: indent it by two more spaces")
            return None
        known = self._placeholders(key)
        written = self._written(key, node)
        if written is None:
            return None
        steps = [self._step(step, known or BASE_PLACEHOLDERS) for step in written.steps]
        settings, sources = self._settings_of(written.settings, key)
        if known is None or settings is None or None in steps:
            return None
        return RouteEntry(key.text, key.place, tuple(step for step in steps if step is not None), settings, sources)

    def _placeholders(self, key: ScalarNode) -> tuple[str, ...] | None:
        """What the templates of a route may use; None where its pattern is wrong."""
        try:
            params = self._pattern_params(key.text)
        except ValueError as error:
            place = place_within(key, getattr(error, "offset", 0))
            self._problems.add(place, " ".join(str(error).split()))
            return None
        if "user" in params:
            self._problems.warn(key.place, "the parameter {user} hides the placeholder {user}, who the client is: give it another name")
        return (*params, *BASE_PLACEHOLDERS)

    def _params(self, key: ScalarNode) -> tuple[str, ...]:
        """What the templates of its settings may use: what the path says, nothing that a client may choose otherwise."""
        try:
            return tuple(self._pattern_params(key.text))
        except ValueError:  # told of already
            return ()

    def _settings_of(self, own: MappingNode, key: ScalarNode) -> tuple[RouteSettings | None, dict[str, Place]]:
        """The settings of a route and where they come from."""
        if not own.pairs:
            return self._settings, self._sources
        merged = merge_settings(RouteSettings, self._defaults, own)
        settings = check(RouteSettings, merged, self._problems, name="the route", known=self._params(key))
        return (settings, places_of(merged)) if isinstance(settings, RouteSettings) else (None, {})

    def _written(self, key: ScalarNode, node: Node) -> _Written | None:
        """Takes a route apart into steps and settings."""
        nothing = MappingNode(node.place, ())
        if isinstance(node, SequenceNode):
            return _Written(self._steps(node), nothing)
        if isinstance(node, MappingNode):
            return self._written_mapping(key, node)
        step = self._step_of_scalar(node, f"{key.text} has no handler: write {key.text}: echo")
        return _Written([step], nothing) if step else None

    def _written_mapping(self, key: ScalarNode, node: MappingNode) -> _Written | None:
        """A route that is a mapping: settings beside `steps`, beside `handler`, or beside the one key that is a step."""
        settings = MappingNode(node.place, tuple(pair for pair in node.pairs if pair[0].text in ROUTE_SETTINGS), node.flow)
        rest = node.without(*ROUTE_SETTINGS)
        steps = rest.find("steps")
        if steps is not None:
            self._only(rest, ("steps",), "put it into the list of steps")
            if isinstance(steps, SequenceNode):
                return _Written(self._steps(steps), settings)
            self._problems.add(steps.place, f"steps is a list, not {show(steps)}: write steps: [echo]")
            return None
        if rest.find("handler") is not None:
            step = self._step_of_long_form(rest)
        elif not rest.without("options").pairs:
            cure = "options without a handler: write handler: NAME beside them" if rest.pairs else "settings and no handler: add one, as echo: {}"
            self._problems.add(key.place, f"{key.text} has {cure}")
            step = None
        else:
            step = self._step_among(rest)
        if step is None:
            self._settings_of(settings, key)  # to note what is wrong with them all the same
            return None
        return _Written([step], settings)

    def _steps(self, node: SequenceNode) -> list[_Step]:
        """The steps of a list."""
        if not node.items:
            self._problems.add(node.place, "the list of steps is empty: write [echo]")
        steps = [self._step_of_item(item) for item in node.items]
        return [step for step in steps if step is not None]

    def _step_of_item(self, node: Node) -> _Step | None:
        """One item of a list of steps."""
        if isinstance(node, SequenceNode):
            self._problems.add(node.place, "a step is a name or name: {options}, not a list")
            return None
        if isinstance(node, ScalarNode):
            return self._step_of_scalar(node, "this step has no handler: write its name, as - echo")
        if node.find("handler") is not None:
            return self._step_of_long_form(node)
        for key, _ in node.pairs:
            if key.text in ROUTE_SETTINGS and len(node.pairs) > 1:
                self._problems.add(key.place, f"{key.text} is a setting of the route, not of a step: write steps: [...] and {key.text}: beside it")
        rest = node.without(*ROUTE_SETTINGS) if len(node.pairs) > 1 else node
        if not rest.pairs:
            self._problems.add(node.place, "this step has no handler: write its name, as - echo")
            return None
        return self._step_among(rest)

    def _step_of_scalar(self, node: ScalarNode, empty: str) -> _Step | None:
        """A step that is a name alone."""
        if node.broken:
            return None
        if is_nothing(node) or node.text == "":
            self._problems.add(node.place, empty)
        elif not isinstance(node.value, str):
            self._problems.add(node.place, f"a step is the name of a handler, not {show(node)}")
        else:
            return _Step(node, None)
        return None

    def _step_of_long_form(self, node: MappingNode) -> _Step | None:
        """`handler: name` with `options: {…}`."""
        self._only(node, LONG_FORM, "write it below options:")
        name = node.find("handler")
        if isinstance(name, ScalarNode):
            step = self._step_of_scalar(name, "handler names nothing: write handler: echo")
            return step and _Step(step.name, node.find("options"))
        if name is not None:
            self._problems.add(name.place, f"handler is the name of one, not {show(name)}: write handler: echo")
        return None

    def _only(self, node: MappingNode, names: Collection[str], otherwise: str) -> None:
        """Notes the keys that cannot stand beside `steps` or `handler`."""
        for key, _ in node.pairs:
            if key.text not in names:
                nearest = find_nearest(key.text, ROUTE_SETTINGS)
                cure = f"did you mean {nearest}?" if nearest else f"known are {', '.join([*ROUTE_SETTINGS, *names])}; {otherwise}"
                self._problems.add(key.place, f"unknown key {show_text(key.text)} beside {next(iter(names))}: {self._owner(key.text) or cure}")

    def _step_among(self, node: MappingNode) -> _Step | None:
        """The one key that names a handler; the others are problems."""
        if len(node.pairs) == 1:
            return _Step(*node.pairs[0])
        known = [pair for pair in node.pairs if not isinstance(self._find(pair[0].text), HandlerProblem)]
        if len(known) > 1:
            names = [key.text for key, _ in known]
            self._problems.add(known[1][0].place, f"one handler serves a route, not {' and '.join(names)}: write a list of steps, [{', '.join(names)}]")
            return None
        step = _Step(*known[0]) if known else None
        for key, _ in node.pairs:
            if step is None or key is not step.name:
                self._problems.add(key.place, self._stray(key.text, step))
        return step

    def _stray(self, key: str, step: _Step | None) -> str:
        """What to say of a key beside a step."""
        handler = self._find(step.name.text) if step else None
        if step and handler is not None and not isinstance(handler, HandlerProblem) and key in {key_of(field.name) for field in handler.fields}:
            return f"{key} is an option of {step.name.text}: indent it below {step.name.text}:, or write {step.name.text}: {{{key}: …}}"
        return f"unknown key {show_text(key)}: {self._owner(key) or self._nearest(key)}"

    def _owner(self, key: str) -> str | None:
        """Where a setting belongs that stands one level too high, or too low."""
        if key in Server.__struct_fields__:
            return "it belongs below server:, at the top of the file"
        owner = find_owner(RouteSettings, key)
        return f"it belongs below {owner}:" if owner else None

    def _meant(self, step: _Step) -> str:
        """What may be meant by a step that is no handler; a name alone can be no setting, but a file is easily named whole."""
        name = step.name.text
        if step.options is not None:
            return self._owner(name) or self._nearest(name)
        names = sorted(self._finder.names())
        nearest = find_nearest(name.rpartition("/")[2].removesuffix(".py"), names)
        return f"{f'did you mean the handler {nearest}? ' if nearest else ''}handlers are {', '.join(names) or 'none'}"

    def _nearest(self, name: str) -> str:
        """The nearest setting and the nearest handler, and what there is."""
        names = sorted(self._finder.names())
        setting, handler = find_nearest(name, ROUTE_SETTINGS), find_nearest(name, names)
        meant = [f"the setting {setting}"] * (setting is not None) + [f"the handler {handler}"] * (handler is not None)
        guess = f"did you mean {' or '.join(meant)}? " if meant else ""
        return f"{guess}settings are {', '.join(ROUTE_SETTINGS)}; handlers are {', '.join(names) or 'none'}"

    def _find(self, name: str) -> OptionSet | HandlerProblem:
        """The handler of a name, or why it cannot be had; asked for once."""
        if name not in self._found:
            try:
                self._found[name] = self._finder.find(name)
            except HandlerProblem as problem:
                self._found[name] = problem
        return self._found[name]

    def _step(self, step: _Step, known: tuple[str, ...]) -> StepEntry | None:
        """A step checked, with its options."""
        found = self._find(step.name.text)
        if isinstance(found, HandlerProblem):
            unknown = found.place is None and step.name.text.partition(":")[0] not in self._finder.names()
            hint = f"; {self._meant(step)}" if unknown else ""
            self._problems.add(found.place or step.name.place, found.message + hint)
            return None
        options = check_options(found, step.name, step.options, known, self._problems)
        return None if options is None else StepEntry(step.name.text, found, options, step.name.place)
