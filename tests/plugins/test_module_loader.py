"""Importing plugin files: by private names, from each other, in generations, and whatever they raise."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wsrouter.config.finder import HandlerProblem
from wsrouter.plugins.module_loader import PluginFolder

Write = Callable[..., PluginFolder]


def file_of(name: str) -> Path:
    """`chat__rooms` is chat/rooms.py, `chat__init` is chat/__init__.py."""
    parts = name.split("__")
    return Path(*parts[:-1], f"{'__init__' if parts[1:] == ['init'] else parts[-1]}.py")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes files into plugins/ (name=text; named as `file_of` says) and gives a new generation of that folder."""
    made: list[PluginFolder] = []
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "plugins"
    folder.mkdir()

    def write_files(**files: str) -> PluginFolder:
        for name, text in files.items():
            path = folder / file_of(name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        made.append(PluginFolder(folder))
        return made[-1]

    yield write_files
    for one in made:
        one.close()


def problem_of(folder: PluginFolder, name: str = "hello") -> str:
    with pytest.raises(HandlerProblem) as caught:
        folder.load(name)
    return f"{caught.value.place}: {caught.value.message}"


def test_a_file_is_imported_under_a_private_name_with_its_file(write: Write, tmp_path: Path) -> None:
    module = write(hello="X = 1").load("hello").module
    assert (1, str(tmp_path / "plugins/hello.py")) == (module.X, module.__file__)
    assert "hello" not in sys.modules
    assert module is sys.modules[module.__name__]


def test_print_at_import_works(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write(hello="print('here')").load("hello")
    assert "here\n" == capsys.readouterr().out


def test_a_file_runs_once_in_a_generation(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(hello="print('here')", other="import hello")
    folder.load("hello")
    folder.load("other")
    folder.load("hello")
    assert "here\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    "statement",
    [
        "import helpers; X = helpers.X",
        "import helpers as h; X = h.X",
        "from helpers import X",
        "from helpers import *",
        "from . import helpers; X = helpers.X",
        "from .helpers import X",
        "import tools.deep; X = tools.deep.X",
        "from tools import deep; X = deep.X",
        "from tools.deep import X",
        "def f():\n    import helpers\n    return helpers.X\nX = f()",
    ],
)
def test_files_of_a_folder_import_each_other(write: Write, statement: str) -> None:
    folder = write(hello=statement, helpers="X = 7", tools__init="", tools__deep="from helpers import X")
    assert 7 == folder.load("hello").module.X


def test_an_import_while_serving_finds_the_generation_of_the_importer(write: Write) -> None:
    source = "def late():\n    import helpers\n    return helpers.X"
    old = write(hello=source, helpers="X = 'old'").load("hello").module
    new = write(helpers="X = 'new'").load("hello").module
    assert ("new", "old") == (new.late(), old.late())


def test_generations_live_beside_each_other(write: Write) -> None:
    old = write(hello="import helpers\nX = helpers.X", helpers="X = 'old'").load("hello").module
    new = write(helpers="X = 'new'").load("hello").module  # as long as the old text, and within its second
    assert ("old", "new") == (old.X, new.X)
    assert old.helpers is not new.helpers


def test_two_folders_have_helpers_of_the_same_name(tmp_path: Path) -> None:
    folders = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "helpers.py").write_text(f"X = {name!r}")
        (tmp_path / name / "hello.py").write_text("from helpers import X")
        folders.append(PluginFolder(tmp_path / name))
    assert ["a", "b"] == [folder.load("hello").module.X for folder in folders]
    for folder in folders:
        folder.close()


def test_files_that_import_each_other_in_a_circle_work(write: Write) -> None:
    assert 3 == write(hello="import other\nX = 3", other="import hello\ndef f(): return hello.X").load("hello").module.other.f()


def test_a_package_works_with_relative_imports(write: Write) -> None:
    folder = write(
        chat__init="from .rooms import Room\nimport chat.rooms\nX = chat.rooms.Room", chat__rooms="from . import names\nRoom = names.N", chat__names="N = 5"
    )
    assert 5 == folder.load("chat").module.X


def test_the_standard_library_wins_over_a_file_of_the_same_name(write: Write) -> None:
    module = write(random="import random\nX = random.Random", hello="import random").load("hello").module
    assert hasattr(module.random, "Random")


def test_a_file_that_imports_its_own_name_means_the_one_outside(write: Write) -> None:
    import msgspec

    assert msgspec is write(msgspec="import msgspec\nX = msgspec").load("msgspec").module.X


def test_another_file_that_imports_that_name_means_the_file_in_the_folder(write: Write) -> None:
    assert 1 == write(msgspec="Y = 1", hello="from msgspec import Y").load("hello").module.Y


def test_what_a_plugin_imports_from_outside_is_the_one_that_everybody_has(write: Write) -> None:
    import wsrouter

    assert wsrouter.Handler is write(hello="from wsrouter import Handler").load("hello").module.Handler


def test_dataclasses_and_type_hints_work_in_a_plugin(write: Write) -> None:
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nimport typing\n@dataclass\nclass P:\n    x: int\nX = typing.get_type_hints(P)"
    )
    assert {"x": int} == write(hello=source).load("hello").module.X


