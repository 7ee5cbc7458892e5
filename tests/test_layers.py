"""The house of design.md section 2, held by parsing: imports go down only, each library has its room, nothing grows too large.

Each message names the folder where the offending line belongs. Nothing is imported: the source is read with `ast`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "wsrouter"

LAYERS = {
    "api": 0,
    "topics": 1,
    "access": 1,
    "routing": 1,
    "config": 1,
    "pipeline": 2,
    "plugins": 2,
    "handlers": 2,
    "site": 3,
    "wire": 3,
    "observe": 3,
    "admin": 3,
    "bench": 4,
    "daemon": 4,
    "scenario": 4,
    "testing": 4,
    "cli": 5,
}

# Imports between folders of the same number that design.md names: (who imports, what).
ALLOWED: set[tuple[str, str]] = {("testing", "scenario")}  # testing/ is the face of scenario/ for pytest

# A library that has one room, and the files outside it that may use it all the same.
HOMES = {
    # connect is a client, and so are those of scenarios: they share nothing with wire, whose daemon they speak to.
    "websockets": ("wire", {"wsrouter/cli/connect.py", "wsrouter/scenario/client.py"}),
    "structlog": ("observe", set[str]()),
    "aiohttp": ("admin", {"wsrouter/access/sources/http.py"}),  # the one client of what asks outside
}

# Modules beside the folders: the public face, which is api's, and `python -m wsrouter`, which is cli's.
ROOT_MODULES = {"wsrouter": "api", "wsrouter.__main__": "cli"}

LINES_OF_A_FILE = 500
LINES_OF_A_FUNCTION = 60


@dataclass(frozen=True)
class Import:
    """One import statement: the module it names, its line, and whether only type checkers follow it."""

    module: str
    line: int
    typing_only: bool


@dataclass
class Source:
    """One parsed file of the package."""

    path: str
    module: str
    tree: ast.Module
    lines: int
    imports: list[Import] = field(default_factory=list)

    @property
    def folder(self) -> str:
        """The room it stands in; a module beside the folders stands in the one that it is the face of."""
        return ROOT_MODULES.get(self.module, self.module.split(".")[1] if "." in self.module else "")


def read_package(files: dict[str, str]) -> dict[str, Source]:
    """Parses files (path from the root of the checkout to text); the answer is by module name."""
    sources = {}
    for path, text in files.items():
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        sources[module] = Source(path, module, ast.parse(text, path), text.count("\n"))
    for source in sources.values():
        source.imports.extend(find_imports(source, set(sources)))
    return sources


def find_imports(source: Source, modules: set[str]) -> Iterator[Import]:
    """All imports of a file, at the top, in functions and under TYPE_CHECKING; relative ones made absolute."""
    typing_lines = {
        line
        for node in ast.walk(source.tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        for statement in node.body
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(source, node)
            # `from package import module` imports the module; `from module import name` the module before it.
            names = sorted({f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base for alias in node.names})
        else:
            continue
        yield from (Import(name, node.lineno, node.lineno in typing_lines) for name in names)


def absolute(source: Source, node: ast.ImportFrom) -> str:
    """The module that a `from` import names, its leading dots resolved."""
    if not node.level:
        return node.module or ""
    package = source.module if source.path.endswith("/__init__.py") else source.module.rpartition(".")[0]
    parts = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def folder_problems(sources: dict[str, Source]) -> list[str]:
    """Files that stand in no known room."""
    rooms = ", ".join(sorted(LAYERS))
    return [f"{source.path}:1: stands in no room; move it into one of: {rooms}" for source in sources.values() if source.folder not in LAYERS]


def layer_problems(sources: dict[str, Source]) -> list[str]:
    """Imports that go up or sideways. Those for type checkers count: a type is knowledge, too."""
    problems = []
    for source in sources.values():
        for imported in source.imports:
            target = sources.get(imported.module)
            if target is None or source.folder == target.folder or source.folder not in LAYERS or target.folder not in LAYERS:
                continue
            if LAYERS[target.folder] >= LAYERS[source.folder] and (source.folder, target.folder) not in ALLOWED:
                problems.append(f"{source.path}:{imported.line}: {source.folder}/ must not import {imported.module}; {cure(source.folder, target.folder)}")
    return problems


def cure(folder: str, target: str) -> str:
    """Where a line belongs that stands in `folder` and needs something of `target`."""
    above = [name for name, layer in LAYERS.items() if layer > LAYERS[target]]
    rooms = " or above it in " + ", ".join(f"{name}/" for name in above) if above else ""
    return f"the line belongs in {target}/{rooms}, or {folder}/ is handed what it needs as a Protocol of api/"


def handler_problems(sources: dict[str, Source]) -> list[str]:
    """Built-in handlers that use more of wsrouter than a plugin may."""
    return [
        f"{source.path}:{imported.line}: handlers/ may import from `wsrouter` only, not {imported.module}; "
        f"what every handler may use belongs in api/ and is exported by wsrouter/__init__.py, the rest in pipeline/"
        for source in sources.values()
        if source.folder == "handlers"
        for imported in source.imports
        if imported.module.startswith(f"{PACKAGE}.") and source.module != f"{PACKAGE}.handlers"
    ]


def library_problems(sources: dict[str, Source]) -> list[str]:
    """Libraries that are used outside their room."""
    return [
        f"{source.path}:{imported.line}: only {home}/ may import {library}; the line belongs in {home}/"
        for source in sources.values()
        for imported in source.imports
        for library, (home, guests) in HOMES.items()
        if imported.module.split(".")[0] == library and source.folder != home and source.path not in guests
    ]


def cycle_problems(sources: dict[str, Source]) -> list[str]:
    """Modules that import each other in a ring, wherever in the file; imports for type checkers do not count."""
    edges = {
        name: {imported.module for imported in source.imports if not imported.typing_only and imported.module in sources} - {name}
        for name, source in sources.items()
    }
    # What imports nothing that is left, and what nothing left imports, is in no ring: peel both off until only rings are left.
    while done := {name for name, targets in edges.items() if not targets or not any(name in others for others in edges.values())}:
        edges = {name: targets - done for name, targets in edges.items() if name not in done}
    return [
        f"{sources[name].path}:1: imports in a ring with {', '.join(sorted(targets))}; what both need belongs in a module below them"
        for name, targets in edges.items()
    ]


def any_problems(sources: dict[str, Source]) -> list[str]:
    """Uses of `Any` in api/: what plugin authors write against is typed to the end."""
    return [
        f"{source.path}:{node.lineno}: no Any in api/; write object, a Protocol or a type variable"
        for source in sources.values()
        if source.folder == "api"
        for node in ast.walk(source.tree)
        if (isinstance(node, ast.Name) and node.id == "Any") or (isinstance(node, ast.Attribute) and node.attr == "Any")
    ]


def size_problems(sources: dict[str, Source]) -> list[str]:
    """Files and functions that are too long to be read in one go."""
    files = [
        f"{source.path}:1: {source.lines} lines; at most {LINES_OF_A_FILE}: it holds more than one noun"
        for source in sources.values()
        if source.lines > LINES_OF_A_FILE
    ]
    functions = [
        f"{source.path}:{node.lineno}: {node.name} has {lines} lines; at most {LINES_OF_A_FUNCTION}"
        for source in sources.values()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > LINES_OF_A_FUNCTION
    ]
    return files + functions


@pytest.fixture(scope="module")
def package() -> dict[str, Source]:
    return read_package({path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted((ROOT / PACKAGE).rglob("*.py"))})


CHECKS = [folder_problems, layer_problems, handler_problems, library_problems, cycle_problems, any_problems, size_problems]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_package_keeps_the_rules_of_the_house(package, check):
    assert f"{PACKAGE}.api.handler" in package, "the package was not found: nothing was checked"
    problems = check(package)
    assert not problems, "\n" + "\n".join(problems)


# Each rule must bite: one file that breaks it, and what is said.
BROKEN = {
    "a folder that nobody planned": (folder_problems, {"wsrouter/misc/things.py": ""}, "wsrouter/misc/things.py:1"),
    "a module beside the folders": (folder_problems, {"wsrouter/util.py": ""}, "wsrouter/util.py:1"),
    "an import upwards": (
        layer_problems,
        {"wsrouter/routing/a.py": "\nimport wsrouter.wire.b\n", "wsrouter/wire/b.py": ""},
        "wsrouter/routing/a.py:2: routing/",
    ),
    "its cure": (layer_problems, {"wsrouter/routing/a.py": "import wsrouter.wire.b\n", "wsrouter/wire/b.py": ""}, "the line belongs in wire/"),
    "an import sideways": (layer_problems, {"wsrouter/topics/a.py": "from wsrouter.config import b\n", "wsrouter/config/b.py": ""}, "wsrouter.config.b"),
    "an import in a function": (layer_problems, {"wsrouter/api/a.py": "def f():\n    import wsrouter.cli.b\n", "wsrouter/cli/b.py": ""}, "wsrouter/api/a.py:2"),
    "an import for types": (
        layer_problems,
        {"wsrouter/api/a.py": "if TYPE_CHECKING:\n    from wsrouter.wire.b import C\n", "wsrouter/wire/b.py": ""},
        "wsrouter/api/a.py:2",
    ),
    "a relative import": (layer_problems, {"wsrouter/api/a.py": "from ..wire.b import C\n", "wsrouter/wire/b.py": ""}, "wsrouter.wire.b"),
    "a handler with privileges": (handler_problems, {"wsrouter/handlers/a.py": "from wsrouter.api.handler import Handler\n"}, "wsrouter/handlers/a.py:1"),
    "websockets outside wire": (library_problems, {"wsrouter/pipeline/a.py": "def f():\n    from websockets.exceptions import X\n"}, "belongs in wire/"),
    "a ring of three": (
        cycle_problems,
        {
            "wsrouter/api/a.py": "import wsrouter.api.b\n",
            "wsrouter/api/b.py": "import wsrouter.api.c\n",
            "wsrouter/api/c.py": "def f():\n    import wsrouter.api.a\n",
        },
        "wsrouter/api/b.py:1: imports in a ring with wsrouter.api.c",
    ),
    "Any in api": (any_problems, {"wsrouter/api/a.py": "def f(x: Any) -> None: ...\n"}, "wsrouter/api/a.py:1"),
    "a long file": (size_problems, {"wsrouter/api/a.py": "\n" * 501}, "501 lines"),
    "a long function": (size_problems, {"wsrouter/api/a.py": "def f():\n" + "    x\n" * 60}, "f has 61 lines"),
}


@pytest.mark.parametrize(("check", "files", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_found(check, files, expected):
    assert expected in "\n".join(check(read_package(files)))


# And must not bite where nothing is wrong.
SOUND = {
    "an import downwards": (layer_problems, {"wsrouter/wire/a.py": "import wsrouter.api.b\n", "wsrouter/api/b.py": ""}),
    "an import within a folder": (layer_problems, {"wsrouter/wire/a.py": "from wsrouter.wire import b\n", "wsrouter/wire/b.py": ""}),
    "a ring for types only": (
        cycle_problems,
        {"wsrouter/api/a.py": "import wsrouter.api.b\n", "wsrouter/api/b.py": "if TYPE_CHECKING:\n    import wsrouter.api.a\n"},
    ),
    "a handler as a plugin": (handler_problems, {"wsrouter/handlers/a.py": "import jmespath\nfrom wsrouter import Handler\n", "wsrouter/__init__.py": ""}),
    "the client of wsrouter connect": (library_problems, {"wsrouter/cli/connect.py": "import websockets\n"}),
    "a function of just the size": (size_problems, {"wsrouter/api/a.py": "def f():\n" + "    x\n" * 59}),
}


@pytest.mark.parametrize(("check", "files"), SOUND.values(), ids=SOUND.keys())
def test_a_kept_rule_is_quiet(check, files):
    assert not check(read_package(files))
