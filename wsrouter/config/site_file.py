"""Loads the site's file with what it includes: everything checked, every problem noted at its place.

site = load_site_file(path, make_finder=…, pattern_params=…, environ=os.environ, problems=problems)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Final, TypeVar

from wsrouter.config.annotations import find_owner
from wsrouter.config.certificates import check_certificates, resolve
from wsrouter.config.check import check
from wsrouter.config.document import load_document
from wsrouter.config.finder import HandlerFinder, HandlerProblem
from wsrouter.config.merge import places_of
from wsrouter.config.nearest import suggest
from wsrouter.config.nodes import MappingNode, ScalarNode, SequenceNode, hide, is_broken, is_nothing, show, show_text
from wsrouter.config.problems import Place, Problems
from wsrouter.config.route_entry import RouteEntry, RouteReader, StepEntry
from wsrouter.config.setting_forms import expand
from wsrouter.config.settings import Admin, Log, Plugins, RouteSettings, Server, Setting
from wsrouter.config.variables import fill_variables

SITE_KEYS: Final = ("server", "log", "plugins", "admin", "include", "defaults", "routes", "tests")
MAX_INCLUDED_FILES: Final = 1000  # a file of its own for every route of a large site

RecordT = TypeVar("RecordT", bound=Setting)


@dataclass(frozen=True, slots=True)
class SiteFile:
    """All that the site's file and its includes say, as checked.

    `plugin_folders` are the folders that exist; `files` the site's file and what it includes; `sources` where the values of
    `server`, `log`, `plugins` and `admin` come from, by dotted name as `server.limits.handshake`.
    """

    path: Path
    server: Server
    log: Log
    plugins: Plugins
    plugin_folders: tuple[Path, ...]
    admin: Admin
    routes: tuple[RouteEntry, ...]
    tests: tuple[str, ...]
    include: tuple[str, ...]
    files: tuple[Path, ...]
    sources: dict[str, Place]


def load_site_file(
    path: Path,
    *,
    make_finder: Callable[[tuple[Path, ...]], HandlerFinder],
    pattern_params: Callable[[str], Collection[str]],
    environ: Mapping[str, str],
    problems: Problems,
    check_routes: Callable[[Sequence[RouteEntry]], None] = lambda routes: None,
) -> SiteFile | None:
    """Loads a site; None, with all problems noted, where it has errors. Warnings do not keep it from being loaded.

    `make_finder` is given the plugin folders; `pattern_params` gives the names of a path pattern's parameters, and raises a
    ValueError with the message where the pattern is wrong. `check_routes` is given the routes that are right by themselves, and
    notes what is wrong between them: also where there are other errors, so that all are told at once.
    """
    before = len(problems.errors)
    root = _load_mapping(path, environ, problems)
    if root is None:
        return None
    site = _Site(path, root, environ, problems).load(make_finder, pattern_params)
    check_routes(site.routes)
    return site if len(problems.errors) == before else None


def load_plugin_folders(path: Path, *, environ: Mapping[str, str], problems: Problems) -> tuple[Path, ...] | None:
    """Only the plugin folders of a site, for listings that look at no route; None, with the problems noted, where they cannot be told."""
    before = len(problems.errors)
    root = _load_mapping(path, environ, problems)
    if root is None:
        return None
    node = root.find("plugins")
    plugins = Plugins() if node is None else check(Plugins, node, problems, name="plugins")
    folders = _plugin_folders(path, root, plugins, problems) if isinstance(plugins, Plugins) else ()
    return folders if len(problems.errors) == before else None


def _load_mapping(path: Path, environ: Mapping[str, str], problems: Problems) -> MappingNode | None:
    """A file as a mapping with its variables filled."""
    node = load_document(path, problems)
    if node is None:
        return None
    node = fill_variables(node, environ, problems, path.parent)
    if isinstance(node, MappingNode):
        return node
    cure = "write a space after the colon" if isinstance(node, ScalarNode) and ":" in node.text else 'write routes: and below it lines like "/echo: echo"'
    problems.add(node.place, hide(node, f"a site is a mapping, not {show(node)}: {cure}"))
    return None


class _Site:
    """The loading of one site."""

    def __init__(self, path: Path, root: MappingNode, environ: Mapping[str, str], problems: Problems) -> None:
        self._path = path
        self._root = root
        self._environ = environ
        self._problems = problems
        self._routes: list[RouteEntry] = []
        self._places: dict[str, Place] = {}  # pattern -> where it stands first

    def load(self, make_finder: Callable[[tuple[Path, ...]], HandlerFinder], pattern_params: Callable[[str], Collection[str]]) -> SiteFile:
        """Reads every part, whatever is wrong with the others."""
        self._check_keys()
        server = resolve(self._record("server", Server), self._path.parent)
        check_certificates(server, self._root.find("server"), self._problems)
        log = self._record("log", Log)
        plugins = self._record("plugins", Plugins)
        folders = _plugin_folders(self._path, self._root, plugins, self._problems)
        admin = self._record("admin", Admin)
        tests = self._texts("tests")
        include = tuple(node.text for node in self._texts("include"))
        files = [self._path]
        reader = self._reader(make_finder, pattern_params, folders)
        if reader is not None:
            self._read_routes(self._root, reader)
            files += self._include(reader)
        named = tuple(pair for pair in self._root.pairs if pair[0].text in {"server", "log", "plugins", "admin"})
        sources = places_of(MappingNode(self._root.place, named))
        return SiteFile(
            self._path, server, log, plugins, folders, admin, tuple(self._routes), tuple(node.text for node in tests), include, tuple(files), sources
        )

    def _check_keys(self) -> None:
        """Unknown keys at the top; those that begin with x- are the site's own, for anchors. A file of something else is one problem."""
        keys = [key for key, _ in self._root.pairs if not key.text.startswith("x-")]
        unknown = [key for key in keys if key.text not in SITE_KEYS]
        if len(unknown) == len(keys) > 1 and not any(key.text.startswith("/") for key in keys):
            told = ", ".join(show_text(key.text) for key in keys[:3]) + (", …" if len(keys) > 3 else "")
            self._problems.add(keys[0].place, f'this is no site: {told} mean nothing here; a site has routes: and below it lines like "/echo: echo"')
            return
        for key in unknown:
            self._problems.add(key.place, f"unknown key {show_text(key.text)}: {_top_cure(key.text)}")
        if self._root.find_key("routes") is None and self._root.find_key("include") is None:
            self._problems.add(self._root.place, 'the site has no routes: add routes: and below it lines like "/echo: echo"')

    def _record(self, name: str, record: type[RecordT]) -> RecordT:
        """One of the records at the top; its defaults where it is absent or wrong."""
        node = self._root.find(name)
        if node is None:
            return record()
        value = check(record, node, self._problems, name=name)
        return value if isinstance(value, record) else record()

    def _texts(self, name: str) -> list[ScalarNode]:
        """The texts of a key that takes one or a list."""
        node = self._root.find(name)
        if node is None or is_nothing(node):
            return []
        texts = []
        for item in node.items if isinstance(node, SequenceNode) else (node,):
            if isinstance(item, ScalarNode) and isinstance(item.value, str) and item.text and "\0" not in item.text and not item.broken:
                texts.append(item)
            elif not is_broken(item):
                self._problems.add(item.place, hide(item, f"{name} must be a pattern of files as {name}.d/*.yaml, or a list of them, not {show(item)}"))
        return texts

    def _reader(
        self, make_finder: Callable[[tuple[Path, ...]], HandlerFinder], pattern_params: Callable[[str], Collection[str]], folders: tuple[Path, ...]
    ) -> RouteReader | None:
        """Who reads routes; None where the plugin folders cannot be read."""
        key = self._root.find_key("plugins")
        try:
            finder = make_finder(folders)
        except HandlerProblem as problem:
            self._problems.add(problem.place or (key or self._root).place, problem.message)
            return None
        defaults = self._root.find("defaults")
        mapping = expand(RouteSettings, defaults) if defaults is not None else MappingNode(self._root.place, ())
        if not isinstance(mapping, MappingNode):
            self._problems.add(mapping.place, hide(mapping, f"defaults must be a mapping of route settings, not {show(mapping)}"))
            mapping = MappingNode(mapping.place, ())
        return RouteReader(finder, pattern_params, mapping, self._problems)

    def _read_routes(self, root: MappingNode, reader: RouteReader) -> None:
        """The routes of one file."""
        node = root.find("routes")
        if node is None or is_nothing(node):
            key = root.find_key("routes")
            if key is not None:
                self._problems.warn(key.place, 'there is no route here: add lines like "/echo: echo"')
            return
        if not isinstance(node, MappingNode):
            cure = "; write a space after the colon" if isinstance(node, ScalarNode) and ":" in node.text else ""
            self._problems.add(node.place, hide(node, f'routes must be a mapping of paths, as "/echo: echo", not {show(node)}{cure}'))
            return
        for key, value in node.pairs:
            first = self._places.setdefault(key.text, key.place)
            if first is not key.place:
                self._problems.add(key.place, f"the route {key.text} stands at {first} already: delete one of them")
            entry = reader.read(key, value)
            if entry is not None and first is key.place:  # one that stands twice is told of already
                self._routes.append(entry)

    def _include(self, reader: RouteReader) -> list[Path]:
        """Reads what `include` names, in the order of the names; the files."""
        files: list[Path] = []
        for node in self._texts("include"):
            for path in self._matching(node):
                if path not in files and len(files) < MAX_INCLUDED_FILES:
                    files.append(path)
                    self._read_included(path, reader)
        return files

    def _matching(self, node: ScalarNode) -> list[Path]:
        """The files that a pattern names, sorted."""
        folder = self._path.parent
        try:
            names = glob(node.text, root_dir=folder, recursive=True)  # noqa: PTH207 -- Path.glob refuses absolute patterns
            found = sorted(folder / name for name in names if (folder / name).is_file())
            own = any(path.samefile(self._path) for path in found)
        except (OSError, ValueError) as error:
            self._problems.add(node.place, hide(node, f"include: {error}"))
            return []
        if not found and not has_magic(node.text):
            self._problems.add(node.place, hide(node, f"there is no file {node.text} beside {self._path.name}: make it, or delete this"))
        if own:
            self._problems.add(
                node.place, hide(node, f"{show_text(node.text)} names the site's own file: put what it includes into a folder, as routes.d/*.yaml")
            )
            return []
        if len(found) > MAX_INCLUDED_FILES:
            self._problems.add(node.place, hide(node, f"{show_text(node.text)} names {len(found)} files: {MAX_INCLUDED_FILES} at the most"))
        return found

    def _read_included(self, path: Path, reader: RouteReader) -> None:
        """The routes of an included file, which holds nothing else."""
        root = _load_mapping(path, self._environ, self._problems)
        if root is None:
            return
        for key, _ in root.pairs:
            if key.text != "routes" and not key.text.startswith("x-"):
                where = "write it in the site's file" if key.text in SITE_KEYS else "write routes: above it" if key.text.startswith("/") else "delete it"
                self._problems.add(key.place, f"an included file holds routes: only, not {show_text(key.text)}: {where}")
        self._read_routes(root, reader)


