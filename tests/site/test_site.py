"""A whole site loaded as the daemon loads it: what only shows with real handlers and patterns, and that no text is too odd."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from wsrouter.config.problems import Problems
from wsrouter.site.site import Site, load_site

ROOT = Path(__file__).parents[2]

PIECES = ["\t", "\0", "\x1b", "\x85", "\u2028", "\ufeff", "{", "}", "[", "]", ":", ": ", "- ", "*a", "&a ", "!!x ", '"', "'", "|\n", "---\n", "\n", "  ", "#", "%",
          "<<: ", "?", "~", "null", "{now", "{n:int}", "/", "${HOME}", "${", "-1", "0s", "1e999", "99999999999999999999", "é", "💥", "\ud800", "a" * 300, "[" * 80]  # fmt: skip


def load(path: Path) -> tuple[Site | None, list[str]]:
    problems = Problems()
    site = load_site(path, os.environ, problems)
    return site, [str(problem).removeprefix(f"{path}:") for problem in problems]


def load_text(folder: Path, routes: str, plugins: dict[str, str] | None = None) -> tuple[Site | None, list[str]]:
    for name, text in (plugins or {}).items():
        (folder / "plugins").mkdir(exist_ok=True)
        (folder / "plugins" / name).write_text(text, "utf-8")
    (folder / "site.yaml").write_text(f"routes:\n{routes}", "utf-8")
    return load(folder / "site.yaml")


def test_the_shipped_site_is_right() -> None:
    site, lines = load(ROOT / "config" / "site.yaml")

    assert lines == []
    assert site is not None
    assert [route.entry.pattern for route in site.routes] == ["/echo", "/clock", "/room/{room}", "/shout/{room}", "/hello", "/prices", "/conversation"]


def test_two_patterns_that_tie_name_both_places(tmp_path: Path) -> None:
    site, lines = load_text(tmp_path, "  /a/{x}: echo\n  /a/{y}: echo\n")

    assert site is None
    assert lines == [f"3:3: /a/{{y}} and /a/{{x}} ({tmp_path}/site.yaml:2:3) match the same paths and neither is more exact; change or remove one of them"]


def test_what_is_wrong_between_routes_is_told_beside_what_is_wrong_within_them(tmp_path: Path) -> None:
    site, lines = load_text(tmp_path, "  /a/{x}: echo\n  /a/{y}: echo\n  /b: ecko\n  c: echo\n")

    assert site is None
    assert ["3:3", "4:7", "5:3"] == [line.partition(": ")[0] for line in lines]
    assert "match the same paths" in lines[0]


def test_one_of_several_handlers_that_is_not_in_its_file_is_a_problem_of_the_site(tmp_path: Path) -> None:
    _, lines = load_text(tmp_path, "  /a: talk:tlak\n", {"talk.py": "async def talk(websocket): ...\n"})

    assert [f"2:7: there is no 'tlak' in {tmp_path}/plugins/talk.py; it has: talk:talk"] == lines


def test_a_method_that_is_named_like_a_hook_and_is_none_is_a_warning(tmp_path: Path) -> None:
    plugin = "from wsrouter import Handler\nclass Loud(Handler[str]):\n    def on_mesage(self, connection, message): return message\n"

    site, lines = load_text(tmp_path, "  /a: loud\n  /b: loud\n", {"loud.py": plugin})

    assert site is not None
    assert [
        "2:7: warning: loud: wsrouter never calls on_mesage; did you mean on_message? hooks are start, adopt, on_handshake, on_open, on_message, on_close, stop; begin the name of what is your own with _"
    ] == lines


def test_a_constructor_that_takes_something_is_a_problem_with_its_cure(tmp_path: Path) -> None:
    plugin = "from wsrouter import Handler\nclass Loud(Handler[str]):\n    def __init__(self, greeting): self.greeting = greeting\n"

    site, lines = load_text(tmp_path, "  /a: loud\n", {"loud.py": plugin})

    assert site is None
    assert len(lines) == 1
    assert lines[0].startswith("2:7: loud: checking the options of 'loud' raised TypeError: ")
    assert lines[0].endswith("; delete its __init__: options are annotated fields, and the rest begins in start(self, context)")


def test_a_coroutine_that_does_not_stand_last_is_a_problem(tmp_path: Path) -> None:
    site, lines = load_text(tmp_path, "  /a: [talk, echo]\n", {"talk.py": "async def talk(websocket): ...\n"})

    assert site is None
    assert lines == ["2:8: talk is a coroutine and must stand last; echo after it would never get a message"]


def test_a_step_after_one_that_returns_nothing_is_a_warning(tmp_path: Path) -> None:
    site, lines = load_text(tmp_path, "  /a: [broadcast, echo]\n")

    assert site is not None
    assert lines == ["2:19: warning: echo never gets a message: broadcast before it returns nothing"]


def test_routes_of_one_topic_must_agree_on_its_history(tmp_path: Path) -> None:
    site, lines = load_text(tmp_path, "  /a: {broadcast: {topic: t, history: 5}}\n  /b: {broadcast: {topic: t}}\n")

    assert site is None
    assert lines == [f"3:8: topic t has other settings here than on /a ({tmp_path}/site.yaml:2:8); give both the same history"]


def test_a_plugin_that_hides_a_built_in_handler_is_a_warning(tmp_path: Path) -> None:
    site, lines = load_text(tmp_path, "  /a: echo\n", {"echo.py": "async def echo(websocket): ...\n"})

    assert site is not None
    assert [line for line in lines if line.startswith("2:7: warning: ")]
    assert "hides the built-in handler 'echo'; rename the file if that is not meant" in lines[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothere\n", "1:1: importing it raised ModuleNotFoundError: No module named 'nothere'"),
        ("\nimport sys\nsys.exit('bye')\n", "3:1: importing it raised SystemExit: bye"),
        ("raise KeyboardInterrupt\n", "1:1: importing it raised KeyboardInterrupt"),
        ("def f(:\n", "1:7: syntax error: invalid syntax"),
        ("x = 1\n", "1:1: has no handler: write async def bad(websocket): … or class Bad(Handler): …"),
        ("async def a(websocket): ...\nasync def b(websocket): ...\n", "1:1: has 2 handlers; write which one is meant: bad:a, bad:b"),
        (
            "import asyncio\nasync def main(): ...\nasyncio.run(main())\n",
            '3:1: starts its own server; delete line 3 or put it under if __name__ == "__main__":',
        ),
    ],
)
def test_a_plugin_file_that_cannot_serve_is_located_in_it_and_at_its_step(tmp_path: Path, text: str, said: str) -> None:
    site, lines = load_text(tmp_path, "  /a: bad\n  /b: echo\n", {"bad.py": text})

    assert site is None
    assert len(lines) == 1
    assert lines[0].endswith(f"plugins/bad.py:{said}")


def mutate(text: str, chance: random.Random) -> str:
    """A site after somebody's cat walked over the keyboard: some pieces put in, cut out, doubled, or moved."""
    for _ in range(chance.randint(1, 4)):
        at, end = sorted((chance.randrange(len(text)), chance.randrange(len(text))))
        end = min(end, at + chance.choice([1, 1, 2, 5, 20, 80]))
        kind = chance.randrange(4)
        piece = chance.choice(PIECES) if kind < 2 else text[at:end] * (2 if kind == 2 else 0)
        text = text[:at] + piece + text[at if kind == 0 else end :]
    return text


@pytest.mark.parametrize("seed", range(10))
def test_a_mutated_site_is_right_or_has_problems_and_never_raises(tmp_path: Path, seed: int) -> None:
    """Fifty of each seed. Each problem names a file, and its line is one of that file."""
    original = (ROOT / "config" / "site.yaml").read_text("utf-8")
    shutil.copytree(ROOT / "plugins", tmp_path / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "config").mkdir()
    path = tmp_path / "config" / "site.yaml"
    chance = random.Random(seed)
    broken = 0
    for _ in range(50):
        text = mutate(original, chance)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        problems = Problems()
        site = load_site(path, os.environ, problems)
        assert (site is None) == bool(problems.errors), text
        broken += site is None
        for problem in problems:
            assert "\n" not in problem.message
            assert problem.place.line >= 1
            assert problem.place.column >= 1
    assert broken >= 10
