"""Reloads of the real daemon: by signal and by saving files, under load, and with every mistake that a file can hold."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from support.client import connect
from support.daemon import SHORT_EXIT, Daemon, start_process
from support.mutations import MUTATIONS, restore
from support.waiting import until

SAY = "async def say(websocket, *, word: str = 'old'):\n    async for message in websocket:\n        await websocket.send(word)\n"
SITE = "routes: {/say: say, /echo: echo}\n"


def reload(daemon: Daemon) -> dict[str, object]:
    """By SIGHUP; what became of it."""
    before = outcomes(daemon)
    daemon.send_signal(signal.SIGHUP)
    until(lambda: outcomes(daemon) > before)
    return next(record for record in reversed(list(daemon.records)) if record["event"] in ("reload.done", "reload.failed"))


def outcomes(daemon: Daemon) -> int:
    return len(daemon.find_records("reload.done")) + len(daemon.find_records("reload.failed"))


def ask(client: ClientConnection, message: str = "?") -> str:
    client.send(message)
    return str(client.recv(timeout=5))


def test_sighup_reloads_and_the_record_counts(daemon, tmp_path: Path) -> None:
    running = daemon(SITE, plugins={"say.py": SAY})
    with connect(running.url("/echo")) as client, connect(running.url("/say")) as old:
        (tmp_path / "site.yaml").write_text("routes: {/echo: echo, /say: {say: {word: new}}, /more: echo}\n")
        record = reload(running)
        assert "routes: 1 changed, 1 added, 0 removed, 1 unchanged; connections: 2 kept, 0 draining" == record["summary"]
        assert {"changed": 1, "added": 1, "kept": 2, "level": "info"}.items() <= record.items()
        assert "x" == ask(client, "x")
        with connect(running.url("/say")) as new:
            assert ("old", "new") == (ask(old), ask(new))


def test_a_problem_is_logged_once_with_file_and_line_and_the_old_code_goes_on(daemon, tmp_path: Path) -> None:
    running = daemon(SITE, plugins={"say.py": SAY})
    with connect(running.url("/say")) as client:
        (tmp_path / "plugins" / "say.py").write_text("\n\nimport sys; sys.exit(1)\n")
        record = reload(running)
        assert ("reload.failed", "error") == (record["event"], record["level"])
        assert "not reloaded: 1 problem; what was loaded before goes on serving" == record["summary"]
        problems = running.find_records("reload.problem")
        assert ["plugins/say.py:3:13: importing it raised SystemExit: 1"] == [problem["problem"] for problem in problems]
        assert "old" == ask(client)


@pytest.fixture
def watched(daemon) -> Iterator[Daemon]:
    return daemon(
        "plugins: {watch: true}\n" + SITE, plugins={"say.py": "from helpers import WORD\n" + SAY.replace("'old'", "WORD"), "helpers.py": "WORD = 'old'\n"}
    )


def answer_of(daemon: Daemon) -> str:
    with connect(daemon.url("/say")) as client:
        return ask(client)


@pytest.mark.parametrize("name", ["say.py", "helpers.py"])
def test_saving_a_plugin_or_what_it_imports_reloads_within_a_second(watched: Daemon, tmp_path: Path, name: str) -> None:
    path = tmp_path / "plugins" / name
    with connect(watched.url("/echo")) as client:
        path.write_text(path.read_text().replace("WORD)", "WORD + '!')") if name == "say.py" else "WORD = 'old!'\n")
        saved = time.monotonic()
        record = watched.wait_for("reload.done")
        assert time.monotonic() - saved < 1.0
        assert "routes: 1 changed, 0 added, 0 removed, 1 unchanged; connections: 1 kept, 0 draining" == record["summary"]
        assert "x" == ask(client, "x")


def test_saving_a_site_or_an_include_reloads_and_a_mistake_is_told_once(watched: Daemon, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(f"include: more/*.yaml\n{site.read_text()}")
    watched.wait_for("reload.done")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "one.yaml").write_text("routes: {/one: echo}\n")
    watched.wait_for("reload.done", added=1)
    (tmp_path / "more" / "one.yaml").write_text("routes: {/one: [\n")
    watched.wait_for("reload.failed")
    assert "old" == answer_of(watched)
    with connect(watched.url("/one")) as client:
        assert "x" == ask(client, "x")
    (tmp_path / "more" / "one.yaml").unlink()
    watched.wait_for("reload.done", removed=1)
    assert 1 == len(watched.find_records("reload.failed"))


def test_mending_a_file_that_only_the_site_that_failed_includes_reloads(watched: Daemon, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "one.yaml").write_text("routes: {/one: ecko}\n")
    site.write_text(f"include: extra/*.yaml\n{site.read_text()}")
    watched.wait_for("reload.failed")
    (tmp_path / "extra" / "one.yaml").write_text("routes: {/one: echo}\n")
    watched.wait_for("reload.done", added=1)
    assert 1 == len(watched.find_records("reload.failed"))


def test_a_plugin_folder_that_vanishes_and_comes_back_loses_nobody(watched: Daemon, tmp_path: Path) -> None:
    with connect(watched.url("/say")) as client:
        (tmp_path / "plugins").rename(tmp_path / "away")
        watched.wait_for("reload.failed")
        assert "old" == ask(client)
        (tmp_path / "away").rename(tmp_path / "plugins")
        assert str(watched.wait_for("reload.done")["summary"]).startswith("routes: 0 changed, 0 added, 0 removed, 2 unchanged")
        assert "old" == ask(client)


def test_watching_can_be_turned_on_and_off_by_a_reload(daemon, tmp_path: Path) -> None:
    running = daemon(SITE, plugins={"say.py": SAY})
    plugin = tmp_path / "plugins" / "say.py"
    plugin.write_text(SAY.replace("old", "one"))
    (tmp_path / "site.yaml").write_text("plugins: {watch: true}\n" + SITE)
    reload(running)
    plugin.write_text(SAY.replace("old", "two"))
    running.wait_for("reload.done", count=2)
    assert "two" == answer_of(running)
    (tmp_path / "site.yaml").write_text(SITE)
    running.wait_for("reload.done", count=3)
    plugin.write_text(SAY.replace("old", "three"))
    time.sleep(0.8)
    assert "two" == answer_of(running)


def pretty_url(daemon: Daemon) -> str:
    """Where it listens, from the log that --dev writes for people."""
    found = until(lambda: re.search(r"ws://127\.0\.0\.1:\d+", " ".join(list(daemon.stray))), within=10)
    return str(found[0])


def test_dev_watches_also_where_the_site_does_not_say_so(daemon, tmp_path: Path) -> None:
    running = daemon(SITE, plugins={"say.py": SAY}, args=["--dev"], listening=False)
    url = pretty_url(running)
    (tmp_path / "plugins" / "say.py").write_text(SAY.replace("old", "new"))

    def answer() -> str:
        with connect(f"{url}/say") as client:
            return ask(client)

    until(lambda: answer() == "new", within=2)


def test_a_single_plugin_without_yaml_is_watched_with_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "say.py").write_text("from helpers import WORD\n" + SAY.replace("'old'", "WORD"))
    (tmp_path / "helpers.py").write_text("WORD = 'old'\n")
    running = Daemon(start_process(["run", "say.py", "--listen", "127.0.0.1:0", "--dev"], tmp_path, {}))
    try:
        url = pretty_url(running)
        (tmp_path / "helpers.py").write_text("WORD = 'new'\n")

        def answer() -> str:
            with connect(f"{url}/say") as client:
                return ask(client)

        until(lambda: answer() == "new", within=2)
    finally:
        assert 0 == running.stop()
        running.kill()


def test_sigterm_during_a_reload_stops_gently(daemon, tmp_path: Path) -> None:
    running = daemon(SITE, plugins={"say.py": SAY})
    slow = (
        "import asyncio\nfrom pathlib import Path\nfrom wsrouter import Handler\n\nclass Slow(Handler):\n    async def start(self, context):\n"
        "        Path(__file__).with_name('started').touch()\n        await asyncio.sleep(60)\n"
    )
    with connect(running.url("/echo")) as client:
        (tmp_path / "plugins" / "slow.py").write_text(slow)
        (tmp_path / "site.yaml").write_text("routes: {/say: say, /echo: echo, /slow: slow}\n")
        running.send_signal(signal.SIGHUP)
        until((tmp_path / "plugins" / "started").exists)
        running.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert (1001, "shutdown") == (closed.value.rcvd.code, closed.value.rcvd.reason)
    assert 0 == running.wait(within=5)
    assert [] == running.find_records("stop.forced")


def test_sigterm_during_a_reload_whose_start_ignores_its_cancelling_stops_too(daemon, tmp_path: Path) -> None:
    running = daemon("server: {shutdown: {timeout: 1s}}\n" + SITE, plugins={"say.py": SAY})
    stubborn = (
        f"import asyncio\nfrom pathlib import Path\nfrom wsrouter import Handler\n{SHORT_EXIT}\nclass Slow(Handler):\n    async def start(self, context):\n"
        "        Path(__file__).with_name('started').touch()\n        while True:\n            try:\n                await asyncio.sleep(60)\n"
        "            except BaseException:\n                pass\n"
    )
    (tmp_path / "plugins" / "slow.py").write_text(stubborn)
    (tmp_path / "site.yaml").write_text("routes: {/say: say, /echo: echo, /slow: slow}\n")
    running.send_signal(signal.SIGHUP)
    until((tmp_path / "plugins" / "started").exists)
    running.send_signal(signal.SIGTERM)
    assert 0 == running.wait(within=8)


def test_sighup_during_a_drain_reloads_and_the_drain_goes_on(daemon, tmp_path: Path) -> None:
    site = "routes: {/say: {say: {word: WORD}, on_change: {drain: 1500ms}}, /echo: echo}\n"
    running = daemon(site.replace("WORD", "old"), plugins={"say.py": SAY})
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(running.url("/say"))) for _ in range(4)]
        (tmp_path / "site.yaml").write_text(site.replace("WORD", "new"))
        assert str(reload(running)["summary"]).endswith("0 kept, 4 draining")
        assert reload(running)["event"] == "reload.done"
        for client in clients:
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=5)
            assert closed.value.rcvd is not None
            assert 1012 == closed.value.rcvd.code
    running.wait_for("connection.closed", count=4, cause="route_changed")


class Ticks(threading.Thread):
    """A client that reads a ticker until it is told to stop."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.numbers: list[int] = []
        self.error: Exception | None = None
        self._client = connect(url)
        self._done = threading.Event()

    def run(self) -> None:
        try:
            while not self._done.is_set():
                self.numbers.append(int(self._client.recv(timeout=5)))
        except Exception as error:
            self.error = error

    def finish(self) -> list[int]:
        self._done.set()
        self.join(10)
        self._client.close()
        assert self.error is None
        return self.numbers


