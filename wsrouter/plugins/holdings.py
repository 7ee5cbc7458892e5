"""How much memory a handler holds: its own attributes, the globals of its module, and what these hold.

Python does not count memory by who asked for it. What can be counted when somebody asks is what can be reached: containers and objects
of the plugin's own classes with all that is in them, everything else, a connection or a library's object, by its own size alone. What
a plugin keeps elsewhere (in a library, in `connection.data`, in its tasks) is not among it.
"""

from __future__ import annotations

import gc
import sys
from collections import OrderedDict, defaultdict, deque
from contextlib import suppress
from itertools import islice
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Final, NamedTuple

MOST_OBJECTS: Final = 500_000
"""So many are looked at: half a second in a thread of its own."""

_CONTAINERS: Final = (dict, list, tuple, set, frozenset, deque, OrderedDict, defaultdict)
_CODE: Final = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType, CodeType)


class Holding(NamedTuple):
    """What was found."""

    size_bytes: int
    objects: int
    is_whole: bool
    """False where there was more than `MOST_OBJECTS`."""


def measure(handler: object, module: str, package: str = "", most: int = MOST_OBJECTS) -> Holding:
    """Goes through what a handler holds; may be called from any thread, while the handler works.

    `module` is the name of the module that it comes from, `package` that of the plugin's private package, if it has one.
    """
    own = package or module
    names = vars(sys.modules[module]) if module in sys.modules else {}
    waiting: list[object] = [handler, *[value for name, value in list(names.items()) if not name.startswith("__")]]
    seen: set[int] = set()
    size_bytes = 0
    while waiting and len(seen) < most:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, _CODE):
            continue
        seen.add(id(item))
        size_bytes += _size_of(item)
        if type(item) in _CONTAINERS or _is_of(type(item), own) or item is handler:
            waiting.extend(_held_by(item, most))
    return Holding(size_bytes, len(seen), is_whole=not waiting)


def _held_by(item: object, most: int) -> list[object]:
    """What an object refers to; of a container with more than `most` of it only so many: a list of ten million takes 80 MB itself."""
    if type(item) not in _CONTAINERS or len(item) <= most:  # type: ignore[arg-type]  # containers have a length
        return gc.get_referents(item)
    with suppress(RuntimeError):  # it has changed meanwhile
        values = islice(item.values(), most) if isinstance(item, dict) else ()
        return [*islice(item, most + 1), *values]  # type: ignore[call-overload]  # and can be gone through
    return []


def _is_of(kind: type, own: str) -> bool:
    """Whether a class comes from the plugin's own code."""
    module = str(getattr(kind, "__module__", ""))
    return module == own or module.startswith(f"{own}.")


def _size_of(item: object) -> int:
    with suppress(Exception):  # a `__sizeof__` of anybody's
        return sys.getsizeof(item)
    return 0
