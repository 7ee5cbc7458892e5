"""`wsrouter status`: the table, what is missing, and finding the daemon."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from support.client import connect
from support.control import ScriptedSteering, answering, socket_of
from support.daemon import ROOT
from wsrouter.cli.status import format_size, format_status, format_time

STATUS = {
    "version": "0.1.0",
    "pid": 4711,
    "site": "/etc/wsrouter/site.yaml",
    "generation": 4,
    "started_at": "2026-11-22T09:00:00+00:00",
    "uptime_s": 273_725.9,
    "connections": 1100,
    "state": "serving",
    "routes": [
        {"route": "/echo", "handlers": ["echo"], "connections": 1000, "older": 0, "tasks": 7, "state": "serving", "unknown": 1},
        {"route": "/shout/{room}", "handlers": ["transform", "broadcast"], "connections": 100, "older": 100, "tasks": 0, "state": "quarantined"},
        {"route": "/bare"},
    ],
    "last_reload": {"at": "2026-11-22T10:00:00+00:00", "ok": False, "summary": "not reloaded: 1 problem", "problems": ["etc/site.yaml:3:5: no"]},
    "addresses": ["ws://127.0.0.1:8765", "ws+unix:/run/ws.sock"],
    "folder": "/",
    "log_dropped": 12,
    "unknown": "not shown",
}


def test_the_status_is_a_head_and_a_table_of_the_routes():
    assert format_status(STATUS).splitlines() == [
        "site         /etc/wsrouter/site.yaml",
        "daemon       pid 4711, wsrouter 0.1.0",
        "state        serving",
        "uptime       3d 4h, since 2026-11-22T09:00:00+00:00",
        "listening on ws://127.0.0.1:8765, ws+unix:/run/ws.sock",
        "connections  1100",
        "generation   4",
        "log          12 lines lost",
        "last reload  2026-11-22T10:00:00+00:00: not reloaded: 1 problem",
        "             /etc/site.yaml:3:5: no",
        "",
        "ROUTE          HANDLERS               OPEN  OLDER  TASKS  STATE",
        "/echo          echo                   1000  0      7      serving",
        "/shout/{room}  transform > broadcast  100   100    0      quarantined",
        "/bare          -                      -     -      -      -",
    ]


def test_what_a_daemon_of_another_version_does_not_tell_is_a_dash():
    assert format_status({"ok": True}).splitlines() == [
        "site         -",
        "daemon       pid -, wsrouter -",
        "state        -",
        "uptime       -, since -",
        "listening on -",
        "connections  -",
        "generation   -",
        "last reload  -",
    ]


@pytest.mark.parametrize(
    "duration_s, text", [(0, "0s"), (59.9, "59s"), (60, "1m"), (725, "12m 5s"), (3600, "1h"), (90_000, "1d 1h"), (86_400 + 59, "1d"), (None, "-")]
)
def test_a_duration_is_told_in_its_two_largest_units(duration_s, text):
    assert format_time(duration_s) == text


def test_a_running_daemon_is_shown(wsrouter, daemon, here):
    running = daemon("routes: {/echo: echo}")
    with connect(running.url("/echo")):
        running.wait_for("connection.opened")
        code, out, err = wsrouter("status")

    assert (code, err) == (0, "")
    assert f"site         {here}/site.yaml\ndaemon       pid {running.process.pid}, wsrouter " in out
    assert out.splitlines()[-1].split() == ["/echo", "echo", "1", "0", "0", "serving"]


def test_json_is_the_answer_as_it_is(wsrouter, write):
    site = write("site.yaml", "")
    with answering(site, ScriptedSteering(status={"pid": 1, "more": [None]})):
        code, out, _ = wsrouter("status", "--json")

    assert (code, json.loads(out)) == (0, {"ok": True, "pid": 1, "more": [None], "folder": str(site.parent)})


def test_without_a_daemon_it_fails_and_says_where_it_looked(wsrouter, here):
    code, out, err = wsrouter("status")

    assert (code, out) == (1, "")
    assert err.startswith(f"no daemon is running for {here}/site.yaml, {here}/config/site.yaml, /etc/wsrouter/site.yaml: nobody listens in ")


def test_a_socket_file_that_nobody_listens_on_any_more_is_no_daemon(wsrouter, daemon, here):
    running = daemon("routes: {/echo: echo}")
    running.kill()

    assert socket_of(here / "site.yaml").exists()
    assert wsrouter("status").err.startswith("no daemon is running")


def test_the_daemon_of_systemd_is_found_besides_that_of_the_session(wsrouter, daemon, here, monkeypatch):
    (here / "run").mkdir()
    running = daemon("routes: {/echo: echo}", env={"RUNTIME_DIRECTORY": str(here / "run")})
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(here / "run"))

    assert json.loads(wsrouter("status", "--json").out)["pid"] == running.process.pid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_that_it_may_not(daemon, tmp_path):
    """In a folder as systemd makes it, 0755: the file's mode alone keeps others out."""
    folder = Path(os.environ["XDG_RUNTIME_DIR"]) / "systemd"
    folder.mkdir(mode=0o755)
    folder.parent.chmod(0o711)
    daemon("routes: {/echo: echo}", env={"RUNTIME_DIRECTORY": str(folder)})
    nobody = pwd.getpwnam("nobody")
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
import time
from wsrouter.cli import control_client, errors
os.setgroups([]); os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})
try:
    control_client.connect([Path({str(tmp_path / "site.yaml")!r})], {{"RUNTIME_DIRECTORY": {str(folder)!r}}}, time.monotonic() + 5)