def test_a_room_is_reloaded_again_and_again_and_the_tickers_clients_see_nothing(daemon, tmp_path: Path) -> None:
    """The form of loadtest/reload.py that is quick: figures there, gaps and duplicates here."""
    plugin = "from wsrouter import Handler\n\nclass Tag(Handler):\n    version: int = 0\n"
    site = """
plugins: {watch: true}
routes:
  /tick: {periodic: {every: 20ms, message: "{n}"}}
  /room: {steps: [tag, {broadcast: {topic: room, history: 5}}]}
  /say: {broadcast: {topic: room, history: 5}}
"""
    running = daemon(site, plugins={"tag.py": plugin})
    with ExitStack() as stack:
        tickers = [Ticks(running.url("/tick")) for _ in range(5)]
        for ticker in tickers:
            ticker.start()
        say = stack.enter_context(connect(running.url("/say")))
        members = [stack.enter_context(connect(running.url("/room")))]
        for number in range(1, 7):
            assert str(number) == ask(say, str(number))
            (tmp_path / "plugins" / "tag.py").write_text(f"{plugin}# {number}\n")
            running.wait_for("reload.done", count=number)
            members.append(stack.enter_context(connect(running.url("/room"))))
        for number, member in enumerate(members):
            heard = list(range(max(1, number - 4), number + 1))
            kept = [int(member.recv(timeout=5)) for _ in heard]
            assert heard == kept  # the history, whole and in order, whichever generation it joined
        for ticker in tickers:
            numbers = ticker.finish()
            assert list(range(numbers[0], numbers[0] + len(numbers))) == numbers
            assert len(numbers) > 20
    changed = running.find_records("connection.closed", cause="route_changed")
    assert {"/room"} == {record["route"] for record in changed}


@pytest.mark.parametrize("name", ["half a file", "sys.exit()", "a start that exits", "100 MiB", "all of them are gone"])
def test_a_mutation_that_is_saved_where_the_daemon_watches_ends_nobody(daemon, tmp_path: Path, name: str) -> None:
    """One by one and all of them, without a process: test_mutations.py."""
    plugins = tmp_path / "plugins"
    restore(plugins)
    running = daemon("plugins: {watch: true}\nroutes: {/loud: loud, /echo: echo}\n")
    with connect(running.url("/echo")) as echo, connect(running.url("/loud")) as loud:
        MUTATIONS[name](plugins)
        running.wait_for("reload.failed")
        assert ("x", "x!") == (ask(echo, "x"), ask(loud, "x"))
        restore(plugins)
        running.wait_for("reload.done")
        assert ("x", "x!") == (ask(echo, "x"), ask(loud, "x"))
    running.wait_for("connection.closed", count=2)
    assert {"client_close"} == {record["cause"] for record in running.find_records("connection.closed")}