def test_nothing_is_written_beside_the_files(write: Write, tmp_path: Path) -> None:
    write(hello="import helpers", helpers="").load("hello")
    assert ["hello.py", "helpers.py"] == sorted(path.name for path in (tmp_path / "plugins").iterdir())


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("\n\nimport foo", "plugins/hello.py:3:1: importing it raised ModuleNotFoundError: No module named 'foo'"),
        ("from wsrouter import Handlr", "plugins/hello.py:1:1: importing it raised ImportError: cannot import name 'Handlr' from 'wsrouter'"),
        ("x = 1\nx = 1 / 0", "plugins/hello.py:2:5: importing it raised ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit()", "plugins/hello.py:2:1: importing it raised SystemExit"),
        ("import sys\nsys.exit(3)", "plugins/hello.py:2:1: importing it raised SystemExit: 3"),
        ("raise KeyboardInterrupt", "plugins/hello.py:1:1: importing it raised KeyboardInterrupt"),
        ("class Odd(BaseException): ...\nraise Odd('a\\nb')", "plugins/hello.py:2:1: importing it raised Odd: a b"),
        ("def f():\n    f()\nf()", "plugins/hello.py:2:5: importing it raised RecursionError: maximum recursion depth exceeded"),
        ("def f(:", "plugins/hello.py:1:7: syntax error: invalid syntax"),
        ("return 1", "plugins/hello.py:1:1: syntax error: 'return' outside function"),
        ("exec('x =')", "plugins/hello.py:1:1: importing it raised SyntaxError: invalid syntax (<string>, line 1)"),
        ("import asyncio\nasyncio.run(main())", 'plugins/hello.py:2:1: starts its own server; delete line 2 or put it under if __name__ == "__main__":'),
        ("import json\njson.loads('{')", "plugins/hello.py:2:1: importing it raised JSONDecodeError"),
    ],
)
def test_whatever_goes_wrong_at_import_is_a_located_problem(write: Write, source: str, problem: str) -> None:
    assert problem_of(write(hello=source)).startswith(problem)


@pytest.mark.parametrize(
    ("helper", "problem"),
    [
        ("\n1 / 0", "plugins/helpers.py:2:1: importing it raised ZeroDivisionError: division by zero"),
        ("x = (", "plugins/helpers.py:1:5: syntax error: '(' was never closed"),
        ("import asyncio\nasyncio.run(f())", "plugins/helpers.py:2:1: starts its own server"),
    ],
)
def test_what_goes_wrong_in_an_imported_file_is_located_there(write: Write, helper: str, problem: str) -> None:
    assert problem_of(write(hello="import helpers", helpers=helper)).startswith(problem)


def test_a_file_that_failed_is_not_left_half_imported(write: Write) -> None:
    folder = write(hello="X = 1\nimport sys\nsys.exit()")
    problem_of(folder)
    assert f"{folder.package}.hello" not in sys.modules
    assert "SystemExit" in problem_of(folder)


def test_a_name_without_file_is_a_problem(write: Write) -> None:
    assert "None: there is no gone.py in plugins" == problem_of(write(), "gone")


def test_the_files_that_a_plugin_is_made_of_are_known_also_those_that_are_imported_late_or_indirectly(write: Write, tmp_path: Path) -> None:
    folder = write(
        hello="import a, json\nfrom . import b\ndef f():\n    import c.d",
        a="import deep",
        deep="import hello",
        b="",
        c__init="",
        c__d="",
        json="",
        unused="",
    )
    names = [path.relative_to(tmp_path / "plugins").as_posix() for path in folder.load("hello").sources]
    assert "hello.py" == names[0]
    assert ["a.py", "b.py", "c/__init__.py", "c/d.py", "deep.py", "hello.py"] == sorted(names)


def test_the_files_of_a_package_are_its_own_and_what_they_import(write: Write, tmp_path: Path) -> None:
    folder = write(chat__init="", chat__rooms="from . import names\nfrom .. import shared", chat__names="", shared="", names="")
    names = {path.relative_to(tmp_path / "plugins").as_posix() for path in folder.load("chat").sources}
    assert {"chat/__init__.py", "chat/rooms.py", "chat/names.py", "shared.py"} == names


def test_an_imported_file_that_is_broken_is_one_of_the_files_too(write: Write, tmp_path: Path) -> None:
    folder = write(hello="def f():\n    import broken\n    import " + "x" * 300, broken="x = (")
    assert [tmp_path / "plugins/hello.py", tmp_path / "plugins/broken.py"] == list(folder.load("hello").sources)


def test_a_closed_generation_is_freed(write: Write) -> None:
    folder = write(hello="class Hello: ...")
    gone = weakref.ref(folder.load("hello").module)
    names = [name for name in sys.modules if name.startswith(folder.package)]
    folder.close()
    gc.collect()
    assert gone() is None
    assert not [name for name in names if name in sys.modules]


def test_files_lists_modules_and_packages_and_nothing_else(write: Write, tmp_path: Path) -> None:
    folder = write(hello="", _helpers="", chat__init="")
    for name in (".hidden.py", "a.b.py", "notes.txt", "hello.py~", "#hello.py#", ".hello.py.swp"):
        (tmp_path / "plugins" / name).write_text("")
    (tmp_path / "plugins" / "folder.py").mkdir()
    (tmp_path / "plugins" / "empty").mkdir()
    (tmp_path / "plugins" / "dangling.py").symlink_to("nowhere.py")
    assert ["_helpers", "chat", "hello"] == sorted(name for name, _ in folder.files())


def test_a_folder_that_does_not_exist_has_no_files(tmp_path: Path) -> None:
    assert [] == PluginFolder(tmp_path / "gone").files()
