"""Recognises a Python file that starts a server, or runs an event loop, when it is imported.

Only what runs at import counts: statements at the top of the file, outside `if __name__ == "__main__":` and outside the
bodies of functions, except those of functions of the file that such a statement calls.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_STARTS: Final = frozenset({"asyncio.run", "anyio.run", "trio.run", "uvloop.run", "uvicorn.run", "aiohttp.web.run_app", "serve"})
_METHODS: Final = frozenset({"serve_forever", "run_until_complete", "run_forever"})
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class ServerStart:
    """Where a file starts its server: the first such statement, and the ranges of lines to take out (first, last; from 1)."""

    line: int
    column: int
    ranges: tuple[tuple[int, int], ...]

    @property
    def message(self) -> str:
        """What is wrong, and the cure."""
        lines = [f"{first}-{last}" if last > first else str(first) for first, last in self.ranges]
        word = "line" if lines == [str(self.line)] else "lines"
        listed = lines[0] if len(lines) == 1 else f"{', '.join(lines[:-1])} and {lines[-1]}"
        pronoun = "it" if word == "line" else "them"
        return f'starts its own server; delete {word} {listed} or put {pronoun} under if __name__ == "__main__":'


def find_server_start(tree: ast.Module) -> ServerStart | None:
    """Where the file starts a server at import, or None."""
    names = _imported(tree)
    functions = {node.name: node for node in tree.body if isinstance(node, _FUNCTIONS)}
    starters = _starters(functions, names)
    marked: set[int] = set()
    for index, statement in enumerate(tree.body):
        called = {call for node in _run_at_import(statement) for call in _calls(node, names)}
        if any(_starts(call) for call in called - set(functions)) or called & starters:
            marked.add(index)
            marked.update(position for position, node in enumerate(tree.body) if isinstance(node, _FUNCTIONS) and node.name in called & starters)
    if not marked:
        return None
    first = tree.body[min(marked)]
    return ServerStart(_first_line(first), first.col_offset + 1, tuple(_ranges(tree.body, marked)))


def _starters(functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef], names: dict[str, str]) -> set[str]:
    """The file's functions that start a server when they are called, directly or through each other."""
    calls = {name: {call for inner in node.body for call in _calls(inner, names)} for name, node in functions.items()}
    starters = {name for name, called in calls.items() if any(_starts(call) for call in called - set(functions))}
    grown = True
    while grown:
        more = {name for name, called in calls.items() if called & starters}
        grown = not more <= starters
        starters |= more
    return starters


def _run_at_import(statement: ast.stmt) -> list[ast.stmt]:
    """What of a top statement runs at import: nothing of a function, only the else of `if __name__ == "__main__"`."""
    if isinstance(statement, _FUNCTIONS):
        return []
    if isinstance(statement, ast.If) and _is_main_guard(statement.test):
        return [node for inner in statement.orelse for node in _run_at_import(inner)]
    return [statement]


def _is_main_guard(test: ast.expr) -> bool:
    """Whether a condition compares `__name__` with `"__main__"`."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
            sides = (node.left, node.comparators[0])
            if any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides):
                return any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)
    return False


def _calls(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    """The dotted names that a node calls, with imports resolved; bodies of functions defined within it are left out."""
    waiting = [node]
    while waiting:  # no recursion: a sum of a thousand terms is a thousand deep
        current = waiting.pop()
        if isinstance(current, ast.Call):
            yield _dotted(current.func, names)
        waiting += [child for child in ast.iter_child_nodes(current) if not isinstance(child, (*_FUNCTIONS, ast.Lambda))]


def _starts(call: str) -> bool:
    """Whether calling this starts a server or runs a loop."""
    root, _, rest = call.partition(".")
    last = call.rpartition(".")[2]
    return call in _STARTS or (root == "websockets" and last in ("serve", "unix_serve")) or (bool(rest) and last in _METHODS)


def _dotted(function: ast.expr, names: dict[str, str]) -> str:
    """`asyncio.run` for what is called; what is no plain name counts as `?`, as in `?.run_forever`."""
    if isinstance(function, ast.Name):
        return names.get(function.id, function.id)
    if isinstance(function, ast.Attribute):
        return f"{_dotted(function.value, names)}.{function.attr}"
    return "?"


def _imported(tree: ast.Module) -> dict[str, str]:
    """What the names that the file imports stand for: `ws` -> `websockets`, `run` -> `asyncio.run`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return found


def _ranges(body: list[ast.stmt], marked: set[int]) -> Iterator[tuple[int, int]]:
    """The lines of the marked statements; those with nothing but plain statements between them are one range."""
    order = sorted(marked)
    begin = end = order[0]
    for index in order[1:]:
        if any(isinstance(node, _DEFINITIONS) for node in body[end + 1 : index]):
            yield _first_line(body[begin]), _last_line(body[end])
            begin = index
        end = index
    yield _first_line(body[begin]), _last_line(body[end])


def _first_line(node: ast.stmt) -> int:
    """The first line of a statement, decorators included."""
    decorators = node.decorator_list if isinstance(node, (*_FUNCTIONS, ast.ClassDef)) else []
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _last_line(node: ast.stmt) -> int:
    """The last line of a statement."""
    return node.end_lineno or node.lineno
