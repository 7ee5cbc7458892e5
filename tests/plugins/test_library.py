"""Finding handlers by the names that a site uses."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wsrouter.config.finder import HandlerProblem
from wsrouter.plugins.builtins import BUILTIN_HANDLERS
from wsrouter.plugins.library import HandlerLibrary
from wsrouter.plugins.spec import HandlerSpec

Write = Callable[..., HandlerLibrary]

HELLO = 'async def hello(websocket, *, greeting: str = "hi"):\n    """Say hello.\n\n    Politely.\n    """\n'


def file_of(name: str) -> Path:
    """`chat__rooms` is chat/rooms.py, `chat__init` is chat/__init__.py."""
    parts = name.split("__")
    return Path(*parts[:-1], f"{'__init__' if parts[1:] == ['init'] else parts[-1]}.py")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes files into plugins/ (name=text; named as `file_of` says) and gives a library of that folder."""
    made: list[HandlerLibrary] = []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()

    def write_files(**files: str) -> HandlerLibrary:
        for name, text in files.items():
            path = tmp_path / "plugins" / file_of(name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        made.append(HandlerLibrary([tmp_path / "plugins"]))
        return made[-1]

    yield write_files
    for library in made:
        library.close()


def problem_of(library: HandlerLibrary, name: str) -> str:
    with pytest.raises(HandlerProblem) as caught:
        library.find(name)
    return f"{caught.value.place}: {caught.value.message}"


def test_a_plugin_file_is_found_by_its_name_with_all_that_is_known_of_it(write: Write, tmp_path: Path) -> None:
    spec = write(hello="# a comment\n" + HELLO).find("hello")
    assert ("hello", "coroutine", "plugins/hello.py:2", 2, "Say hello.", "Say hello.\n\nPolitely.") == (
        spec.name,
        spec.kind,
        spec.origin,
        spec.line,
        spec.summary,
        spec.doc,
    )
    assert (tmp_path / "plugins/hello.py", (tmp_path / "plugins/hello.py",), ["greeting"]) == (spec.file, spec.sources, [field.name for field in spec.fields])


def test_the_same_name_gives_the_same_spec(write: Write) -> None:
    library = write(hello=HELLO)
    assert library.find("hello") is library.find("hello")


def test_a_failing_file_runs_once_however_many_routes_name_it(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    library = write(hello="print('here')\n1 / 0")
    assert problem_of(library, "hello") == problem_of(library, "hello")
    assert "here\n" == capsys.readouterr().out


def test_one_of_several_is_found_by_file_and_name(write: Write) -> None:
    spec = write(hello="from wsrouter import Handler\nclass A(Handler): ...\nclass Greeter(Handler): ...").find("hello:Greeter")
    assert ("hello:Greeter", "plugins/hello.py:3", "Greeter") == (spec.name, spec.origin, spec.target.__name__)


def test_several_without_a_main_one_are_a_problem_of_the_file_that_lists_them(write: Write) -> None:
    library = write(hello="async def a(websocket): ...\nasync def b(websocket): ...")
    assert "plugins/hello.py:1:1: has 2 handlers; write which one is meant: hello:a, hello:b" == problem_of(library, "hello")
    assert "hello:b" == library.find("hello:b").name


def test_a_file_without_handler_is_a_problem_at_what_was_meant_as_one(write: Write) -> None:
    library = write(hello="\ndef hello(websocket): ...", empty="")
    assert "plugins/hello.py:2:1: has no handler: hello is a plain function: write async def hello(…):" == problem_of(library, "hello")
    assert "plugins/empty.py:1:1: has no handler: write async def empty(websocket): … or class Empty(Handler): …" == problem_of(library, "empty")


def test_a_name_that_the_file_does_not_have_is_answered_with_those_it_has(write: Write) -> None:
    library = write(hello="async def a(websocket): ...\nasync def b(websocket): ...\nx = 1", empty="")
    assert "None: there is no 'c' in plugins/hello.py; it has: hello:a, hello:b" == problem_of(library, "hello:c")
    assert problem_of(library, "empty:x").endswith("it has: no handler")


def test_an_option_that_is_declared_wrongly_is_located(write: Write) -> None:
    library = write(
        hello="from wsrouter import Handler\nclass Hello(Handler):\n    x: int = 1\n    every: 'Duratoin' = 1.0\n",
        other="async def other(w, *, a=1,\n    b: 'Foo'): ...",
    )
    assert problem_of(library, "hello").startswith("plugins/hello.py:4:5: the annotation 'Duratoin' of option 'every' cannot be evaluated: NameError")
    assert problem_of(library, "other").startswith("plugins/other.py:2:5: the annotation 'Foo' of option 'b' cannot be evaluated")


def test_annotations_that_are_text_are_evaluated_in_the_plugin(write: Write) -> None:
    source = "from __future__ import annotations\nfrom wsrouter import Handler, Duration\nPair = tuple[int, int]\nclass Hello(Handler):\n    every: Duration = 1.0\n    pair: Pair = (1, 2)\n"
    from wsrouter import Duration

    assert [Duration, tuple[int, int]] == [field.annotation for field in write(hello=source).find("hello").fields]


def test_an_option_inherited_from_another_plugin_file_is_located_there(write: Write) -> None:
    library = write(hello="from base import Base\nclass Hello(Base): ...", base="from wsrouter import Handler\nclass Base(Handler):\n    x: 'Foo'\n")
    assert problem_of(library, "hello").startswith("plugins/base.py:3:5: ")


def test_options_are_checked_by_the_class(write: Write) -> None:
    source = "from wsrouter import Handler, OptionError\nclass Hello(Handler):\n    a: int = 1\n    def check(self):\n        if self.a > 2: raise OptionError('too much', 'a')\n"
    spec = write(hello=source).find("hello")
    spec.check({"a": 2})
    with pytest.raises(ValueError, match="too much"):
        spec.check({"a": 3})


def test_a_built_in_handler_is_found(write: Write) -> None:
    spec = write().find("echo")
    assert ("echo", "class", "built-in", None) == (spec.name, spec.kind, spec.origin, spec.file)


def test_a_built_in_handler_is_imported_when_it_is_used(write: Write) -> None:
    import subprocess

    script = "import sys; from wsrouter.plugins.library import HandlerLibrary as L; L().find('echo'); print(*[m for m in sys.modules if m.startswith('wsrouter.handlers.')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert "wsrouter.handlers.echo\n" == done.stdout


def test_a_plugin_hides_a_built_in_handler_with_a_warning(write: Write) -> None:
    library = write(echo="async def echo(websocket): ...")
    assert "coroutine" == library.find("echo").kind
    library.find("echo")
    assert [("echo", "plugins/echo.py hides the built-in handler 'echo'; rename the file if that is not meant")] == library.warnings


def test_a_plugin_file_wins_over_a_module_of_the_same_name(write: Write) -> None:
    assert "plugins/json.py:1" == write(json="async def talk(websocket): ...").find("json:talk").origin


def test_what_is_no_file_before_the_colon_is_an_import_path(write: Write) -> None:
    assert "wsrouter.handlers.echo:Echo" == write().find("wsrouter.handlers.echo:Echo").origin


@pytest.mark.parametrize(
    "name",
    ["", ":", "hello:", ":hello", "hello:a:b", "hello/../hello", "../plugins/hello", "/etc/passwd", "hello.py", "_private", "__init__", "x" * 1000, "é", "a b"],
)
def test_odd_names_are_problems(write: Write, name: str) -> None:
    problem_of(write(hello="async def hello(websocket): ...", _private="async def _private(websocket): ...") if name else write(), name)


def test_a_name_that_nothing_has_is_a_problem_without_place(write: Write) -> None:
    assert "None: there is no handler 'wsr_unheard_of'" == problem_of(write(), "wsr_unheard_of")


def test_an_entry_point_is_found_last(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "wsr_dist-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: wsr_dist\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[wsrouter.handlers]\nbabble = wsrouter.handlers.echo:Echo\nhello = wsr_gone:x\n")
    monkeypatch.syspath_prepend(tmp_path)
    library = write(hello=HELLO)
    assert ["entry point babble", "plugins/hello.py:1"] == [library.find("babble").origin, library.find("hello").origin]
    assert "babble" in [entry.name for entry in library.all_specs() if isinstance(entry, HandlerSpec)]


def test_two_files_that_claim_one_name_are_a_problem_of_both(write: Write) -> None:
    library = write(hello=HELLO, hello__init=HELLO)
    assert "plugins/hello.py:1:1: two plugin files claim the name 'hello': plugins/hello/__init__.py and plugins/hello.py; rename one" == problem_of(
        library, "hello"
    )


def test_two_folders_with_a_file_of_one_name_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hello.py").write_text(HELLO)
    (tmp_path / "b" / "only.py").write_text(HELLO)
    library = HandlerLibrary([tmp_path / "a", tmp_path / "b"])
    assert "b/hello.py:1:1: two plugin files claim the name 'hello': a/hello.py and b/hello.py; rename one" == problem_of(library, "hello")
    assert "b/only.py:1" == library.find("only").origin
    library.close()


def test_names_are_told_without_importing_anything(write: Write) -> None:
    library = write(hello="raise SystemExit", _helpers="raise SystemExit", chat__init="raise SystemExit")
    assert sorted(["chat", "hello", *BUILTIN_HANDLERS]) == library.names()
    assert ["chat", "hello"] == library.plugin_names()
    assert [] == library.loaded()


def test_a_folder_that_does_not_exist_has_no_plugins(tmp_path: Path) -> None:
    assert sorted(BUILTIN_HANDLERS) == HandlerLibrary([tmp_path / "gone"]).names()


def test_a_single_file_is_served_alone_and_may_import_its_neighbours(write: Write, tmp_path: Path) -> None:
    write(hello="import other\n" + HELLO, other="X = 1")
    library = HandlerLibrary.of_file(Path("plugins/hello.py"))
    assert ["hello"] == library.plugin_names()
    assert "plugins/hello.py:2" == library.find("hello").origin
    library.close()


def test_a_single_file_may_be_a_package(write: Write) -> None:
    write(chat__init="async def chat(websocket): ...")
    library = HandlerLibrary.of_file(Path("plugins/chat/__init__.py"))
    assert "chat" == library.find("chat").target.__name__
    library.close()


def test_a_single_file_that_is_not_there_is_a_problem(write: Write) -> None:
    write()
    with pytest.raises(HandlerProblem, match="there is no such file"):
        HandlerLibrary.of_file(Path("plugins/gone.py"))
    assert [] == HandlerLibrary([Path("plugins/gone.py")]).plugin_names()


@pytest.mark.parametrize("name", ["hello.txt", "hello", "my.hello.py"])
def test_a_single_file_whose_name_cannot_be_imported_is_a_problem(write: Write, name: str) -> None:
    write()
    Path(name).write_text(HELLO)
    with pytest.raises(HandlerProblem, match=r"cannot be a plugin; name it like hello\.py"):
        HandlerLibrary.of_file(Path(name))


def test_the_three_forms_load_as_the_design_writes_them(write: Write) -> None:
    library = write(
        hello='async def hello(websocket, *, greeting: str = "Message bien reçu"):\n    message = await websocket.recv()\n',
        shout='from wsrouter import Connection, Handler\n\nclass Shout(Handler[str]):\n    """Upper-case every message."""\n\n    suffix: str = "!"\n',
        prices="async def prices(context, *, every: float = 1.0):\n    while True:\n        yield {}\n",
    )
    found = [(spec.kind, [(field.name, field.default) for field in spec.fields]) for spec in map(library.find, ("hello", "shout", "prices"))]
    assert [("coroutine", [("greeting", "Message bien reçu")]), ("class", [("suffix", "!")]), ("source", [("every", 1.0)])] == found


def test_the_listing_has_every_handler_or_its_problem(write: Write) -> None:
    library = write(
        hello="import helpers\n" + HELLO,
        helpers="X = 1",
        lonely="X = 1",
        bad="x = (",
        two="async def a(websocket): ...\nasync def b(websocket): ...",
        main="async def main(websocket): ...\nasync def extra(websocket): ...",
        echo="async def echo(websocket): ...",
    )
    listed = [entry.name if isinstance(entry, HandlerSpec) else str(entry.place) for entry in library.all_specs()]
    plugins = ["plugins/bad.py:1:5", "echo", "hello", "plugins/lonely.py:1:1", "main", "main:extra", "two:a", "two:b"]
    assert [*plugins, "broadcast", "periodic", "transform"] == listed[: len(plugins) + 3]


USES_HELP = "from helpers import HELP\n\nasync def talk(websocket):\n    return HELP\n"


@pytest.fixture
def reread(tmp_path: Path, write: Write) -> Iterator[Write]:
    """As `write`, and the library knows the one before."""
    libraries: list[HandlerLibrary] = []

    def write_again(**files: str) -> HandlerLibrary:
        write(**files)
        libraries.append(HandlerLibrary([tmp_path / "plugins"], libraries[-1] if libraries else None))
        return libraries[-1]

    yield write_again
    for library in libraries:
        library.close()


def test_the_handler_of_an_unchanged_file_is_the_same_object(reread: Write) -> None:
    first = reread(hello=HELLO).find("hello")
    assert first.target is reread(hello=HELLO).find("hello").target
    assert first.target is reread(other=HELLO).find("hello").target
    assert first.target is not reread(hello=HELLO + "# edited\n").find("hello").target


def test_a_file_that_went_back_to_what_it_was_is_imported_anew(reread: Write) -> None:
    first = reread(hello=HELLO).find("hello").target
    reread(hello=HELLO + "# edited\n").find("hello")
    assert first is not reread(hello=HELLO).find("hello").target


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"helpers": "HELP = 1\n"}, {"helpers": "HELP = 2\n"}),
        ({"helpers": "from deeper import HELP\n", "deeper": "HELP = 1\n"}, {"deeper": "HELP = 2\n"}),
        ({"helpers__init": "from .inner import HELP\n", "helpers__inner": "HELP = 1\n"}, {"helpers__inner": "HELP = 2\n"}),
        ({"helpers__init": "HELP = 1\n"}, {"helpers__new": "HELP = 2\n"}),
    ],
    ids=["a file that it imports", "a file that this one imports", "a file of a package", "a file that appears in a package"],
)
def test_a_changed_import_makes_another_handler(reread: Write, before: dict[str, str], after: dict[str, str]) -> None:
    first = reread(talk=USES_HELP, hello=HELLO, **before)
    talk, hello = first.find("talk").target, first.find("hello").target
    second = reread(**after)
    assert talk is not second.find("talk").target
    assert hello is second.find("hello").target


