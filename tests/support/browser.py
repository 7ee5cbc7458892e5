"""Chromium without a window, driven over its DevTools protocol: opens pages, types, evaluates, takes pictures.

with run_browser(tmp_path) as browser:
    page = browser.open("file:///tmp/page.html")
    page.wait_for("document.title === 'ready'")
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from support.client import connect
from support.waiting import until

MISSING = "Chromium is not installed: apt-get install chromium"
START_S = 30.0

FLAGS = (
    "--headless",
    "--no-sandbox",  # tests may run as root, in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-breakpad",
    "--disable-sync",
    "--no-proxy-server",
    "--no-first-run",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    """The program, or None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """A command of the DevTools protocol."""
        return self._browser.call(method, self._session, **params)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression.

        Raises:
            AssertionError: if it throws.
        """
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str, within: float = 10.0) -> Any:
        """The value of an expression, once it is true."""
        try:
            return until(lambda: self.evaluate(expression), within)
        except AssertionError as error:
            raise AssertionError(f"{expression}: {error}\nthe page says:\n{self.text()}") from None

    def text(self) -> str:
        """What the page shows."""
        return str(self.evaluate("document.body.innerText"))

    def type_line(self, text: str) -> None:
        """Types into what has the focus, and presses Enter."""
        self.call("Input.insertText", text=text)
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r" if kind == "keyDown" else "")

    def use_colors(self, scheme: str) -> None:
        """As if the reader preferred `light` or `dark`."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path) -> None:
        """Writes what the page looks like, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """Closes the tab, and with it its connections."""
        self.call("Page.close")


class Browser:
    """A running Chromium."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last = 0

    def call(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        """A command and its answer; what comes between is not for us.

        Raises:
            AssertionError: if the browser refuses it.
        """
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params, **({"sessionId": session} if session else {})}))
        while (message := json.loads(self._socket.recv(timeout=START_S))).get("id") != self._last:
            pass
        assert "error" not in message, f"{method}: {message['error']}"
        return dict(message["result"])

    def open(self, url: str) -> Page:
        """Opens a page in a tab of its own."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        page.call("Page.navigate", url=url)
        page.wait_for(f"location.href !== 'about:blank' && document.readyState === 'complete' && {json.dumps(url)}")
        return page


@contextmanager
def run_browser(folder: Path) -> Iterator[Browser]:
    """Runs Chromium with a profile of its own in `folder` while the body lasts."""
    program = find_chromium()
    assert program is not None, MISSING
    profile = folder / "chromium"
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = subprocess.Popen(
        [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        env={**environ, "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port, path = until(lambda: _debugging_address(profile), START_S)
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, open_timeout=START_S) as socket:
            browser = Browser(socket)
            yield browser
            with suppress(ConnectionClosed, TimeoutError):
                browser.call("Browser.close")
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _debugging_address(profile: Path) -> list[str]:
    """The port and the path that Chromium writes down once it can be driven."""
    try:
        words = (profile / "DevToolsActivePort").read_text().split()
    except OSError:
        return []
    return words if len(words) == 2 else []
