"""Files that start a server when they are imported are recognised without running them."""

from __future__ import annotations

import ast

import pytest

from wsrouter.plugins.server_start import find_server_start

SCHOOL = """\
import asyncio
import websockets


async def hello(websocket):
    await websocket.send("hi")


async def main():
    async with websockets.serve(hello, "localhost", 8765):
        await asyncio.Future()

asyncio.run(main())
"""

OLD_FORM = """\
import asyncio
import websockets

async def hello(websocket, path):
    message = await websocket.recv()
    print(message)
    await websocket.send("Message bien reçu")


start_server = websockets.serve(hello, "localhost", 8765)
loop = asyncio.get_event_loop()
loop.run_until_complete(start_server)
loop.run_forever()
"""


def found(source: str) -> tuple[int, int, str] | None:
    """Line, column and message, or None."""
    start = find_server_start(ast.parse(source))
    return None if start is None else (start.line, start.column, start.message)


def test_the_school_script_is_told_which_lines_to_delete_with_the_main_that_they_call() -> None:
    assert (9, 1, 'starts its own server; delete lines 9-13 or put them under if __name__ == "__main__":') == found(SCHOOL)


def test_the_old_form_is_told_with_the_plain_lines_between() -> None:
    assert (10, 1, 'starts its own server; delete lines 10-13 or put them under if __name__ == "__main__":') == found(OLD_FORM)


def test_a_single_line_is_named_as_one() -> None:
    assert (2, 1, 'starts its own server; delete line 2 or put it under if __name__ == "__main__":') == found("import asyncio\nasyncio.run(f())\n")


def test_lines_apart_are_named_apart() -> None:
    source = "async def main():\n    await serve(hello)\n\nasync def hello(websocket):\n    pass\n\nasyncio.run(main())\n"
    start = find_server_start(ast.parse("from websockets import serve\nimport asyncio\n" + source))
    assert start is not None
    assert ((3, 4), (9, 9)) == start.ranges
    assert "delete lines 3-4 and 9 or put them" in start.message


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio as aio\naio.run(main())",
        "from asyncio import run\nrun(main())",
        "from asyncio import run as go\ngo(main())",
        "import websockets as ws\nserver = ws.serve(h, '', 1)",
        "import websockets.asyncio.server\nwebsockets.asyncio.server.serve(h, '', 1)",
        "from websockets.sync.server import serve\nwith serve(h, '', 1) as server:\n    server.serve_forever()",
        "from websockets.asyncio.server import unix_serve\nunix_serve(h, '/x')",
        "from websockets import *\nserve(h, '', 1)",
        "import asyncio\nasyncio.get_event_loop().run_forever()",
        "import asyncio\ntry:\n    asyncio.run(main())\nexcept KeyboardInterrupt:\n    pass",
        "import asyncio\ndef main():\n    asyncio.run(f())\nmain()",
        "import asyncio\ndef main():\n    asyncio.run(f())\ndef start():\n    main()\nstart()",
        "import asyncio\nif True:\n    asyncio.run(main())",
        "import asyncio\nif __name__ == '__main__':\n    pass\nelse:\n    asyncio.run(main())",
        "from http.server import HTTPServer\nHTTPServer(('', 1), None).serve_forever()",
        "import uvloop\nuvloop.run(main())",
        "import asyncio\nclass A:\n    asyncio.run(main())",
    ],
)
def test_what_runs_a_server_or_a_loop_at_import_is_recognised(source: str) -> None:
    assert found(source) is not None


@pytest.mark.parametrize(
    "source",
    [
        "",
        "import asyncio\nif __name__ == '__main__':\n    asyncio.run(main())",
        "import asyncio\nif '__main__' == __name__:\n    asyncio.run(main())",
        "import asyncio\nasync def main():\n    await asyncio.get_event_loop().run_forever()",
        "import asyncio\ndef main():\n    asyncio.run(f())",
        "import asyncio\nstart = lambda: asyncio.run(f())",
        "def serve(x):\n    return x\nserve(1)",
        "from helpers import serve\nserve(1)",
        "import subprocess\nsubprocess.run(['true'])",
        "from websockets import connect\nx = connect",
        "run(1)",
        "x = " + " + ".join(["f()"] * 900),
        "import asyncio\nclass A:\n    def run(self):\n        asyncio.run(f())",
    ],
)
def test_what_only_could_run_one_is_left_alone(source: str) -> None:
    assert found(source) is None
