"""Imports plugin files, so that several generations of one file can live beside each other.

A `PluginFolder` is one folder in one generation. Its modules have private names (`wsrouter_plugins_3.hello`) in
`sys.modules`, and a `__import__` of their own: `import helpers` in a plugin file finds `helpers.py` of the same folder and
generation, whenever it runs. Names of the standard library and of wsrouter always mean those; a file that imports its own
name (`redis.py` with `import redis`) means the one outside. No bytecode is written or read: its staleness check does not
notice a file that changes twice in a second.
"""

from __future__ import annotations

import builtins
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from itertools import count
from pathlib import Path
from types import CodeType, FrameType, ModuleType, TracebackType
from typing import TYPE_CHECKING

from wsrouter.config.finder import HandlerProblem
from wsrouter.config.problems import Place, relative_to_here
from wsrouter.plugins.exposure import find_exposure, find_way_out
from wsrouter.plugins.module_file import ModuleFile, imported_names, read_module_file
from wsrouter.plugins.spec import error_text

if TYPE_CHECKING:
    from importlib.abc import Loader
else:
    Loader = object  # importlib.abc brings importlib.resources and tempfile with it

PACKAGE = "wsrouter_plugins_"
"""How the names of all plugin modules begin in `sys.modules`."""

_generations = count(1)


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """A plugin file that was imported."""

    name: str
    """Its name without `.py`, as a site writes it."""
    module: ModuleType
    file: ModuleFile
    sources: tuple[Path, ...]
    """The file itself, then the files of the folder that it imports, directly or not; of a package all of its files."""
    folder: PluginFolder
    """The folder and generation that its code came from."""
    digests: Mapping[Path, bytes]
    """What its sources held when it was imported."""


class PluginFolder:
    """One folder of plugin files in one generation; each file is imported once, when it is asked for."""

    def __init__(self, path: Path, before: Mapping[Path, ModuleFile] | None = None, *, trusting: bool = False) -> None:
        """Touches nothing yet; the folder need not exist. `before` is what its files held, so that what is unchanged is not parsed again.

        What others may change is refused; if `trusting`, it is only noted in `exposures`.
        """
        self._trusting = trusting
        self._looked_at: set[Path] = set()
        self.exposures: list[tuple[Place, str]] = []
        self._before = before or {}
        self.path = path.absolute()
        self.package = f"{PACKAGE}{next(_generations)}"
        self._files: dict[Path, ModuleFile] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}

    def files(self) -> list[tuple[str, Path]]:
        """The modules in the folder by name: `hello.py` is hello, `chat/__init__.py` is chat; hidden ones and odd names are none."""
        found = []
        try:
            entries = sorted(self.path.iterdir())
        except OSError:  # no such folder, or one that may not be read
            return []
        for entry in entries:
            if entry.suffix == ".py" and "." not in entry.stem and _is_file(entry):
                found.append((entry.stem, entry))
            elif "." not in entry.name and _is_file(entry / "__init__.py"):
                found.append((entry.name, entry / "__init__.py"))
        return found

    def load(self, name: str) -> LoadedModule:
        """Imports a file of the folder.

        Raises:
            HandlerProblem: if it cannot be read, has a syntax error, starts a server, or raises anything when it runs.
        """
        path = self.find_file(name)
        if path is None:
            raise HandlerProblem(f"there is no {name}.py in {relative_to_here(self.path)}", None)
        file = self.read(path)
        self._register()
        try:
            module = importlib.import_module(f"{self.package}.{name}")
        except HandlerProblem:
            raise
        except BaseException as error:  # whatever a plugin raises, sys.exit() included, is a problem of its file
            raise self._problem(file, error) from error
        return LoadedModule(name, module, file, self.sources(path), self, self.digests(path))

    def digests(self, path: Path) -> dict[Path, bytes]:
        """What a file and those that it imports hold now; of one that cannot be read or parsed, nothing."""
        return {source: self._files[source].digest if source in self._files else b"" for source in self.sources(path)}

    def read(self, path: Path) -> ModuleFile:
        """A file of the folder, read and parsed once in a generation."""
        if path not in self._files:
            self._look_at_way(path)
            self._files[path] = read_module_file(path, self._before.get(path), self._look_at)
        return self._files[path]

    def _look_at_way(self, path: Path) -> None:
        """Refuses a link that leads out of the folder, and folders on the way to a file that others may change."""
        if (way_out := find_way_out(path, self.path)) is not None:
            self._refuse(path, way_out, is_link=True)
        for folder in [self.path, *(self.path / above for above in reversed(path.relative_to(self.path).parents[:-1]))]:
            if folder not in self._looked_at:
                try:
                    self._look_at(folder, folder.stat())
                except OSError:  # then reading the file tells why
                    continue
                self._looked_at.add(folder)

    def _look_at(self, path: Path, status: os.stat_result) -> None:
        if (exposure := find_exposure(path, status)) is not None:
            self._refuse(path, exposure)

    def _refuse(self, path: Path, why: str, *, is_link: bool = False) -> None:
        """What is wrong with who may change it: a problem, or only a warning. A link is named as it lies there, not as where it leads."""
        place = Place(str(Path(relative_to_here(path.parent), path.name)) if is_link else relative_to_here(path))
        if not self._trusting:
            raise HandlerProblem(why, place)
        self.exposures.append((place, why))

    def files_read(self) -> dict[Path, ModuleFile]:
        """What was read of it so far."""
        return dict(self._files)

    def find_file(self, inner: str) -> Path | None:
        """The file of a module by its name within the folder: `hello`, `chat`, `chat.rooms`; None if there is none."""
        base = self.path.joinpath(*inner.split("."))
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if _is_file(path):
                return path
        return None

    def sources(self, path: Path) -> tuple[Path, ...]:
        """A file and the files of the folder that it imports, directly or not, its own first; also where they cannot be parsed."""
        found: dict[Path, None] = {}
        waiting = [path]
        while waiting:
            current = waiting.pop(0)
            if current in found:
                continue
            found[current] = None
            try:
                tree = self.read(current).tree
            except HandlerProblem:
                continue
            if current.name == "__init__.py":
                waiting += sorted(current.parent.rglob("*.py"))
            inside = current.relative_to(self.path).with_suffix("").parts
            waiting += [file for name, level in sorted(imported_names(tree)) if (file := self._imported_file(name, level, inside)) is not None]
        return tuple(found)

    def close(self) -> None:
        """Forgets its modules, so that they can be freed with the handlers that use them."""
        _finder.folders.pop(self.package, None)
        for name in [name for name in sys.modules if name == self.package or name.startswith(f"{self.package}.")]:
            del sys.modules[name]
        self._files.clear()
        self._before = {}

    def execute(self, module: ModuleType, path: Path) -> None:
        """Runs a file as a module of the folder."""
        code = compile(self.read(path).tree, str(path), "exec", dont_inherit=True)
        module.__dict__["__builtins__"] = self._builtins
        exec(code, module.__dict__)  # noqa: S102 -- this is where plugins run

    def _register(self) -> None:
        """Makes its private names importable."""
        if self.package in _finder.folders:
            return
        package = ModuleType(self.package, f"The plugin files of {self.path}.")
        package.__path__ = []
        sys.modules[self.package] = package
        _finder.folders[self.package] = self
        if _finder not in sys.meta_path:
            # First: a plugin package's __path__ is a real folder, which the finder of files would load without our __import__.
            sys.meta_path.insert(0, _finder)

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 -- the names of the interface
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """The `__import__` of its modules: a name of this folder means its file, any other what it means everywhere."""
        first = name.partition(".")[0]
        importer = str((globals or {}).get("__name__", ""))
        if level or not self._means_own(first, importer.removeprefix(f"{self.package}.").split(".")):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        private = f"{self.package}.{name}"
        module = builtins.__import__(private, globals, locals, fromlist or (), 0)
        return module if fromlist else sys.modules[f"{self.package}.{first}"]

    def _means_own(self, first: str, importer: Sequence[str]) -> bool:
        """Whether a name that a module (its parts within the folder) imports means a file of the folder."""
        if first in sys.stdlib_module_names or first == "wsrouter":
            return False
        path = self.find_file(first)
        return path is not None and (path.name == "__init__.py" or list(importer) != [first])

    def _imported_file(self, name: str, level: int, importer: Sequence[str]) -> Path | None:
        """The file of the folder that an import means; of a relative one only where it leaves the importer's package."""
        package_depth = len(importer) - 1
        if (level == 0 and self._means_own(name, importer)) or (level > 0 and level - 1 >= package_depth):
            return self.find_file(name)
        return None

    def _problem(self, file: ModuleFile, error: BaseException) -> HandlerProblem:
        """What importing a file raised, at the innermost line of the folder's files that it passed."""
        if isinstance(error, SyntaxError) and error.filename and Path(error.filename) in self._files:
            return HandlerProblem(f"syntax error: {error.msg}", Place(relative_to_here(Path(error.filename)), error.lineno or 1, max(1, error.offset or 1)))
        place = innermost_place(error.__traceback__, lambda frame: self.path in Path(frame.f_code.co_filename).parents) or file.place()
        return HandlerProblem(f"importing it raised {error_text(error)}", place)


