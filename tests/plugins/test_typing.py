"""The examples of plugins pass `mypy --strict` in a plugin author's own project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EXAMPLES = {
    "hello.py": """\
from websockets.asyncio.server import ServerConnection


async def hello(websocket: ServerConnection, *, greeting: str = "Message bien reçu") -> None:
    message = await websocket.recv()
    print(message)
    await websocket.send(greeting)
""",
    "shout.py": """\
from wsrouter import Connection, Handler

class Shout(Handler[str]):
    \"\"\"Upper-case every message.\"\"\"

    suffix: str = "!"

    def on_message(self, connection: Connection, message: str) -> str:
        return message.upper() + self.suffix
""",
    "prices.py": """\
from collections.abc import AsyncIterator

from wsrouter import Context


async def fetch() -> float:
    return 1.0


async def prices(context: Context, *, every: float = 1.0) -> AsyncIterator[dict[str, float]]:
    while True:
        yield {"price": await fetch()}
        await context.clock.sleep(every)
""",
    "more.py": """\
from typing import Annotated, assert_type

from wsrouter import Cause, Connection, Context, Duration, Handler, Message, Option, Reply, Size, Template


class Both(Handler):
    every: Annotated[Duration, Option(gt=0, description="The time between two.")]
    most: Size = 1024
    text: Template = Template("hello {user}")

    async def start(self, context: Context) -> None:
        assert_type(self.every, float)
        context.publish("news", {"a": 1})

    async def on_open(self, connection: Connection) -> None:
        connection.send("hi")

    async def on_message(self, connection: Connection, message: Message) -> Reply:
        return [message]

    def on_close(self, connection: Connection, cause: Cause) -> None:
        if cause is Cause.TOO_BIG:
            print(cause)


class Binary(Handler[bytes]):
    def on_message(self, connection: Connection, message: bytes) -> bytes:
        return message


Both(every=1.0)
""",
}


def run_mypy(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """mypy as an outsider runs it: from the plugin's folder, wsrouter found on the path."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={folder / '.cache'}", *arguments]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, so that mypy reads wsrouter once."""
    made = tmp_path_factory.mktemp("author")
    for name, text in EXAMPLES.items():
        (made / name).write_text(text)
    return made


def test_the_examples_pass_mypy_strict(folder: Path) -> None:
    done = run_mypy(folder, *EXAMPLES)
    assert ("", "Success: no issues found in 4 source files\n") == (done.stderr, done.stdout)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("class Shout(Handler[str]):\n    def on_message(self, connection: Connection, message: bytes) -> str:\n        return ''\n", "[override]"),
        ("class Shout(Handler[str]):\n    suffix: str = '!'\nShout(sufix='?')\n", "[call-arg]"),
        ("class Shout(Handler[str]):\n    suffix: str\nShout()\n", "[call-arg]"),
        ("class Shout(Handler[str]):\n    suffix: str = '!'\nShout(suffix=1)\n", "[arg-type]"),
        ("class Shout(Handler[int]): ...\n", "[type-var]"),
    ],
)
def test_mistakes_are_found(folder: Path, source: str, complaint: str) -> None:
    (folder / "wrong.py").write_text(f"from wsrouter import Connection, Handler\n\n{source}")
    done = run_mypy(folder, "wrong.py")
    assert 1 == done.returncode
    assert complaint in done.stdout


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "wsrouter" / "py.typed").is_file()
