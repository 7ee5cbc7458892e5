"""A plugin file as it is read, before anything in it runs.

Finds syntax errors, files that start a server of their own when they are imported (importing such a file would never
return), the names that it imports, and the lines where things are defined.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from os import fstat, stat_result
from pathlib import Path

from wsrouter.config.finder import HandlerProblem
from wsrouter.config.problems import Place, relative_to_here
from wsrouter.plugins.server_start import find_server_start
from wsrouter.plugins.spec import error_text

MAX_FILE_BYTES = 1 << 20
"""As for a site. Python parses in one go: 1 MiB takes a second, during which a running daemon does nothing else."""


@dataclass(frozen=True, slots=True)
class ModuleFile:
    """The text of a Python file, parsed."""

    path: Path
    tree: ast.Module
    digest: bytes
    """Of its text as it was read, so that a later reading can tell whether it is the same."""

    def place(self, line: int = 1, column: int = 1) -> Place:
        """A position in it."""
        return Place(relative_to_here(self.path), line, column)


def read_module_file(path: Path, before: ModuleFile | None = None, look_at: Callable[[Path, stat_result], None] | None = None) -> ModuleFile:
    """Reads and parses a Python file, in the encoding that it declares; `before`, if that is what it still holds.

    `look_at` may refuse it for whose it is: what is looked at is what is read.

    Raises:
        HandlerProblem: if it cannot be read, has a syntax error, or starts a server when it is imported.
    """
    try:
        with path.open("rb") as opened:
            if look_at is not None:
                look_at(path, fstat(opened.fileno()))
            source = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise HandlerProblem(f"cannot be read: {error.strerror or error}", Place(relative_to_here(path))) from None
    if len(source) > MAX_FILE_BYTES:
        raise HandlerProblem(f"the file is over {MAX_FILE_BYTES >> 20} MiB: install what is so large as a package", Place(relative_to_here(path)))
    digest = sha256(source).digest()
    if before is not None and before.digest == digest:
        return before
    try:
        file = ModuleFile(path, ast.parse(source, str(path)), digest)
        start = find_server_start(file.tree)
    except SyntaxError as error:
        raise HandlerProblem(f"syntax error: {error.msg}", Place(relative_to_here(path), error.lineno or 1, max(1, error.offset or 1))) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise HandlerProblem(f"cannot be parsed: {error_text(error)}", Place(relative_to_here(path))) from None
    if start is not None:
        raise HandlerProblem(start.message, file.place(start.line, start.column))
    return file


def imported_names(tree: ast.Module) -> set[tuple[str, int]]:
    """What a file imports anywhere in it: first names with their level, `("helpers", 0)`; `from . import x` is `("x", 1)`."""
    found: set[tuple[str, int]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update((alias.name.partition(".")[0], 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add((node.module.partition(".")[0], node.level))
        elif isinstance(node, ast.ImportFrom):
            found.update((alias.name, node.level) for alias in node.names)
    return found


def line_of(tree: ast.Module, name: str) -> int:
    """The line where a class or function of this name is defined at the top of the file; 1 if it is not."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node.lineno
    return 1


def place_of_option(tree: ast.Module, owner: str, option: str) -> tuple[int, int]:
    """Line and column of an option's declaration in a class or function of this name, at any depth; (1, 1) if it is not there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == owner:
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id == option:
                    return item.lineno, item.col_offset + 1
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == owner:
            for argument in node.args.kwonlyargs:
                if argument.arg == option:
                    return argument.lineno, argument.col_offset + 1
    return 1, 1
