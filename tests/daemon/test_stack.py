"""What a stack tells: the plugin's lines first, and whose they are."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from wsrouter.config.problems import Problems
from wsrouter.daemon.stack import FRAMES, Frame, PluginFiles, Told, plugin_files, take_stack
from wsrouter.handlers import transform
from wsrouter.site.site import load_site

FILES = PluginFiles(("/srv/site/plugins/",), {"/srv/site/plugins/slow.py": "slow:Slow", "/usr/lib/python3/dist-packages/prices/feed.py": "prices.feed:Feed"})
LIBRARY = Frame("/usr/lib/python3.11/selectors.py", 469, "select")
SERVER = Frame("/opt/wsrouter/wire/connection.py", 100, "data_received")


def test_a_plugins_lines_come_innermost_first_without_those_of_the_server():
    stack = [Frame("/srv/site/plugins/slow.py", 12, "load"), Frame("/srv/site/plugins/slow.py", 30, "on_message"), SERVER]
    assert Told("slow:Slow", ["plugins/slow.py:12 in load", "plugins/slow.py:30 in on_message"]) == FILES.tell(stack)


def test_the_library_that_it_is_in_is_told_beside():
    told = FILES.tell([LIBRARY, Frame("/srv/site/plugins/slow.py", 12, "on_message"), SERVER])
    assert Told("slow:Slow", ["plugins/slow.py:12 in on_message"], "python3.11/selectors.py:469 in select") == told


def test_the_handler_is_the_one_that_called_a_file_beside_it():
    told = FILES.tell([Frame("/srv/site/plugins/tools/wait.py", 3, "wait"), Frame("/srv/site/plugins/slow.py", 12, "on_message")])
    assert ("slow:Slow", "plugins/tools/wait.py:3 in wait") == (told.handler, told.lines[0])


def test_a_file_of_a_plugin_folder_that_no_route_names_goes_by_its_own_name():
    assert "helper" == FILES.tell([Frame("/srv/site/plugins/helper.py", 3, "wait")]).handler


def test_a_handler_of_an_import_path_is_a_plugin_too():
    told = FILES.tell([Frame("/usr/lib/python3/dist-packages/prices/feed.py", 7, "on_message"), SERVER])
    assert Told("prices.feed:Feed", ["prices/feed.py:7 in on_message"]) == told


def test_without_a_plugin_the_innermost_lines_of_whatever_it_was_are_told():
    told = FILES.tell([LIBRARY, *[SERVER] * 20])
    assert ("", "python3.11/selectors.py:469 in select", FRAMES) == (told.handler, told.lines[0], len(told.lines))
    assert Told("", []) == FILES.tell([])


def test_a_deep_recursion_of_a_plugin_is_told_in_few_lines():
    assert FRAMES == len(FILES.tell([Frame("/srv/site/plugins/slow.py", 12, "again")] * 1000).lines)


def test_a_folder_beside_a_plugin_folder_is_none():
    assert FILES.find("/srv/site/plugins-old/slow.py") is None


def test_paths_below_the_working_directory_are_the_same_files(monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    assert "plugins/a.py" == PluginFiles((f"{tmp_path}/plugins/",)).find("plugins/a.py")


def test_the_plugins_of_a_site_are_its_folders_the_files_of_its_handlers_and_the_built_in_ones(tmp_path: Path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text("async def mine(websocket): ...\n", "utf-8")
    (tmp_path / "site.yaml").write_text("routes: {/mine: mine, /echo: echo}", "utf-8")
    site = load_site(tmp_path / "site.yaml", os.environ, Problems())
    assert site is not None
    files = plugin_files(site)
    assert {f"{tmp_path}/plugins/mine.py": "mine"} == files.handlers
    assert "plugins/helper.py" == files.find(f"{tmp_path}/plugins/helper.py")
    told = files.tell([LIBRARY, Frame(transform.__file__, 7, "on_message"), SERVER])
    assert ("transform", ["handlers/transform.py:7 in on_message"]) == (told.handler, told.lines)


def test_the_stack_of_a_thread_is_taken_while_it_runs():
    ready, done = threading.Event(), threading.Event()

    def wait_here() -> None:
        ready.set()
        done.wait()

    thread = threading.Thread(target=wait_here)
    thread.start()
    ready.wait()
    stack = take_stack(thread.ident or 0)
    done.set()
    thread.join()
    assert "wait_here" in [frame.function for frame in stack if frame.file == __file__]
    assert [] == take_stack(thread.ident or 0)