def _plugin_folders(path: Path, root: MappingNode, plugins: Plugins, problems: Problems) -> tuple[Path, ...]:
    """The plugin folders that exist; the default one may be absent, one that is named must be there."""
    node = root.find("plugins")
    written = None if node is None or is_nothing(node) else expand(Plugins, node)
    named = written.find("folders") if isinstance(written, MappingNode) else None
    if not isinstance(named, SequenceNode):
        return tuple(folder for folder in (path.parent / name for name in plugins.folders) if _is_folder(folder))
    found = []
    for item in named.items:
        if isinstance(item, ScalarNode) and isinstance(item.value, str) and item.text and not item.broken:
            if _is_folder(path.parent / item.text):
                found.append(path.parent / item.text)
            else:
                problems.add(item.place, hide(item, f"there is no folder {item.text} beside {path.name}: make it, or delete this"))
    return tuple(found)


def _is_folder(path: Path) -> bool:
    """Whether there is a folder that can be looked at; False for names that no system takes."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _top_cure(key: str) -> str:
    """What to do about an unknown key at the top."""
    if key.startswith("/"):
        return "a route stands below routes:, indented"
    for name, record in (("server", Server), ("log", Log), ("defaults", RouteSettings), ("plugins", Plugins)):
        if key in record.__struct_fields__:
            return f"it belongs below {name}:"
        if (owner := find_owner(record, key)) is not None:
            return f"it belongs below {name}: {owner}:"
    return suggest(key, SITE_KEYS)


__all__ = ["HandlerFinder", "HandlerProblem", "RouteEntry", "SiteFile", "StepEntry", "load_plugin_folders", "load_site_file"]
