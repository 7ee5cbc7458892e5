"""Which object of a module is its handler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType

from wsrouter.api.handler import Handler
from wsrouter.plugins.spec import Kind

_FIRST_PARAMETERS = frozenset({"websocket", "ws", "socket", "sock", "connection", "conn", "client", "context"})
EXAMPLE = "write async def {name}(websocket): … or class {title}(Handler): …"


class ChoiceError(Exception):
    """A module has no handler, or several and none that stands out. `line_of` names the definition to point at, if there is one."""

    def __init__(self, message: str, line_of: str | None = None) -> None:
        """`message` says what to write."""
        super().__init__(message)
        self.line_of = line_of


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something in a module that can be a handler, under the name that it has there."""

    name: str
    kind: Kind
    target: Callable[..., object]
    takes_path: bool = False


def as_candidate(name: str, value: object) -> Candidate | None:
    """What a value is as a handler, or None if it is none."""
    if isinstance(value, type):
        usable = issubclass(value, Handler) and value is not Handler and not inspect.isabstract(value)
        return Candidate(name, "class", value) if usable else None
    kind = _function_kind(value)
    if kind is None or not callable(value) or complaint(value) is not None:
        return None
    return Candidate(name, kind, value, takes_path=len(_positional(value)) == 2)


def complaint(value: object) -> str | None:
    """Why something that was probably meant as a handler is none, with the cure; None if it is one, or was not meant so."""
    name = getattr(value, "__name__", "it")
    if isinstance(value, type):
        if not issubclass(value, Handler) and hasattr(value, "on_message"):
            return f"{name} has on_message, but is no Handler: write class {name}(Handler):"
        return None
    kind = _function_kind(value)
    if not callable(value):
        return None
    if kind is None:
        meant = inspect.isfunction(value) and len(_positional(value)) in (1, 2) and _positional(value)[0].name in _FIRST_PARAMETERS
        return f"{name} is a plain function: write async def {name}(…):" if meant else None
    return _parameters_complaint(name, kind, value)


def _parameters_complaint(name: str, kind: Kind, function: Callable[..., object]) -> str | None:
    """What is wrong with the parameters of a coroutine or generator function."""
    first = "context" if kind == "source" else "websocket"
    parameters = inspect.signature(function).parameters.values()
    positional = _positional(function)
    if not positional:
        return f"{name} takes no positional parameter: write async def {name}({first}, …):"
    if any(parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) for parameter in parameters):
        return f"{name} takes * or ** parameters: name its options, as in async def {name}({first}, *, greeting: str = 'hi'):"
    extra = positional[1:]
    if kind == "coroutine" and extra and (extra[0].default is inspect.Parameter.empty or extra[0].name.strip("_") in ("", "path")):
        extra = extra[1:]  # the old form: handler(websocket, path)
    if extra:
        return f"{name} takes {extra[0].name!r} by position: put a * before what are options, as in async def {name}({first}, *, {extra[0].name}=…):"
    return None


def _function_kind(value: object) -> Kind | None:
    """What a function is by the way it is defined; of a decorated one, what its wrapper is."""
    if inspect.iscoroutinefunction(value):
        return "coroutine"
    return "source" if inspect.isasyncgenfunction(value) else None


def _positional(function: Callable[..., object]) -> list[inspect.Parameter]:
    """The parameters that take a positional argument; `*args` is none of them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [parameter for parameter in parameters if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)]


def public_values(module: ModuleType) -> dict[str, object]:
    """What a module defines itself under a public name; of a package also what its own modules define."""
    inside = f"{module.__name__}."
    own = {}
    for name, value in vars(module).items():
        home = getattr(value, "__module__", None)
        if not name.startswith("_") and isinstance(home, str) and (home == module.__name__ or (hasattr(module, "__path__") and home.startswith(inside))):
            own[name] = value
    return own


def candidates(module: ModuleType) -> dict[str, Candidate]:
    """What of a module can be its handler, by name."""
    found = {}
    for name, value in public_values(module).items():
        candidate = as_candidate(name, value)
        if candidate is not None:
            found[name] = candidate
    return found


def choose(module: ModuleType, name: str) -> Candidate:
    """The handler of a module that is called `name`: the one named so, else `handler`, else the only one.

    "Named so" is exact, else without regard to case, `-` and `_`: `price_feed.py` and `class PriceFeed`.

    Raises:
        ChoiceError: if there is none, or several.
    """
    found = candidates(module)
    alike = [candidate for key, candidate in found.items() if _plain(key) == _plain(name)]
    if name in found:
        return found[name]
    if len(alike) == 1:
        return alike[0]
    if "handler" in found:
        return found["handler"]
    different = {id(candidate.target): candidate for candidate in reversed(found.values())}
    if len(different) == 1:
        return next(iter(different.values()))
    if not found:
        raise _nothing(module, name)
    listed = ", ".join(f"{name}:{key}" for key in sorted(candidate.name for candidate in different.values()))
    raise ChoiceError(f"has {len(different)} handlers; write which one is meant: {listed}")


def pick(values: Mapping[str, object], name: str) -> Candidate | str:
    """The handler of this name, or why it is none."""
    if name not in values:
        return f"there is no {name!r} in it"
    return (
        as_candidate(name, values[name])
        or complaint(values[name])
        or f"{name} is no handler: it is neither a Handler class nor an async function of one parameter"
    )


def _nothing(module: ModuleType, name: str) -> ChoiceError:
    """The problem of a module without handler; points at what was probably meant as one."""
    for key, value in public_values(module).items():
        reason = complaint(value)
        # A helper coroutine without parameters (main, say) was hardly meant as the handler.
        if reason is not None and (isinstance(value, type) or not callable(value) or _positional(value)):
            return ChoiceError(f"has no handler: {reason}", key)
    word = "".join(character if character.isalnum() else "_" for character in name)
    return ChoiceError(f"has no handler: {EXAMPLE.format(name=word, title=word.title().replace('_', ''))}")


def _plain(name: str) -> str:
    """A name without regard to case, `-` and `_`."""
    return name.replace("-", "").replace("_", "").lower()
