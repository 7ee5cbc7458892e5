"""The files that `init` and `new` write: plugins of each kind with their tests, a site, and the writing itself.

Written files run as they are: the plugin in wsrouter, the test with nothing but pytest, the scenario with `wsrouter test` once
the site has the route.
"""

from __future__ import annotations

import errno
import keyword
from pathlib import Path
from string import Template  # Python's own, with $name: the texts are full of braces
from typing import Final, Literal, get_args

Kind = Literal["class", "coroutine", "source"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)

CLASS = '''\
"""$title: a handler class. Its annotated fields are options."""

from __future__ import annotations

from wsrouter import Connection, Handler


class $class_name(Handler[str]):
    """Answer each text message with itself and a suffix."""

    suffix: str = "!"

    def on_message(self, connection: Connection, message: str) -> str:
        return message + self.suffix
'''

CLASS_TEST = """\
def test_a_message_comes_back_with_the_suffix() -> None:
    handler = $name.$class_name(suffix="?")

    assert handler.on_message(None, "hello") == "hello?"
"""

COROUTINE = '''\
"""$title: a coroutine, as written for the `websockets` library. Keyword-only parameters are options."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection


async def $name(websocket: ServerConnection, *, greeting: str = "Message bien reçu") -> None:
    """Receive one message, print it, answer with the greeting, close."""
    message = await websocket.recv()
    print(message)
    await websocket.send(greeting)  # returning closes the connection
'''

COROUTINE_TEST = '''\
class Client:
    """Stands in for the connection: gives one message, keeps what is sent."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.sent: list[str] = []

    async def recv(self) -> str:
        return self.message

    async def send(self, message: str) -> None:
        self.sent.append(message)


def test_a_message_is_answered_with_the_greeting() -> None:
    client = Client("hello")

    asyncio.run($name.$name(client, greeting="welcome"))

    assert client.sent == ["welcome"]
'''

SOURCE = '''\
"""$title: an async generator is a source: one production for all listeners. Keyword-only parameters are options."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from wsrouter import Context, Duration, Option


async def $name(
    context: Context,
    *,
    every: Annotated[Duration, Option(gt=0, description="The time between two messages.")] = 1.0,
) -> AsyncIterator[dict[str, object]]:
    """Send a number that grows; a dict or list is sent as JSON."""
    number = 0
    while True:
        number += 1
        yield {"number": number}
        await context.clock.sleep(every)
'''

SOURCE_TEST = '''\
class Context:
    """Stands in for the site: its clock does not wait."""

    class clock:
        @staticmethod
        async def sleep(delay_s: float) -> None:
            return


async def first(count: int) -> list[object]:
    found: list[object] = []
    async for message in $name.$name(Context()):
        found.append(message)
        if len(found) == count:
            break
    return found


def test_the_number_grows() -> None:
    assert asyncio.run(first(2)) == [{"number": 1}, {"number": 2}]
'''

SCENARIO_HEAD = """\
# Play it: wsrouter test. It needs the route /$name: $name in the site.
"""

CLASS_SCENARIO = """\
- name: $name answers each message with the suffix
  steps:
    - {open: /$name, send: hello, expect: "hello!"}
    - {send: [one, two], expect: ["one!", "two!"]}
"""

COROUTINE_SCENARIO = """\
- name: $name answers one message with the greeting and closes
  steps:
    - {open: /$name, send: hello, expect: Message bien reçu}
    - {expect_close: 1000}
"""

SOURCE_SCENARIO = """\
- name: $name sends a number that grows, the same to all
  steps:
    - {client: a, open: /$name, expect_json: {number: 1}}
    - {client: b, open: /$name}
    - {advance: 1s}
    - {client: a, expect_json: {number: 2}}
    - {client: b, expect_json: {number: 2}}
"""

SITE_SCENARIOS = """\
# Play them: wsrouter test
- name: what you send to /echo comes back
  steps:
    - {open: /echo, send: hello, expect: hello}

- name: a late joiner gets the history of the room
  steps:
    - {client: alice, open: /room/red}
    - {client: alice, send: hi, expect: hi}
    - {advance: 10s}
    - {client: bob, open: /room/red, expect: hi}
    - {client: bob, send: hello, expect: hello}
    - {client: alice, expect: hello}
"""

TEST_HEAD = '''\
"""$name: run with `pytest`."""

$imports
from pathlib import Path
from types import SimpleNamespace

$name = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent.parent / "plugins" / "$name.py")))


'''

SITE = """\
# yaml-language-server: $$schema=./wsrouter.schema.json
# Run it: wsrouter run --config $file
# Check it: wsrouter check $file

server:
  listen: 127.0.0.1:8765

plugins: plugins             # each file in there is a handler, named as the file
tests: tests/*.yaml          # scenarios: wsrouter test plays them

routes:
  /echo: echo                # a built-in handler
  /hello: hello              # plugins/hello.py
  /room/{room}:              # {room} is any name: each name is a room of its own
    broadcast: {history: 50} # what one member sends, all get; a newcomer gets the last 50 messages
"""

TEXTS: Final[dict[str, tuple[str, str, str, str]]] = {
    "class": (CLASS, CLASS_TEST, CLASS_SCENARIO, "import runpy"),
    "coroutine": (COROUTINE, COROUTINE_TEST, COROUTINE_SCENARIO, "import asyncio\nimport runpy"),
    "source": (SOURCE, SOURCE_TEST, SOURCE_SCENARIO, "import asyncio\nimport runpy"),
}


def plugin_name(text: str) -> str:
    """The name of a plugin: a lower-case Python name, as it is a file's, a function's and a handler's name in the site.

    Raises:
        ValueError: if it is not one; the text says what would be.
    """
    name = text.removesuffix(".py")
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower() or name.startswith("_"):
        raise ValueError(f"{text!r} is not a plugin's name: lower-case letters, digits and _, beginning with a letter, as in daily_report")
    return name


def plugin_files(name: str, kind: str) -> dict[Path, str]:
    """A plugin of a kind, its test and its scenario: paths within the site's folder, to their texts."""
    plugin, test, scenario, imports = TEXTS[kind]
    words = {
        "name": name,
        "class_name": "".join(part.capitalize() for part in name.split("_")),
        "title": name.replace("_", " ").capitalize(),
        "imports": imports,
    }
    return {
        Path("plugins", f"{name}.py"): Template(plugin).substitute(words),
        Path("tests", f"test_{name}.py"): Template(TEST_HEAD + test).substitute(words),
        Path("tests", f"{name}.yaml"): Template(SCENARIO_HEAD + scenario).substitute(words),
    }


def site_files(file: str) -> dict[Path, str]:
    """A first site, to be written to `file`, and the scenarios of its own routes."""
    return {Path(file): Template(SITE).substitute(file=file), Path("tests", "site.yaml"): SITE_SCENARIOS}


def write_new(folder: Path, files: dict[Path, str]) -> list[Path]:
    """Writes files below a folder, which is made if need be; all of them, or none if one is there already.

    Raises:
        FileExistsError: if one is there; `filename` is its path. Nothing was written then.
    """
    targets = {folder / path: text for path, text in files.items()}
    for target in targets:
        if target.exists() or target.is_symlink():
            raise FileExistsError(errno.EEXIST, "exists", str(target))
    for target in targets:
        target.parent.mkdir(parents=True, exist_ok=True)
    for target, text in targets.items():
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    return list(targets)