def test_a_file_that_appears_and_takes_the_name_of_an_installed_module_is_a_change(reread: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "shadowed_helpers.py").write_text("HELP = 'outside'\n")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    plugin = "from shadowed_helpers import HELP\n\nasync def talk(websocket, *, help: str = HELP):\n    pass\n"
    assert "outside" == reread(talk=plugin).find("talk").fields[0].default
    assert "inside" == reread(shadowed_helpers="HELP = 'inside'\n").find("talk").fields[0].default
    (tmp_path / "plugins" / "shadowed_helpers.py").unlink()
    assert "outside" == reread().find("talk").fields[0].default


def test_an_unchanged_file_that_becomes_a_package_is_a_change(reread: Write, tmp_path: Path) -> None:
    first = reread(hello=HELLO).find("hello").target
    (tmp_path / "plugins" / "hello.py").unlink()
    assert first is not reread(hello__init=HELLO).find("hello").target


def test_an_unchanged_file_is_not_parsed_again(reread: Write) -> None:
    before = reread(hello=HELLO, other=HELLO)
    before.find("hello")
    again = reread(other=HELLO)
    again.find("hello")
    files = [next(file for path, file in library.files_read().items() if path.name == "hello.py") for library in (before, again)]
    assert files[0] is files[1]


def test_thirty_libraries_leave_one_in_memory(reread: Write) -> None:
    def modules() -> int:
        return sum(name.startswith("wsrouter_plugins_") for name in sys.modules)

    before, library = modules(), reread(helpers="HELP = 0\n", talk=USES_HELP)
    library.find("talk")
    for number in range(1, 30):
        last, library = library, reread(helpers=f"HELP = {number}\n")
        library.find("talk")
        last.close()
    assert before + 3 == modules()  # the folder, talk and helpers


def test_a_plugin_of_over_a_mebibyte_is_refused_unread(write: Write, tmp_path: Path) -> None:
    library = write(hello=HELLO)
    with (tmp_path / "plugins" / "hello.py").open("r+b") as file:
        file.truncate(200 << 20)
    assert "plugins/hello.py:1:1: the file is over 1 MiB: install what is so large as a package" == problem_of(library, "hello")
