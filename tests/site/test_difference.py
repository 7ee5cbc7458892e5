"""What differs between two sites, route by route."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wsrouter.config.problems import Problems
from wsrouter.site.difference import Difference, compare
from wsrouter.site.site import Site, load_site

TWO = "routes:\n  /a: echo\n  /b: {broadcast: {history: 5}}\n"
SHOUT = "from wsrouter import Handler\n\nclass Shout(Handler):\n    suffix: str = '!'\n"


class Folder:
    """Loads one version of a site after the other, as a daemon does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.site: Site | None = None

    def load(self, text: str, **plugins: str) -> Site:
        (self.path / "plugins").mkdir(exist_ok=True)
        (self.path / "site.yaml").write_text(text, "utf-8")
        for name, source in plugins.items():
            (self.path / "plugins" / f"{name}.py").write_text(source, "utf-8")
        problems = Problems()
        self.site = load_site(self.path / "site.yaml", os.environ, problems, self.site)
        assert self.site is not None, list(map(str, problems))
        return self.site

    def change(self, before: str, after: str) -> dict[str, list[str]]:
        first, second = self.load(before), self.load(after)
        return told(compare(first.routes, second.routes))


def told(difference: Difference) -> dict[str, list[str]]:
    """Patterns by what happened to them; what is empty is left out."""
    return {
        name: [route.entry.pattern for route in getattr(difference, name)]
        for name in ("same", "resettled", "changed", "added", "removed")
        if getattr(difference, name)
    }


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    "after",
    [
        TWO,
        "# a comment\n\nroutes:\n    /b:   {broadcast:   {history:   5}}\n\n    /a:  echo   # moved\n",
        "routes:\n  /a: {echo: {}}\n  '/b':\n    steps:\n    - broadcast:\n        history: 5\n",
        "routes: {/a: {handler: echo, options: {}}, /b: {limits: {message_size: 64KiB}, broadcast: {to_sender: true, history: 5}}}\n",
        "defaults: {limits: {message_size: 65536B}}\n" + TWO,
        "x-five: &five 5\nroutes:\n  /a: echo\n  /b: {broadcast: {history: *five}}\n",
        "log: {level: debug}\nserver: {limits: {connections: 10}}\n" + TWO,
    ],
    ids=["nothing", "whitespace, comments and order", "long forms", "defaults written out", "another unit", "an alias", "other sections"],
)
def test_what_is_written_differently_is_the_same(folder: Folder, after: str) -> None:
    assert {"same": ["/a", "/b"]} == {name: sorted(patterns) for name, patterns in folder.change(TWO, after).items()}


def test_the_key_order_of_settings_and_options_is_no_change(folder: Folder) -> None:
    before = "routes:\n  /a: {broadcast: {history: 5, topic: x}, origins: [http://a.example], limits: {message_size: 1KiB, idle: 5s}}\n"
    after = "routes:\n  /a: {limits: {idle: 5s, message_size: 1KiB}, origins: [http://a.example], broadcast: {topic: x, history: 5}}\n"
    assert {"same": ["/a"]} == folder.change(before, after)


@pytest.mark.parametrize(
    "setting",
    ["limits: {idle: 5s}", "outbox: {size: 2MiB}", "keepalive: {ping: 3s}", "origins: ['http://a.example']", "compression: true", "on_change: close"],
)
def test_other_settings_leave_the_handlers_alone(folder: Folder, setting: str) -> None:
    assert {"resettled": ["/a"]} == folder.change("routes: {/a: echo}", f"routes:\n  /a:\n    echo: {{}}\n    {setting}\n")


def test_defaults_resettle_the_routes_that_follow_them(folder: Folder) -> None:
    before = "routes:\n  /a: echo\n  /b: {echo: {}, limits: {idle: 7s}}\n"
    assert {"same": ["/b"], "resettled": ["/a"]} == folder.change(before, "defaults: {limits: {idle: 5s}}\n" + before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("echo", "broadcast"),
        ("{broadcast: {history: 5}}", "{broadcast: {history: 6}}"),
        ("{broadcast: {history: 5}}", "broadcast"),
        ("echo", "[echo, echo]"),
        ("[echo, broadcast]", "[broadcast, echo]"),
        ("{periodic: {every: 1s, message: {n: 1}}}", "{periodic: {every: 1s, message: {n: true}}}"),
        ("{periodic: {every: 1s, message: {n: 1}}}", "{periodic: {every: 1s, message: {n: 1.0}}}"),
        ("{periodic: {every: 1s, message: '1'}}", "{periodic: {every: 1s, message: 1}}"),
    ],
)
def test_other_handlers_or_options_are_a_change(folder: Folder, before: str, after: str) -> None:
    assert {"changed": ["/a"]} == folder.change(f"routes: {{/a: {before}}}", f"routes: {{/a: {after}}}")


def test_routes_come_and_go(folder: Folder) -> None:
    assert {"same": ["/b"], "added": ["/c"], "removed": ["/a"]} == folder.change("routes: {/a: echo, /b: echo}", "routes: {/b: echo, /c: echo}")


def test_a_parameter_of_another_name_is_another_route(folder: Folder) -> None:
    assert {"added": ["/r/{b}"], "removed": ["/r/{a}"]} == folder.change("routes: {'/r/{a}': echo}", "routes: {'/r/{b}': echo}")


def test_an_edited_plugin_changes_the_routes_that_use_it(folder: Folder) -> None:
    text = "routes: {/a: echo, /s: shout, /chain: [echo, shout]}"
    before = folder.load(text, shout=SHOUT)
    assert {"same": ["/a", "/s", "/chain"]} == told(compare(before.routes, folder.load(text, shout=SHOUT).routes))
    assert {"same": ["/a"], "changed": ["/s", "/chain"]} == told(compare(before.routes, folder.load(text, shout=SHOUT + "# edited\n").routes))
