"""Handlers from outside the plugin folders: `package.module:Class`, and entry points of the group `wsrouter.handlers`."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from wsrouter.config.finder import HandlerProblem
from wsrouter.config.problems import Place, relative_to_here
from wsrouter.plugins.build import build_spec
from wsrouter.plugins.choice import ChoiceError, choose, pick
from wsrouter.plugins.module_loader import innermost_place
from wsrouter.plugins.spec import HandlerSpec, error_text

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "wsrouter.handlers"


def load_import_path(path: str, name: str, origin: str = "") -> HandlerSpec:
    """The handler at `package.module:Class`, under the name that the site uses; `package.module` alone chooses as in a plugin file.

    Raises:
        HandlerProblem: if the module cannot be imported, or has no such handler.
    """
    module_name, _, attribute = path.partition(":")
    module = _import(module_name)
    if not attribute:
        try:
            return build_spec(choose(module, module_name.rpartition(".")[2]), name, origin or path)
        except ChoiceError as error:
            raise HandlerProblem(f"module {module_name!r} {error}", None) from None
    picked = pick(vars(module), attribute)
    if isinstance(picked, str):
        raise HandlerProblem(f"module {module_name!r}: {picked}", None)
    return build_spec(picked, name, origin or path)


def entry_points() -> list[EntryPoint]:
    """The installed entry points of the group, by name. Reads the metadata of everything that is installed: 8.5 ms over 141 distributions."""
    from importlib.metadata import entry_points as installed  # not at the top: only names that are not found nearer need it

    return sorted(set(installed(group=GROUP)), key=lambda point: (point.name, point.value))


def find_entry_point(name: str) -> HandlerSpec | None:
    """The handler of the installed entry point of this name; None if there is none.

    Raises:
        HandlerProblem: if it cannot be loaded, or if installed distributions disagree on what the name means.
    """
    points = [point for point in entry_points() if point.name == name]
    if not points:
        return None
    if len(points) > 1:
        listed = ", ".join(point.value for point in points)
        raise HandlerProblem(f"several installed packages provide the handler {name!r}; write the one that is meant: {listed}", None)
    path = points[0].value.partition("[")[0].strip().replace(" ", "")
    return load_import_path(path, name, f"entry point {name}")


def _import(module_name: str) -> ModuleType:
    """The module; its failure becomes a problem at the innermost line of its package that it passed."""
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise HandlerProblem(f"{module_name!r} is neither a plugin file nor the name of a module; write file:name or package.module:Class", None)
    try:
        return importlib.import_module(module_name)
    except BaseException as error:  # whatever a module raises, sys.exit() included, is a problem of the site
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise HandlerProblem(f"there is no plugin file and no module {module_name!r}: {error.msg}", None) from None
        raise HandlerProblem(f"importing module {module_name!r} raised {error_text(error)}", _place(error, module_name)) from error


def _place(error: BaseException, module_name: str) -> Place | None:
    """Where in the package the import failed."""
    if isinstance(error, SyntaxError) and error.filename:
        return Place(relative_to_here(Path(error.filename)), error.lineno or 1, error.offset or 1)
    package = module_name.partition(".")[0]
    return innermost_place(error.__traceback__, lambda frame: str(frame.f_globals.get("__name__")).partition(".")[0] == package)
