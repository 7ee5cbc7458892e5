"""From a candidate to its `HandlerSpec`: reads its options and where it is defined."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

from wsrouter.config.finder import HandlerProblem
from wsrouter.config.problems import Place, relative_to_here
from wsrouter.plugins.choice import Candidate
from wsrouter.plugins.module_file import line_of, place_of_option
from wsrouter.plugins.module_loader import LoadedModule
from wsrouter.plugins.options import DeclarationError, fields_of_class, fields_of_function
from wsrouter.plugins.spec import HandlerSpec


def build_spec(candidate: Candidate, name: str, origin: str = "", loaded: LoadedModule | None = None) -> HandlerSpec:
    """The spec of a handler that the site calls `name`, found in a plugin file or elsewhere; without an origin it is its file and line.

    Raises:
        HandlerProblem: if an option is declared in a way that cannot work.
    """
    target = candidate.target
    try:
        fields = fields_of_class(target) if isinstance(target, type) else fields_of_function(target)
    except DeclarationError as error:
        raise HandlerProblem(str(error), _place_of_declaration(error)) from None
    file = None if origin == "built-in" else _source_file(target)
    line = 1 if file is None else line_of(_tree(file), getattr(target, "__name__", candidate.name))
    return HandlerSpec(
        name=name,
        kind=candidate.kind,
        target=target,
        fields=fields,
        origin=origin or (f"{relative_to_here(file)}:{line}" if file is not None else "?"),
        file=file,
        line=line,
        doc=_doc(target),
        takes_path=candidate.takes_path,
        sources=loaded.sources if loaded is not None else (),
        package=loaded.folder.package if loaded is not None else "",
    )


def _doc(target: object) -> str:
    """The docstring; of a class without one the empty text, not that of its base."""
    text = getattr(target, "__doc__", None)
    return inspect.cleandoc(text) if isinstance(text, str) else ""


def _source_file(target: object) -> Path | None:
    """The file that defines a class or function."""
    module = sys.modules.get(getattr(target, "__module__", ""))
    file = getattr(module, "__file__", None)
    return Path(file) if file else None


def _tree(file: Path) -> ast.Module:
    """The file parsed; nothing of it where that is not possible."""
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _place_of_declaration(error: DeclarationError) -> Place | None:
    """Where the option is declared."""
    file = _source_file(error.owner)
    if file is None:
        return None
    line, column = place_of_option(_tree(file), getattr(error.owner, "__name__", ""), error.option)
    return Place(relative_to_here(file), line, column)
