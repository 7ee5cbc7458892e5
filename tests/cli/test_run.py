"""`wsrouter run`: each way to say what is served, and the exit codes of what cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.client import connect
from support.daemon import Daemon, start_process

ECHO = "routes: {/echo: echo}\n"
HELLO = "async def hello(websocket, *, greeting='hello'):\n    await websocket.send(greeting)\n"
SHOUT = "from wsrouter import Handler\n\nclass Shout(Handler[str]):\n    def on_message(self, connection, message):\n        return message.upper()\n"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Starts `wsrouter` with exactly these words in the test's folder."""
    with ExitStack() as stack:

        def start_daemon(*words: str, env: dict[str, str] | None = None) -> Daemon:
            made = Daemon(start_process(words, tmp_path, env or {}))
            stack.callback(made.kill)
            return made

        yield start_daemon


def first_message(running: Daemon, path: str) -> str | bytes:
    with connect(running.url(path)) as client:
        return client.recv(timeout=5)


def echoes(running: Daemon, path: str = "/echo", message: str = "hello") -> str | bytes:
    with connect(running.url(path)) as client:
        client.send(message)
        return client.recv(timeout=5)


@pytest.mark.parametrize(
    ("file", "words", "env"),
    [
        ("my.yaml", ["--config", "my.yaml"], {}),
        ("my.yaml", ["-c", "my.yaml"], {}),
        ("my.yaml", ["run", "my.yaml"], {}),
        ("my.yaml", ["run", "-c", "my.yaml"], {}),
        ("my.yaml", ["my.yaml"], {}),
        ("my.yaml", ["run"], {"WSROUTER_CONFIG": "my.yaml"}),
        ("site.yaml", ["run"], {}),
        ("config/site.yaml", ["run"], {}),
    ],
)
def test_each_way_to_name_the_site_serves_it_and_the_line_says_which(start, tmp_path: Path, file: str, words: list[str], env: dict[str, str]) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(ECHO, "utf-8")
    running = start(*words, "--listen", "127.0.0.1:0", env=env)

    assert echoes(running) == "hello"
    assert running.wait_for("listening")["site"] == file
    assert running.stop() == 0


def test_a_plugin_file_is_served_at_its_name_and_at_the_root(start, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(HELLO, "utf-8")
    running = start("run", "hello.py", "--listen", "127.0.0.1:0")

    assert [first_message(running, path) for path in ("/hello", "/")] == ["hello", "hello"]
    assert running.wait_for("listening")["site"] == "hello.py"
    assert running.stop() == 0


def test_a_folder_of_plugins_is_served_with_each_at_its_name(start, tmp_path: Path) -> None:
    """A file that only helps another is no handler; one with several handlers has each at file:name."""
    (tmp_path / "plugins").mkdir()
    for name, text in {
        "hello.py": "from words import GREETING\n" + HELLO.replace("'hello'", "GREETING"),
        "shout.py": SHOUT,
        "words.py": "GREETING = 'bonjour'\n",
        "two.py": HELLO.replace("hello", "one") + HELLO.replace("hello", "other"),
    }.items():
        (tmp_path / "plugins" / name).write_text(text, "utf-8")
    running = start("run", "plugins/", "--listen", "127.0.0.1:0")

    assert first_message(running, "/hello") == "bonjour"
    assert echoes(running, "/shout", "hey") == "HEY"
    assert [first_message(running, path) for path in ("/two:one", "/two:other")] == ["one", "other"]
    assert running.wait_for("listening")["routes"] == 4
    assert running.stop() == 0


def ends(running: Daemon) -> tuple[int, list[str]]:
    return running.wait(), running.stray


def test_a_bad_site_is_78_with_all_its_problems(start, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("routes: {/echo: eco}\nsever: {}\n", "utf-8")
    status, lines = ends(start("run"))

    assert status == 78
    assert [line.partition(": ")[0] for line in lines if line.startswith("site.yaml:")] == ["site.yaml:1:17", "site.yaml:2:1", "site.yaml"]
    assert lines[-1] == "site.yaml: 2 problems; not started"


def test_a_plugin_that_cannot_serve_is_78_and_located(start, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("import asyncio\n\nasync def hello(websocket): ...\n\nasyncio.run(hello(None))\n", "utf-8")

    status, lines = ends(start("run", "hello.py"))

    assert status == 78
    assert lines[0] == 'hello.py:5:1: starts its own server; delete line 5 or put it under if __name__ == "__main__":'


def test_a_plugin_that_needs_an_option_says_what_to_write(start, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("async def hello(websocket, *, name: str): ...\n", "utf-8")

    status, lines = ends(start("run", "hello.py"))

    assert status == 78
    assert lines[0] == "hello.py:1:1: hello needs the option name: write a site that gives it, hello: {name: …}"


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["run", "nope.yaml"], 1, "nope.yaml: there is no such file; wsrouter init makes a site, wsrouter new a plugin"),
        (["run", "nope.py"], 1, "nope.py: there is no such file; wsrouter init makes a site, wsrouter new a plugin"),
        (["run", "site.yml"], 1, "site.yml: there is no such file; did you mean site.yaml?"),
        (["--config", "nope.yaml"], 1, "nope.yaml: there is no such file; wsrouter init makes a site, wsrouter new a plugin"),
        (["run", "empty"], 78, "empty:1:1: there is no plugin here: write one, for example with wsrouter new hello"),
        (["run", "with_site"], 78, "with_site:1:1: there is no plugin here, but a site: write with_site/site.yaml"),
        (["run", "site.yaml", "--listen", "unix:/nope/ws.sock"], 1, "cannot listen on unix:/nope/ws.sock: its folder is not there; make it first"),
    ],
)
def test_what_cannot_be_started_is_one_line_and_its_code(start, tmp_path: Path, words: list[str], status: int, line: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "with_site").mkdir()
    (tmp_path / "with_site" / "site.yaml").write_text(ECHO, "utf-8")
    (tmp_path / "site.yaml").write_text(ECHO, "utf-8")
    found, lines = ends(start(*words))

    assert (found, lines[0]) == (status, line)
    assert len(lines) <= 2


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:99999", "unix:", "unix:relative/ws.sock"])
def test_an_address_that_is_none_is_a_usage_error(wsrouter, write, address: str) -> None:
    write("site.yaml", ECHO)
    code, out, err = wsrouter("run", "--listen", address)

    assert (code, out) == (2, "")
    assert err.startswith(f"--listen {address}: ")
    assert len(err.splitlines()) == 1


def test_what_init_and_new_write_is_right_and_serves(wsrouter, start, tmp_path: Path) -> None:
    """A newcomer's way: make a site, add a plugin, check, run, talk."""
    assert wsrouter("init").code == 0
    for kind in ("class", "coroutine", "source"):
        made = wsrouter("new", f"my_{kind}", "--kind", kind)
        assert made.code == 0
        with (tmp_path / "site.yaml").open("a", encoding="utf-8") as site:
            site.write(made.out.splitlines()[-1] + "\n")

    assert wsrouter("check") == (0, "site.yaml: ok, 6 routes\n", "")
    running = start("run", "--listen", "127.0.0.1:0")
    assert echoes(running) == "hello"
    assert echoes(running, "/hello") == "Message bien reçu"
    assert echoes(running, "/room/a") == "hello"
    assert echoes(running, "/my_class") == "hello!"
    assert echoes(running, "/my_coroutine") == "Message bien reçu"
    assert first_message(running, "/my_source") == '{"number":1}'
    assert running.stop() == 0
