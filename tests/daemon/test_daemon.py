"""A site running as a process: its listeners, its one line about them, how it stops, and what handlers cannot keep it from."""

from __future__ import annotations

import signal
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.bare import upgrade
from support.client import connect
from support.daemon import SHORT_EXIT, Daemon, start_process
from support.waiting import until
from support.wire import TEXT, masked

ECHO = "routes: {/echo: echo}"
FLOODS = "from wsrouter import Handler\n\nclass Floods(Handler):\n    def on_message(self, connection, message):\n        connection.send(bytes(1 << 24))\n"


def try_it(daemon: Daemon, folder: Path, *more: str) -> str:
    """Runs the command of the `listening` line as a newcomer would, in a shell; what it prints."""
    command = str(daemon.wait_for("listening")["try"])
    assert command.startswith("wsrouter connect ")
    arguments = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {command.removeprefix('wsrouter ')}"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    process = start_process([*arguments, *more], folder, {})
    out, err = process.communicate(timeout=15)
    assert process.returncode == 0, err.decode()
    return out.decode()


def test_several_listeners_serve_and_one_line_names_them(daemon, tmp_path: Path) -> None:
    args = ["--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--listen", f"unix:{tmp_path}/ws.sock"]
    running = daemon(ECHO, args=args)

    line = running.wait_for("listening")
    assert len(running.find_records("listening")) == 1
    assert [address.partition("0.0.1:")[0].partition(":1]:")[0] for address in line["addresses"]] == ["ws://127.", "ws://[:", f"ws+unix:{tmp_path}/ws.sock"]
    assert line.keys() >= {"routes", "connections", "open_files", "site", "version", "python", "loop"}
    for url in line["addresses"][:2]:
        with connect(f"{url}/echo") as client:
            client.send("hello")
            assert client.recv() == "hello"
    assert try_it(running, tmp_path, "-x", "hello", "-w", "0.2").endswith(" hello\n")


@pytest.mark.parametrize("site", ["routes: {'/numbers/{n:int}/{rest:path}': echo}", "routes: {'/with space/é': echo}\nserver: {hosts: [localhost]}"])
def test_the_command_to_try_works_whatever_the_route(daemon, tmp_path: Path, site: str) -> None:
    assert try_it(daemon(site), tmp_path, "-x", "hello", "-w", "0.2").endswith(" hello\n")


def test_the_command_to_try_works_on_a_unix_socket(daemon, tmp_path: Path) -> None:
    running = daemon(ECHO, args=["--listen", f"unix:{tmp_path}/w s.sock"])

    assert try_it(running, tmp_path, "-x", "hello", "-w", "0.2").endswith(" hello\n")


def test_what_a_plugin_prints_is_on_stdout_at_once(daemon) -> None:
    running = daemon(
        "routes: {/hello: hello}",
        plugins={"hello.py": "print('imported')\n\nasync def hello(websocket):\n    print(await websocket.recv())\n    await websocket.recv()\n"},
    )

    with connect(running.url("/hello")) as client:
        client.send("bonjour")
        running.wait_for_output("bonjour")
    assert running.output == ["imported", "bonjour"]


def test_a_port_in_use_is_one_line_and_1(daemon, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = daemon(ECHO, args=["--listen", f"127.0.0.1:{port}"], listening=False)

        assert running.wait() == 1
    assert (running.stray, running.records) == (
        [f"cannot listen on 127.0.0.1:{port}: another process listens on it; stop that, or take another port (--listen, server.listen)"],
        [],
    )


def test_a_handler_that_refuses_to_start_is_one_line_and_1_and_those_before_it_are_stopped(daemon) -> None:
    plugins = {
        "first.py": "from wsrouter import Handler\n\nclass First(Handler):\n    def stop(self):\n        print('stopped')\n",
        "picky.py": "from wsrouter import Handler, HandlerError\n\nclass Picky(Handler):\n    async def start(self, context):\n        raise HandlerError('no key given')\n",
    }
    running = daemon("routes:\n  /first: first\n  /picky: picky\n", plugins=plugins, listening=False)

    assert running.wait() == 1
    assert running.stray == ["site.yaml:3:11: picky refused to start: no key given"]
    assert running.output == ["stopped"]


def test_a_handler_that_fails_to_start_shows_its_traceback_in_a_record(daemon) -> None:
    plugins = {"broken.py": "from wsrouter import Handler\n\nclass Broken(Handler):\n    def start(self, context):\n        raise SystemExit(7)\n"}
    running = daemon("routes: {/broken: broken}", plugins=plugins, listening=False)

    assert running.wait() == 1
    assert running.stray == ["site.yaml:1:19: broken refused to start: SystemExit: 7"]
    assert [(record["hook"], record["handler"]) for record in running.find_records("handler.failed")] == [("start", "broken")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_clients_with_1001_and_ends_with_0(daemon, number: int) -> None:
    running = daemon(ECHO)
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(running.url("/echo"))) for _ in range(5)]
        running.wait_for("connection.opened", count=5)
        running.send_signal(number)
        for client in clients:
            with pytest.raises(ConnectionClosed) as error:
                client.recv(timeout=5)
            assert error.value.rcvd.code == 1001

        assert running.wait() == 0
    assert [record["event"] for record in running.records if not record["event"].startswith("connection.")] == ["listening", "stopping", "stopped"]


