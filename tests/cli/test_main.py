"""`wsrouter`: which command is meant, and what it says where none is."""

from __future__ import annotations

import os
import socket as socket_module
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.sync.client import unix_connect

from support.daemon import ROOT
from support.waiting import until
from wsrouter.cli.main import COMMANDS, load_command

ECHO = "routes: {/echo: echo}"


def run_process(*arguments: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in {"WSROUTER_CONFIG", "PYTHONDONTWRITEBYTECODE"}}
    command = [sys.executable, "-m", "wsrouter", *arguments]
    return subprocess.run(command, cwd=folder, env={**inherited, "PYTHONPATH": str(ROOT), **env}, capture_output=True, text=True, check=False, timeout=30)


def test_without_a_word_it_shows_how_to_use_it_and_fails(wsrouter):
    code, out, err = wsrouter()

    assert (code, out) == (2, "")
    assert all(command in err for command in COMMANDS)


@pytest.mark.parametrize("word", ["-h", "--help", "help"])
def test_help_lists_every_command_on_stdout(wsrouter, word):
    code, out, err = wsrouter(word)

    assert (code, err) == (0, "")
    assert all(f"    {command} " in out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help_page_with_its_sentence_first(wsrouter, command):
    code, out, err = wsrouter(command, "--help")

    assert (code, err) == (0, "")
    assert out.startswith(f"usage: wsrouter {command} ")
    sentence = load_command(command).HELP
    assert " ".join(out.split("\n\n")[1].split()) == f"{sentence[0].upper()}{sentence[1:]}."
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("word", ["-V", "--version"])
def test_the_version_names_what_runs_here(wsrouter, word):
    code, out, _ = wsrouter(word)

    assert code == 0
    assert out.startswith("wsrouter 0.")
    assert all(f"{name} " in out for name in ("python", "websockets", "uvloop"))


def test_an_unknown_command_is_answered_with_the_nearest_one(wsrouter):
    code, out, err = wsrouter("chek")

    assert (code, out) == (2, "")
    assert err == f"there is no command 'chek', and no such file: did you mean check? commands are {', '.join(COMMANDS)}\n"


def test_an_unknown_word_that_is_like_no_command_is_answered_with_all(wsrouter):
    assert wsrouter("zzz").err == f"there is no command 'zzz', and no such file: commands are {', '.join(COMMANDS)}\n"


def test_an_unknown_option_names_the_command_that_does_not_have_it(wsrouter):
    code, _, err = wsrouter("--lisen", ":80")

    assert code == 2
    assert err.splitlines()[-1] == "wsrouter run: error: unrecognized arguments: --lisen"


def test_an_option_is_not_abbreviated(wsrouter, write):
    write("site.yaml", ECHO)

    assert wsrouter("check", "--conf", "site.yaml").code == 2


def test_a_closed_pipe_is_no_error(tmp_path):
    (tmp_path / "site.yaml").write_text(ECHO, "utf-8")
    command = f"{sys.executable} -m wsrouter routes --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, timeout=30
    )

    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_terminal_that_cannot_show_a_character_is_no_error(tmp_path):
    (tmp_path / "site.yaml").write_text("routes: {/é: echo}", "utf-8")
    done = run_process("routes", folder=tmp_path, PYTHONIOENCODING="ascii")

    assert done.returncode == 0
    assert "/\\xe9" in done.stdout


def test_a_check_without_plugins_imports_neither_an_event_loop_nor_a_network_library(tmp_path):
    """The promise is 150 ms; asyncio alone costs a quarter of them."""
    (tmp_path / "site.yaml").write_text(
        'routes: {/echo: echo, "/room/{room}": {broadcast: {history: 5}}, /clock: {periodic: {every: 1s, message: "{now}"}}, /t: {transform: {jmespath: a}}}',
        "utf-8",
    )
    code = "import sys; from wsrouter.cli.main import main; main(['check']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout == "site.yaml: ok, 4 routes\n"
    modules = set(done.stderr.split())
    assert not modules & {"asyncio", "websockets", "structlog", "uvloop", "ssl", "socket", "logging", "importlib.metadata", "email"}
    assert len(modules) < 260


def test_a_full_disk_is_one_clear_line(tmp_path):
    (tmp_path / "site.yaml").write_text(ECHO, "utf-8")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "wsrouter", "check"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )

    assert (1, "cannot print the answer: No space left on device\n") == (done.returncode, done.stderr)


def accepts(path):
    """Whether somebody listens on a Unix socket: its file is there a moment before that."""
    with socket_module.socket(socket_module.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def test_without_any_standard_stream_it_serves_all_the_same(tmp_path):
    socket = tmp_path / "ws.sock"
    (tmp_path / "site.yaml").write_text(f"routes: {{/echo: echo}}\nserver: {{listen: 'unix:{socket}'}}", "utf-8")
    command = ["sh", "-c", f"exec {sys.executable} -m wsrouter run <&- >&- 2>&-"]
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        try:
            until(lambda: accepts(socket) or process.poll() is not None)
            with unix_connect(str(socket), "ws://localhost/echo") as client:
                client.send("hello")
                assert "hello" == client.recv(5)
        finally:
            process.terminate()

    assert process.returncode == 0