class _Finder:
    """Finds the modules of plugin folders by their private names; stands on `sys.meta_path` once."""

    def __init__(self) -> None:
        self.folders: dict[str, PluginFolder] = {}

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of a module whose name begins with a folder's package."""
        package, _, inner = fullname.partition(".")
        folder = self.folders.get(package)
        file = folder.find_file(inner) if folder is not None and inner else None
        if folder is None or file is None:
            return None
        is_package = file.name == "__init__.py"
        spec = ModuleSpec(fullname, _FileLoader(folder, file), origin=str(file), is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [str(file.parent)]
        return spec


class _FileLoader(Loader):
    """Runs one file of a folder."""

    def __init__(self, folder: PluginFolder, path: Path) -> None:
        self._folder = folder
        self._path = path

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """An ordinary module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Runs the file."""
        self._folder.execute(module, self._path)


_finder = _Finder()


def _is_file(path: Path) -> bool:
    """Whether it is a file, as far as that can be seen: a name that is too long, or a folder that may not be entered, has none."""
    try:
        return path.is_file()
    except OSError:
        return False


def innermost_place(traceback: TracebackType | None, accepts: Callable[[FrameType], bool]) -> Place | None:
    """The innermost position of a traceback in a frame that counts; None if there is none."""
    found = None
    while traceback is not None:
        frame = traceback.tb_frame
        if accepts(frame):
            found = Place(relative_to_here(Path(frame.f_code.co_filename)), traceback.tb_lineno, _column(frame.f_code, traceback.tb_lasti))
        traceback = traceback.tb_next
    return found


def place_in_plugin(frame: FrameType | None) -> Place | None:
    """Where a plugin is in a stack that begins with this frame, the innermost; None where no plugin is in it."""
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).startswith(PACKAGE):
            return Place(relative_to_here(Path(frame.f_code.co_filename)), frame.f_lineno, _column(frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return None


def _column(code: CodeType, instruction: int) -> int:
    """The column of an instruction, from 1; 1 where it is not known (or the interpreter runs with -X no_debug_ranges)."""
    for index, (_, _, column, _) in enumerate(code.co_positions()):
        if index == instruction // 2:
            return (column or 0) + 1
    return 1