except errors.CommandError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    folder.chmod(0o700)
    hidden = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert hidden.startswith(f"no daemon is running for {tmp_path}/site.yaml: nobody listens on {folder}/site-")
    assert f"; wsrouter run starts one, and sudo lets you look into {folder}" in hidden
    assert told.startswith(f"{folder}/site-")
    assert told.endswith("permission denied; only the user of the daemon, its group under systemd, and root may steer it: try sudo\n")


@pytest.mark.parametrize("command", ["reload", "status", "publish"])
def test_the_commands_start_without_what_only_the_daemon_needs(command):
    script = f"import sys, wsrouter.cli.{command}; print(*sorted({{'asyncio', 'websockets', 'structlog', 'yaml', 'hashlib'}} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout == "\n"


def test_what_is_no_wsrouter_is_not_taken_for_one(wsrouter, write):
    import socket
    import threading

    path = socket_of(write("site.yaml", ""))
    path.parent.mkdir(mode=0o700, exist_ok=True)

    def answer(text: bytes) -> None:
        one, _ = listening.accept()
        with one:
            one.recv(100)
            one.sendall(text)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        for text, error in (
            (b"hello\n", "what answers on the control socket is no wsrouter of this version\n"),
            (b"", "the daemon ended before it answered\n"),
        ):
            thread = threading.Thread(target=answer, args=(text,))
            thread.start()
            assert wsrouter("status") == (1, "", error)
            thread.join()


def test_the_memory_that_handlers_hold_is_shown_the_most_first(wsrouter, daemon, here, tmp_path):
    plugins = tmp_path / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "keeps.py").write_text("""
from wsrouter import Handler

class Keeps(Handler[str]):
    def start(self, context):
        self.kept = ["x" * 1000 + str(number) for number in range(2000)]
""")
    daemon("routes: {/echo: echo, /keeps: keeps}")
    out = wsrouter("status", "--memory").out.splitlines()
    assert ["HANDLER", "ROUTE", "FROM", "HOLDS", "OBJECTS"] == out[0].split()
    assert ["keeps", "/keeps", "plugins/keeps.py:4", "2.0", "MiB"] == out[1].split()[:5]
    assert "echo" == out[2].split()[0]
    (keeps, _) = sorted(json.loads(wsrouter("status", "--memory", "--json").out)["handlers"], key=lambda each: -each["bytes"])
    assert 2_000_000 < keeps["bytes"] < 2_300_000


@pytest.mark.parametrize(("size_bytes", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (5000 << 30, "5000.0 GiB")])
def test_a_size_is_told_in_its_largest_unit(size_bytes, text):
    assert text == format_size(size_bytes, is_whole=True)
