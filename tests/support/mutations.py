"""Edits of a plugin file: realistic ones and nasty ones. Each is a function of the folder of plugins; what it leaves behind is mended by `restore`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

GOOD = """
from wsrouter import Handler

from helpers import decorate

class Loud(Handler[str]):
    version: int = 0

    def on_message(self, connection, message):
        return decorate(message)
"""
HELPERS = "def decorate(text):\n    return text + '!'\n"


def restore(plugins: Path) -> None:
    """Puts back what every edit begins with."""
    shutil.rmtree(plugins, ignore_errors=True)
    plugins.mkdir()
    (plugins / "loud.py").write_text(GOOD, "utf-8")
    (plugins / "helpers.py").write_text(HELPERS, "utf-8")


def _write(text: str | bytes, name: str = "loud.py") -> Callable[[Path], object]:
    return lambda plugins: (plugins / name).write_bytes(text.encode() if isinstance(text, str) else text)


def _after(text: str) -> Callable[[Path], object]:
    return _write(GOOD + text)


def _link(target: str) -> Callable[[Path], object]:
    def link(plugins: Path) -> None:
        (plugins / "loud.py").unlink()
        (plugins / "loud.py").symlink_to(target)

    return link


def _folder(plugins: Path) -> None:
    (plugins / "loud.py").unlink()
    (plugins / "loud.py").mkdir()


def _grow(plugins: Path) -> None:
    with (plugins / "loud.py").open("r+b") as file:
        file.truncate(100 << 20)


MUTATIONS: dict[str, Callable[[Path], object]] = {
    "a comment": _after("# edited\n"),
    "another answer": _write(GOOD.replace("decorate(message)", "decorate(message) + '?'")),
    "another helper": _write("def decorate(text):\n    return text + '?'\n", "helpers.py"),
    "half a file": _write(GOOD[: len(GOOD) // 2]),
    "an empty file": _write(""),
    "a syntax error": _after("def broken(:\n"),
    "a syntax error in the helper": _write("def (\n", "helpers.py"),
    "tabs and spaces": _after("if True:\n\tx = 1\n        y = 2\n"),
    "no UTF-8": _write(b"\xff\xfe\x00 loud"),
    "NUL bytes": _write(GOOD.encode() + b"\0" * 4096),
    "an import that is not there": _write("import no_such_module_anywhere\n" + GOOD),
    "an import of itself and the helper of it": _write("import loud\n" + HELPERS, "helpers.py"),
    "an exception": _after("raise RuntimeError('at import')\n"),
    "sys.exit()": _after("import sys\nsys.exit(1)\n"),
    "os._exit() in a function that nobody calls": _after("import os\n\ndef leave():\n    os._exit(1)\n"),
    "endless recursion": _after("def deeper():\n    return deeper()\n\ndeeper()\n"),
    "deep nesting": _after("x = " + "(" * 500 + ")" * 500 + "\n"),
    "a server at import": _after("import asyncio, websockets\n\nasyncio.run(websockets.serve(None, '', 1))\n"),
    "no handler": _write("x = 1\n"),
    "another class": _write(GOOD.replace("Loud", "Quiet")),
    "two handlers": _after("\nclass Other(Handler):\n    pass\n"),
    "an option that is missing": _write(GOOD.replace("version: int = 0", "version: int = 0\n    word: str")),
    "an option of a bad type": _write(GOOD.replace("version: int = 0", "version: nonsense = 0")),
    "a constructor of its own": _write(GOOD.replace("    def on_message", "    def __init__(self):\n        pass\n\n    def on_message")),
    "a check that exits": _write(GOOD.replace("    def on_message", "    def check(self):\n        raise SystemExit\n\n    def on_message")),
    "a start that fails": _write(GOOD.replace("    def on_message", "    def start(self, context):\n        1 / 0\n\n    def on_message")),
    "a start that exits": _write(GOOD.replace("    def on_message", "    async def start(self, context):\n        raise SystemExit\n\n    def on_message")),
    "an adopt that fails": _write(GOOD.replace("    def on_message", "    def adopt(self, previous):\n        previous.nothing\n\n    def on_message")),
    "hooks that fail": _write(GOOD.replace("return decorate(message)", "raise ValueError(message)")),
    "the name of a built-in handler": lambda plugins: (plugins / "loud.py").rename(plugins / "echo.py"),
    "a package of the same name": lambda plugins: ((plugins / "loud").mkdir(), (plugins / "loud" / "__init__.py").write_text(GOOD)),
    "deleted": lambda plugins: (plugins / "loud.py").unlink(),
    "the helper is deleted": lambda plugins: (plugins / "helpers.py").unlink(),
    "a folder in its place": _folder,
    "a link to nothing": _link("nothing.py"),
    "a link to itself": _link("loud.py"),
    "100 MiB": _grow,
    "a device without an end": _link("/dev/zero"),
    "all of them are gone": shutil.rmtree,
    "a flood of output": _after("print('x' * 100_000)\n"),
    "monkey-patching": _after("import builtins\nbuiltins.wsrouter_was_here = True\n"),
    "a thread that stays": _after("import threading, time\nthreading.Thread(target=time.sleep, args=(3,), daemon=True).start()\n"),
}
