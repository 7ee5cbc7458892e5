"""Handlers from import paths and entry points."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wsrouter.config.finder import HandlerProblem
from wsrouter.plugins.import_path import entry_points, find_entry_point, load_import_path

Write = Callable[..., None]


def file_of(name: str) -> Path:
    """`chat__rooms` is chat/rooms.py, `chat__init` is chat/__init__.py."""
    parts = name.split("__")
    return Path(*parts[:-1], f"{'__init__' if parts[1:] == ['init'] else parts[-1]}.py")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes modules onto sys.path, named as `file_of` says; forgets them afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write_files(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / file_of(name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    yield write_files
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path) -> Callable[[str, str], None]:
    """Makes an installed distribution with these entry points."""

    def make(name: str, points: str) -> None:
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[wsrouter.handlers]\n{points}\n")

    return make


def problem_of(path: str) -> str:
    with pytest.raises(HandlerProblem) as caught:
        load_import_path(path, path)
    return f"{caught.value.place}: {caught.value.message}"


def test_a_class_of_a_package_is_found_with_its_file_and_line(write: Write, tmp_path: Path) -> None:
    write(wsr_pack__init="", wsr_pack__rooms="from wsrouter import Handler\n\nclass Room(Handler):\n    size: int = 1\n")
    spec = load_import_path("wsr_pack.rooms:Room", "wsr_pack.rooms:Room")
    assert ("wsr_pack.rooms:Room", "class", "wsr_pack.rooms:Room", tmp_path / "wsr_pack/rooms.py", 3, ["size"]) == (
        spec.name,
        spec.kind,
        spec.origin,
        spec.file,
        spec.line,
        [field.name for field in spec.fields],
    )


def test_a_coroutine_of_a_module_is_found(write: Write) -> None:
    write(wsr_mod="async def a(websocket): ...\nasync def b(websocket): ...")
    assert "coroutine" == load_import_path("wsr_mod:b", "wsr_mod:b").kind


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("wsr_gone:X", "None: there is no plugin file and no module 'wsr_gone': No module named 'wsr_gone'"),
        ("wsr_mod.gone:X", "None: there is no plugin file and no module 'wsr_mod.gone': No module named 'wsr_mod.gone'"),
        ("wsr_mod:gone", "None: module 'wsr_mod': there is no 'gone' in it"),
        ("wsr_mod:x", "None: module 'wsr_mod': x is no handler"),
        ("wsr_raises:X", "wsr_raises.py:2:1: importing module 'wsr_raises' raised ZeroDivisionError: division by zero"),
        ("wsr_exits:X", "wsr_exits.py:2:1: importing module 'wsr_exits' raised SystemExit: 0"),
        ("wsr_needs:X", "wsr_needs.py:1:1: importing module 'wsr_needs' raised ModuleNotFoundError: No module named 'wsr_gone'"),
        ("wsr_syntax:X", "wsr_syntax.py:1:5: importing module 'wsr_syntax' raised SyntaxError"),
        ("os:system", "None: module 'os': system is no handler"),
        ("../x:Y", "None: '../x' is neither a plugin file nor the name of a module"),
        (".x:Y", "None: '.x' is neither a plugin file nor the name of a module"),
    ],
)
def test_what_cannot_be_imported_is_a_problem_that_says_why(write: Write, path: str, problem: str) -> None:
    write(wsr_mod="x = 1", wsr_raises="\n1 / 0", wsr_exits="import sys\nsys.exit(0)", wsr_needs="import wsr_gone", wsr_syntax="x = (")
    assert problem_of(path).startswith(problem)


def test_an_installed_entry_point_is_found(write: Write, install: Callable[[str, str], None]) -> None:
    write(wsr_mod="async def talk(websocket): ...")
    install("wsr_dist", "talk = wsr_mod:talk")
    spec = find_entry_point("talk")
    assert spec is not None
    assert ("talk", "coroutine", "entry point talk") == (spec.name, spec.kind, spec.origin)
    assert "talk" in [point.name for point in entry_points()]


def test_an_entry_point_may_name_a_module_alone(write: Write, install: Callable[[str, str], None]) -> None:
    write(wsr_mod="async def handler(websocket): ...\nasync def other(websocket): ...")
    install("wsr_dist", "talk = wsr_mod")
    spec = find_entry_point("talk")
    assert spec is not None
    assert "handler" == spec.target.__name__


def test_a_name_that_nothing_installed_provides_is_none(write: Write) -> None:
    assert find_entry_point("wsr_unheard_of") is None


def test_an_entry_point_that_cannot_be_loaded_is_a_problem(write: Write, install: Callable[[str, str], None]) -> None:
    install("wsr_dist", "talk = wsr_gone:talk")
    with pytest.raises(HandlerProblem, match="no module 'wsr_gone'"):
        find_entry_point("talk")


def test_two_distributions_that_disagree_on_a_name_are_a_problem(write: Write, install: Callable[[str, str], None]) -> None:
    install("wsr_one", "talk = wsr_a:talk")
    install("wsr_two", "talk = wsr_b:talk")
    with pytest.raises(HandlerProblem, match="several installed packages provide the handler 'talk'; write the one that is meant: wsr_a:talk, wsr_b:talk"):
        find_entry_point("talk")
