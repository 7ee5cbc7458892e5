"""What can only be seen when all routes of a site are there: ties, chains that cannot work, topics that disagree."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from wsrouter.api.handler import Handler
from wsrouter.config.nearest import find_nearest
from wsrouter.routing.pattern import find_ties

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsrouter.api.topics import TopicSettings
    from wsrouter.config.problems import Place, Problems
    from wsrouter.plugins.library import HandlerLibrary
    from wsrouter.plugins.spec import HandlerSpec
    from wsrouter.site.route import Route

HOOKS: Final = ("start", "adopt", "on_handshake", "on_open", "on_message", "on_close", "stop")


def check_routes(routes: Sequence[Route], library: HandlerLibrary, problems: Problems) -> None:
    """Collects what is wrong between and within the routes."""
    _check_ties(routes, problems)
    topics: dict[str, tuple[TopicSettings, Route, Place]] = {}
    for route in routes:
        _check_chain(route, problems)
        _check_topics(route, topics, problems)
    _warn_of_hooks(routes, problems)
    _warn_of_names(routes, library, problems)


def _check_ties(routes: Sequence[Route], problems: Problems) -> None:
    for first, second in find_ties([route.pattern for route in routes]):
        one, other = routes[first].entry, routes[second].entry
        problems.add(
            other.place, f"{other.pattern} and {one.pattern} ({one.place}) match the same paths and neither is more exact; change or remove one of them"
        )


def _check_chain(route: Route, problems: Problems) -> None:
    """A coroutine or a source stands last; what follows a step that never returns anything is never reached."""
    specs = route.specs
    for (step, spec), (following, _) in pairwise(specs):
        if spec.kind != "class":
            what = "a coroutine" if spec.kind == "coroutine" else "a source"
            problems.add(step.place, f"{step.name} is {what} and must stand last; {following.name} after it would never get a message")
        elif _never_replies(spec):
            problems.warn(following.place, f"{following.name} never gets a message: {step.name} before it returns nothing")


def _never_replies(spec: HandlerSpec) -> bool:
    """Whether a handler says by its annotation that `on_message` returns nothing."""
    annotations = getattr(getattr(spec.target, "on_message", None), "__annotations__", {})
    return "return" in annotations and annotations["return"] in (None, "None")


def _check_topics(route: Route, known: dict[str, tuple[TopicSettings, Route, Place]], problems: Problems) -> None:
    """Two routes on one topic must agree on its settings: whoever is opened first would decide."""
    for step, spec in route.specs:
        if spec.kind != "class":
            continue
        handler = spec.target(**spec.with_defaults(step.options))
        if not isinstance(handler, Handler):
            continue
        for template, settings in handler.topics().items():
            name = template.replace("{path}", route.entry.pattern)
            before = known.setdefault(name, (settings, route, step.place))
            if before[0] != settings:
                problems.add(step.place, f"topic {name} has other settings here than on {before[1].entry.pattern} ({before[2]}); give both the same history")


def _warn_of_hooks(routes: Sequence[Route], problems: Problems) -> None:
    """A method that is named like a hook and is none; told of at the first step that uses its class."""
    seen: set[object] = set()
    for step, spec in (pair for route in routes for pair in route.specs):
        if spec.kind == "class" and spec.target not in seen:
            seen.add(spec.target)
            for name in _false_hooks(spec):
                nearest = find_nearest(name, HOOKS)
                guess = f"did you mean {nearest}? " if nearest else ""
                problems.warn(
                    step.place, f"{step.name}: wsrouter never calls {name}; {guess}hooks are {', '.join(HOOKS)}; begin the name of what is your own with _"
                )


def _false_hooks(spec: HandlerSpec) -> list[str]:
    """The methods of a class that begin with `on_` and are neither hooks nor options."""
    options = {field.name for field in spec.fields}
    names = (name for name in dir(spec.target) if name.startswith("on_") and name not in options and not hasattr(Handler, name))
    return [name for name in names if callable(getattr(spec.target, name, None))]


def _warn_of_names(routes: Sequence[Route], library: HandlerLibrary, problems: Problems) -> None:
    """A plugin that takes the name of a built-in handler, at the first step that uses it."""
    for place, text in library.exposures():
        problems.warn(place, text)
    for name, text in library.warnings:
        for route in routes:
            places = [step.place for step in route.entry.steps if step.name == name]
            if places:
                problems.warn(places[0], text)
                break
