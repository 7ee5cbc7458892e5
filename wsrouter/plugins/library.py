"""`HandlerLibrary`: finds the handler that a site means by a name, and lists all that there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from wsrouter.config.finder import HandlerProblem
from wsrouter.config.problems import Place, relative_to_here
from wsrouter.plugins.build import build_spec
from wsrouter.plugins.builtins import BUILTIN_HANDLERS
from wsrouter.plugins.choice import Candidate, ChoiceError, candidates, choose, pick
from wsrouter.plugins.import_path import entry_points, find_entry_point, load_import_path
from wsrouter.plugins.module_file import ModuleFile, line_of
from wsrouter.plugins.module_loader import LoadedModule, PluginFolder
from wsrouter.plugins.spec import HandlerSpec


class HandlerLibrary:
    """The handlers of one generation of a site: those of its plugin folders, the built-in ones, and what is installed.

    Nothing is imported before it is asked for, and nothing twice. A name is looked for in the plugin folders, among the
    built-in handlers, as an import path where it has a colon, and last among the installed entry points.
    """

    def __init__(self, folders: Iterable[Path] = (), previous: HandlerLibrary | None = None, *, trusting: bool = False) -> None:
        """A folder may also be a single file, which then is the only plugin from there; what does not exist has no plugins.

        `previous` is the library of the generation before: a file that is unchanged since, with all that it imports from its
        folder, is not imported again, and its handlers are the same objects.

        Files that others may change are refused; if `trusting`, they are only warned of.
        """
        self._trusting = trusting
        self.changes: list[tuple[str, list[str]]] = []
        """A handler's name, and what importing it changed of the process."""
        self._previous = {loaded.name: loaded for loaded in previous.loaded()} if previous is not None else {}
        self._files_before = previous.files_read() if previous is not None else {}
        self.warnings: list[tuple[str, str]] = []
        """A handler's name, and what is odd about it."""
        self._folders: list[PluginFolder] = []
        self._files: dict[str, list[tuple[PluginFolder, Path]]] = {}
        self._found: dict[str, HandlerSpec | HandlerProblem] = {}
        self._loaded: dict[str, LoadedModule] = {}
        for path in folders:
            self._add(Path(path))

    @classmethod
    def of_file(cls, path: Path) -> HandlerLibrary:
        """A library whose only plugin is one file; it may import the files beside it.

        Raises:
            HandlerProblem: if there is no such file, or if it cannot be a plugin.
        """
        if not path.is_file():
            raise HandlerProblem("there is no such file", Place(relative_to_here(path)))
        if path.suffix != ".py" or "." in path.stem:
            raise HandlerProblem(f"{path.name!r} cannot be a plugin; name it like hello.py", Place(relative_to_here(path)))
        return cls([path])

    def find(self, name: str) -> HandlerSpec:
        """The handler of this name; each is loaded once.

        Raises:
            HandlerProblem: if there is none, or if it cannot be loaded.
        """
        if name not in self._found:
            is_ours = name in BUILTIN_HANDLERS and name not in self._files
            self._found[name] = self._load_or_problem(name) if is_ours else self._load_foreign(name)
        found = self._found[name]
        if isinstance(found, HandlerProblem):
            raise HandlerProblem(found.message, found.place) from found.__cause__
        return found

    def exposures(self) -> list[tuple[Place, str]]:
        """What others may change of what was read, where that is only warned of."""
        return [exposure for folder in self._folders for exposure in folder.exposures]

    def find_function(self, name: str) -> object:
        """What a plugin file defines under its own name, or under the name after a colon: no handler, but what a setting names.

        Raises:
            HandlerProblem: if there is none, or if the file cannot be loaded.
        """
        first, _, inner = name.partition(":")
        if first not in self._files:
            listed = ", ".join(self.plugin_names()) or "none"
            raise HandlerProblem(f"there is no plugin file {first!r}; there are: {listed}", None)
        loaded = self._load_file(first)
        found = vars(loaded.module).get(inner or first)
        if found is None:
            raise HandlerProblem(f"there is no {inner or first!r} in {relative_to_here(loaded.file.path)}", None)
        return found

    def plugin_names(self) -> list[str]:
        """The names of the plugin files, without importing anything."""
        return sorted(self._files)

    def names(self) -> list[str]:
        """The names of plugin files and built-in handlers, without importing anything."""
        return sorted({*self._files, *BUILTIN_HANDLERS})

    def loaded(self) -> list[LoadedModule]:
        """The plugin files that were imported so far, by name."""
        return [self._loaded[name] for name in sorted(self._loaded)]

    def all_specs(self) -> list[HandlerSpec | HandlerProblem]:
        """Every handler, or why it cannot be had: plugin files, built-in handlers, entry points. Imports all of them.

        As `plugin_specs` has them, then the others by name.
        """
        points = {point.name for point in entry_points()} - set(self.names())
        others = [*sorted(BUILTIN_HANDLERS.keys() - self._files.keys()), *sorted(points)]
        return [*self.plugin_specs(), *(self._find_or_problem(name) for name in others)]

    def plugin_specs(self) -> list[HandlerSpec | HandlerProblem]:
        """Every handler of the plugin files, or why it cannot be had. Imports all of them.

        A file with several handlers is listed with each as `file:name`. A file without one is left out where another imports it.
        """
        found = [entry for name in self.plugin_names() for entry in self._specs_of_file(name)]
        helpers = {relative_to_here(path) for loaded in self.loaded() for path in loaded.sources[1:]}
        return [entry for entry in found if not (isinstance(entry, _NoHandler) and entry.place is not None and entry.place.file in helpers)]

    def close(self) -> None:
        """Lets go of the plugin modules that it imported itself; handlers that are in use go on working, but for imports that they still begin."""
        for folder in self._folders:
            folder.close()

    def folders(self) -> set[PluginFolder]:
        """Where the plugin files that it imported live, those that it took over from the generation before included."""
        return {loaded.folder for loaded in self._loaded.values()} | set(self._folders)

    def files_read(self) -> dict[Path, ModuleFile]:
        """What the plugin files held that it read, those that it took over included."""
        return {path: file for folder in self.folders() for path, file in folder.files_read().items()}

    def _add(self, path: Path) -> None:
        """Takes a folder or a file."""
        if path.suffix == ".py" and not path.is_dir():
            folder, files = _single_file(path, self._files_before, trusting=self._trusting)
        else:
            folder = PluginFolder(path, self._files_before, trusting=self._trusting)
            files = folder.files()
        self._folders.append(folder)
        for name, file in files:
            if not name.startswith("_"):
                self._files.setdefault(name, []).append((folder, file))

    def _load_or_problem(self, name: str) -> HandlerSpec | HandlerProblem:
        try:
            return self._load(name)
        except HandlerProblem as problem:
            return problem

    def _load_foreign(self, name: str) -> HandlerSpec | HandlerProblem:
        """Loads what is not wsrouter's own, and notes what that changed of the process."""
        from wsrouter.plugins.process_state import settle_changes, take_state  # brings logging with it: 5 ms

        before = take_state()
        found = self._load_or_problem(name)
        if changes := settle_changes(before):
            self.changes.append((name, changes))
        return found

    def _load(self, name: str) -> HandlerSpec:
        """Looks for a handler in the order that the class states."""
        first, colon, inner = name.partition(":")
        if colon and not (first and inner):
            raise HandlerProblem(f"{name!r} lacks a name beside its colon; write file:name or package.module:Class", None)
        if first in self._files:
            return self._from_file(first, inner)
        if colon:
            return load_import_path(name, name)
        if name in BUILTIN_HANDLERS:
            return load_import_path(BUILTIN_HANDLERS[name], name, "built-in")
        found = find_entry_point(name)
        if found is None:
            raise HandlerProblem(f"there is no handler {name!r}", None)
        return found

    def _from_file(self, name: str, inner: str) -> HandlerSpec:
        """The handler of a plugin file, or one of several in it."""
        loaded = self._load_file(name)
        if name in BUILTIN_HANDLERS and not inner:
            self.warnings.append((name, f"{relative_to_here(loaded.file.path)} hides the built-in handler {name!r}; rename the file if that is not meant"))
        if not inner:
            return build_spec(_chosen(loaded), name, loaded=loaded)
        picked = pick(vars(loaded.module), inner)
        if isinstance(picked, str):
            known = ", ".join(f"{name}:{key}" for key in sorted(candidates(loaded.module)))
            if inner not in vars(loaded.module):  # it is the site that is wrong
                raise HandlerProblem(f"there is no {inner!r} in {relative_to_here(loaded.file.path)}; it has: {known or 'no handler'}", None)
            raise HandlerProblem(f"{picked}; it has: {known or 'no handler'}", loaded.file.place(line_of(loaded.file.tree, inner)))
        return build_spec(picked, f"{name}:{inner}", loaded=loaded)

    def _load_file(self, name: str) -> LoadedModule:
        """The module of a plugin file; two files of one name are a problem."""
        places = self._files[name]
        if len(places) > 1:
            listed = " and ".join(relative_to_here(file) for _, file in places)
            raise HandlerProblem(f"two plugin files claim the name {name!r}: {listed}; rename one", Place(relative_to_here(places[-1][1])))
        if name not in self._loaded:
            folder, path = places[0]
            before = self._previous.get(name)
            unchanged = before is not None and before.digests == folder.digests(path)  # by path, so that another file is a change
            self._loaded[name] = before if before is not None and unchanged else folder.load(name)
        return self._loaded[name]

    def _find_or_problem(self, name: str) -> HandlerSpec | HandlerProblem:
        """What `find` returns or raises."""
        try:
            return self.find(name)
        except HandlerProblem:
            return self._found[name]

    def _specs_of_file(self, name: str) -> Iterator[HandlerSpec | HandlerProblem]:
        """The handler of a file under the file's name, then its other ones; where none stands out, all of them."""
        main = self._find_or_problem(name)
        others: dict[str, Candidate] = candidates(self._loaded[name].module) if name in self._loaded else {}
        ambiguous = isinstance(main, HandlerProblem) and not isinstance(main, _NoHandler) and len(others) > 1
        if not ambiguous:
            yield main
        taken = None if isinstance(main, HandlerProblem) else main.target
        for inner, candidate in sorted(others.items()):
            if ambiguous or (taken is not None and candidate.target is not taken):
                yield self._find_or_problem(f"{name}:{inner}")


class _NoHandler(HandlerProblem):
    """A plugin file without a handler: perhaps one that only helps others."""


def _chosen(loaded: LoadedModule) -> Candidate:
    """The handler of a plugin file."""
    try:
        return choose(loaded.module, loaded.name)
    except ChoiceError as error:
        place = loaded.file.place(line_of(loaded.file.tree, error.line_of or ""))
        kind = HandlerProblem if candidates(loaded.module) else _NoHandler
        raise kind(str(error), place) from None


def _single_file(path: Path, before: Mapping[Path, ModuleFile], *, trusting: bool) -> tuple[PluginFolder, list[tuple[str, Path]]]:
    """The folder of a single plugin file, and the file as its only entry; `chat/__init__.py` is the package chat."""
    path = path.absolute()
    package = path.name == "__init__.py"
    folder = PluginFolder(path.parent.parent if package else path.parent, before, trusting=trusting)
    name = path.parent.name if package else path.stem
    return folder, [entry for entry in folder.files() if entry == (name, path)]