def test_while_stopping_it_still_accepts_for_the_delay_and_then_refuses(daemon) -> None:
    """A client that leaves during the delay must not make the end come sooner for the one that stays."""
    running = daemon(f"{ECHO}\nserver: {{shutdown: {{delay: 1s, timeout: 10s}}}}")
    url = running.url("/echo")
    running.send_signal(signal.SIGTERM)
    running.wait_for("stopping")
    with connect(url):
        pass
    running.wait_for("connection.closed", cause="client_close")
    with connect(url) as client:
        with pytest.raises(ConnectionClosed) as error:
            client.recv(timeout=5)
        with pytest.raises((OSError, InvalidStatus)):
            connect(url)

    assert error.value.rcvd.code == 1001
    assert running.wait() == 0
    assert not running.find_records("drain.cut_off")


def test_the_closing_of_a_few_connections_does_not_take_the_whole_spread(daemon) -> None:
    running = daemon(f"{ECHO}\nserver: {{shutdown: {{spread: 60s, timeout: 90s}}}}")
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connect(running.url("/echo")))
        running.wait_for("connection.opened", count=5)

        assert running.stop(within=5) == 0


def test_a_client_that_takes_nothing_is_cut_off_at_the_timeout(daemon) -> None:
    running = daemon("routes: {/floods: floods}\nserver: {shutdown: {timeout: 500ms}}", plugins={"floods.py": FLOODS})
    with upgrade(running.url("/floods"), receive_buffer_bytes=4096) as one:
        one.sendall(masked(TEXT, b"go"))
        running.wait_for("connection.opened")
        running.send_signal(signal.SIGTERM)

        assert running.wait(within=4) == 0
    assert running.find_records("drain.cut_off", connections=1)
    assert running.find_records("connection.closed", cause="shutdown", code=1001)


def test_for_development_it_stops_at_once_and_admits_pages_from_files(daemon) -> None:
    running = daemon(f"{ECHO}\nlog: {{format: json}}\nserver: {{shutdown: {{delay: 60s, timeout: 90s}}}}", args=["--dev"])
    for origin in ("null", "file://", "http://localhost:3000", "http://127.0.0.1:5500"):
        with connect(running.url("/echo"), origin=origin) as client:
            client.send("hello")
            assert client.recv() == "hello"
    with pytest.raises(InvalidStatus):
        connect(running.url("/echo"), origin="https://evil.example")

    assert running.stop(within=3) == 0


def test_for_development_the_log_is_for_people(daemon) -> None:
    running = daemon(ECHO, args=["--dev"], listening=False)
    line = until(lambda: next((line for line in list(running.stray) if "listening" in line), None), within=10)

    assert " info    listening          addresses=" in line
    assert running.stop() == 0


def test_sys_exit_in_a_task_that_a_plugin_made_by_itself_is_recorded_and_not_the_end(daemon) -> None:
    own = "import asyncio, sys\n\nasync def leave():\n    sys.exit('mine')\n\nasync def own(websocket):\n    task = asyncio.create_task(leave())\n    await websocket.recv()\n"
    running = daemon("routes: {/own: own, /echo: echo}", plugins={"own.py": own})
    with connect(running.url("/echo")) as client, connect(running.url("/own")):
        failure = running.wait_for("task.exited")
        client.send("still there")
        assert client.recv() == "still there"

    assert failure["error"] == "SystemExit: mine"
    assert failure["at"].endswith("plugins/own.py:4")
    assert running.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_of_other_meanings_do_not_end_it(daemon, number: int) -> None:
    running = daemon(ECHO)
    running.send_signal(number)
    with connect(running.url("/echo")) as client:
        client.send("still there")
        assert client.recv() == "still there"


def test_a_signal_ends_a_handler_that_is_still_starting(daemon) -> None:
    plugins = {
        "slow.py": "import asyncio\nfrom wsrouter import Handler\n\nclass Slow(Handler):\n    async def start(self, context):\n        print('starting')\n        await asyncio.sleep(3600)\n"
    }
    running = daemon("routes: {/slow: slow}", plugins=plugins, listening=False)
    running.wait_for_output("starting", within=10)
    running.send_signal(signal.SIGTERM)

    assert running.wait(within=3) == 0


def test_a_second_signal_does_not_wait_for_a_handlers_stop(daemon) -> None:
    plugins = {
        "sticky.py": "import asyncio\nfrom wsrouter import Handler\n\nclass Sticky(Handler):\n    async def stop(self):\n        print('stopping')\n        await asyncio.sleep(3600)\n"
    }
    running = daemon("routes: {/sticky: sticky}", plugins=plugins)
    running.send_signal(signal.SIGTERM)
    running.wait_for_output("stopping")
    running.send_signal(signal.SIGTERM)

    assert running.wait(within=2) == 0


def test_a_thread_of_a_plugin_that_never_ends_does_not_keep_the_process(daemon) -> None:
    plugins = {
        "threads.py": f"import threading\nfrom wsrouter import Handler\n{SHORT_EXIT}\nclass Threads(Handler):\n    def start(self, context):\n"
        "        threading.Thread(target=threading.Event().wait, name='endless').start()\n"
    }
    running = daemon("routes: {/threads: threads}", plugins=plugins)

    assert running.stop(within=6) == 0
    assert running.find_records("stop.forced", threads=["endless"])


def test_a_stale_unix_socket_is_taken_over_and_removed_at_the_end(daemon, tmp_path: Path) -> None:
    path = tmp_path / "ws.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    running = daemon(ECHO, args=["--listen", f"unix:{path}"])

    assert path.is_socket()
    assert running.stop() == 0
    assert not path.exists()
